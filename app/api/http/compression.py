"""Answers in a content coding (RFC 9110): gzip, and zstd for clients that name it, which packs tighter in a fraction of the time.

Flask-Compress answers a client that refuses a coding (`gzip;q=0`) in that coding, hence not it.
"""

import threading
import zlib

import zstandard

# What is shorter fits into one packet or two, packed or not
MIN_BYTES = 1024
PACKED_TYPES = ("application/json", "application/problem+json", "text/html")
# The fastest: what higher ones save in bytes they cost many times over in a worker's time
GZIP_LEVEL, ZSTD_LEVEL = 1, 1

_thread = threading.local()


def compress(request, response):
    """After every request: pack its answer if that is long and the client asks for a coding."""
    if response.direct_passthrough or response.is_streamed:
        return
    body = response.get_data()
    if len(body) < MIN_BYTES or response.mimetype not in PACKED_TYPES or "Content-Encoding" in response.headers:
        return
    response.vary.add("Accept-Encoding")
    coding = accepted_coding(request)
    if coding is not None:
        response.set_data(CODINGS[coding](body))
        response.headers["Content-Encoding"] = coding


def accepted_coding(request):
    """Return the coding that a request's Accept-Encoding likes best, zstd before gzip, or None for the bytes as they are."""
    if "Accept-Encoding" not in request.headers:
        return None
    accepted = request.accept_encodings
    named = {name.lower(): quality for name, quality in accepted}
    # a star means any coding, of which everybody knows gzip
    qualities = {"zstd": named.get("zstd", 0), "gzip": named.get("gzip", named.get("*", 0))}
    best = max(qualities, key=lambda coding: qualities[coding])
    return best if qualities[best] > 0 and qualities[best] >= named.get("identity", 0) else None


def _gzip(body):
    packer = zlib.compressobj(GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()


def _zstd(body):
    # one is not for several threads at once, and takes longer to make than to use
    packer = getattr(_thread, "packer", None)
    if packer is None:
        packer = _thread.packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    return packer.compress(body)


CODINGS = {"zstd": _zstd, "gzip": _gzip}
