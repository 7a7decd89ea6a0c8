"""What a connection makes of the pieces that arrive."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.serving.connection import MAX_CHUNK_LINE, ChunkedBody

LIMIT = 1000
CHUNKS = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.sampled_from(["", ";a=b", ' ;a="b"']), st.booleans()), max_size=8)
TRAILERS = st.lists(st.sampled_from([b"A: b\r\n", b"Long-Name: \xff\r\n"]), max_size=3)


def pieces_of(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(CHUNKS, TRAILERS, st.lists(st.integers(min_value=0), max_size=10), st.binary(max_size=20))
def test_a_chunked_body_ends_where_it_ends_however_it_is_cut_up(chunks, trailers, cuts, following):
    sizes = [f"{len(data):{'X' if upper else 'x'}}{extension}\r\n".encode() + data + b"\r\n" for data, extension, upper in chunks]
    encoded = b"".join((*sizes, b"0\r\n", *trailers, b"\r\n"))
    body = ChunkedBody(LIMIT)
    for piece in pieces_of(encoded[:-1], cuts):
        body.feed(piece)
        assert not body.complete
    body.feed(encoded[-1:] + following)
    assert body.complete
    assert not body.too_large


@given(st.binary(max_size=60), st.lists(st.integers(min_value=0), max_size=5))
def test_nothing_that_is_sent_as_chunks_breaks_the_reader(data, cuts):
    body = ChunkedBody(LIMIT)
    for piece in pieces_of(data, cuts):
        body.feed(piece)


def test_chunks_that_are_none_are_left_to_the_parser():
    for malformed in (b"zz\r\n", b"-1\r\n", b"0x1\r\n", b"1\n", b"\r\n", b"2\r\nabX\r\n", b"1" * (MAX_CHUNK_LINE + 1)):
        body = ChunkedBody(LIMIT)
        body.feed(malformed)
        assert body.complete, malformed


def test_a_chunked_body_is_too_large_by_what_has_arrived_of_it():
    body = ChunkedBody(LIMIT)
    body.feed(b"fffff\r\n" + b"x" * LIMIT)
    assert not body.too_large
    body.feed(b"x")
    assert body.too_large
