"""The content codings of request bodies."""

import zlib

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

CODINGS = ("gzip", "identity")


class UnsupportedCoding(UnsupportedMediaType):
    """The body has a content coding that is not read."""

    def __init__(self):
        super().__init__(f"This Content-Encoding is not read; send the body with one of {', '.join(CODINGS)}.")

    def get_headers(self, *args, **kwargs):
        """Return the headers of the answer, with the one that RFC 9110 has in it."""
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", ", ".join(CODINGS))]


def content_coding():
    """Return the coding of the request's body. Refuse one that is not read with 415."""
    name = request.headers.get("Content-Encoding", "").strip().lower() or "identity"
    name = {"x-gzip": "gzip"}.get(name, name)
    if name not in CODINGS:
        raise UnsupportedCoding
    return name


def unpack(body, limit):
    """Return what `body`, in gzip, holds: at most one byte more than `limit`. Raise ValueError for what is not gzip, or not all of it."""
    parts, room = [], limit + 1
    while room > 0 and body:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            part = member.decompress(body, room)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        parts.append(part)
        room -= len(part)
        if not member.eof and room > 0:
            raise ValueError("incomplete")
        body = member.unused_data
    return b"".join(parts)
