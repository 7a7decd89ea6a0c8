"""A connection whose requests are received without waiting: what has arrived of a request, and whether it is all of it.

gunicorn's own parser decides what a request is. It is given one when the whole of it has arrived, so that it never waits for a client.
"""

import re
import socket
import struct
from enum import Enum
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader

# Bytes that are read at a time: of a head, and of a body that is known to be long
PIECE = 64 * 1024
LARGE_PIECE = 1024 * 1024

# Bytes of a body that takes much to read
LARGE = 1024 * 1024

# Bytes of a head
MAX_HEAD = 64 * 1024

# Bytes of a line between two chunks of a body
MAX_CHUNK_LINE = 8190
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]*)?\r\n")

# Bytes of a body that is too large which are read all the same: a client that sends all before it listens then sees why it was refused
MAX_DROPPED = 64 * 1024 * 1024


class State(Enum):
    """What a connection waits for."""

    OPENED = "its first request"
    IDLE = "another request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    CLOSING = "the client to close it"


class Received(Unreader):
    """What has arrived and is not read yet. Where gunicorn's parser would wait for the socket, it finds the end instead."""

    def __init__(self):
        super().__init__()
        self.data = bytearray()
        self.head_too_long = False

    def chunk(self, size_hint=None):
        """Return the next piece of data."""
        if self.head_too_long and not self.data:
            raise LimitRequestHeaders("the head is too long")
        size = max(PIECE, size_hint or 0)
        with memoryview(self.data) as view:
            piece = bytes(view[:size])
        del self.data[:size]
        return piece


class MeasuredBody:
    """What is known of a body that a Content-Length announces."""

    def __init__(self, length, limit):
        self.announced = length
        self.too_large = length > limit
        self.missing = length

    def feed(self, data):
        """Take note of the next `data`."""
        self.missing -= len(data)

    @property
    def complete(self):
        """Whether all of it has arrived."""
        return self.missing <= 0


class ChunkedBody:
    """What is known of a body in chunks. One that is malformed is complete: the parser says what is wrong with it."""

    def __init__(self, limit):
        self.announced = self._limit = limit
        self.complete = False
        self.missing = LARGE_PIECE
        self._size = 0
        self._left = 0
        self._line = bytearray()
        self._read_line = self._size_line

    @property
    def too_large(self):
        """Whether more has arrived than a body may have."""
        return self._size > self._limit

    def feed(self, data):
        """Take note of the next `data`."""
        at = 0
        while at < len(data) and not self.complete:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                self._size += step
                at += step
                continue
            end = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at:end]
            at = end
            if self._line.endswith(b"\n"):
                line, self._line = bytes(self._line), bytearray()
                self._read_line(line)
            elif len(self._line) > MAX_CHUNK_LINE:
                self.complete = True

    def _size_line(self, line):
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            self.complete = True
            return
        self._left = int(match[1], 16)
        self._read_line = self._end_of_chunk if self._left else self._trailer

    def _end_of_chunk(self, line):
        self.complete = line != b"\r\n"
        self._read_line = self._size_line

    def _trailer(self, line):
        self._size += len(line)
        self.complete = line == b"\r\n"


class Connection:
    """A client's connection. The socket is never waited for when it is read; `send_timeout` is how long a client may read nothing."""

    def __init__(self, cfg, sock, client, server, send_timeout):
        self.sock, self.client, self.server = sock, client, server
        sock.setblocking(True)
        # the kernel's own timeout: Python's asks before each piece that is sent whether there is room
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(send_timeout), 0))
        self.received = Received()
        self.parser = RequestParser(cfg, (), client)
        self.parser.unreader = self.received
        self.request: Any = None
        self.body: Any = None
        self.ended = False
        self.dropped = 0
        self.reserved = 0
        # belong to the worker
        self.large = False
        self.state = State.OPENED
        self.timeout = 0.0
        self.callback: Any = None

    def read(self, most):
        """Return up to `most` bytes of what has arrived: none at the end, and None where nothing has arrived."""
        try:
            return self.sock.recv(most, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def receive(self):
        """Read what has arrived."""
        most = PIECE if self.body is None else min(max(PIECE, self.body.missing), LARGE_PIECE)
        data = self.read(most)
        if data is None:
            return
        if not data:
            self.ended = True
        elif self.body is None:
            self.received.data += data
        else:
            if self.body.too_large:
                self.dropped += len(data)
            else:
                self.received.data += data
            self.body.feed(data)

    def has_head(self):
        """Whether the head of a request has arrived, or what can be none."""
        data = self.received.data
        if b"\r\n\r\n" in data:
            return True
        if len(data) > MAX_HEAD:
            self.received.head_too_long = True
            return True
        # a line that ends with LF alone is refused by the parser, and no end of the head need follow
        return data.count(b"\n") != data.count(b"\r\n")

    def parse(self, max_body):
        """Make a request of the head that has arrived. Raise what gunicorn's parser does."""
        self.request = next(self.parser)
        reader = self.request.body.reader
        self.body = MeasuredBody(reader.length, max_body) if isinstance(reader, LengthReader) else ChunkedBody(max_body)
        if not self.body.complete:
            self.body.feed(self.received.buf.getvalue())
            self.body.feed(self.received.data)
        if self.body.too_large:
            self.request.force_close()

    def has_body(self):
        """Whether the body of the request has arrived, or as much of it as there will be."""
        return self.body.complete or self.ended or self.dropped > MAX_DROPPED

    def is_large(self):
        """Whether a request has arrived whose body takes much to read."""
        return self.body is not None and len(self.received.data) > LARGE

    def take_request(self):
        """Return the request that has arrived, and make room for the next one."""
        if self.body.too_large:
            self.request.force_close()
        request, self.request, self.body = self.request, None, None
        return request

    def has_more(self):
        """Whether something of the next request has arrived with the last one."""
        if self.received.buf.getvalue():
            self.received.data[:0] = self.received.take_buffered()  # pyright: ignore[reportAttributeAccessIssue]
        return bool(self.received.data)


class Waiting:
    """Connections that wait for the same thing, each equally long: the one that came first is the first to run out of time."""

    def __init__(self):
        self._connections = {}

    def __len__(self):
        return len(self._connections)

    def __iter__(self):
        return iter(self._connections)

    def __getitem__(self, index):
        """The connection that has waited longest; gunicorn's loop asks for number 0."""
        return next(iter(self._connections))

    def add(self, connection):
        """Let `connection` wait behind the others."""
        self._connections[connection] = None

    def remove(self, connection):
        """Take out `connection`."""
        del self._connections[connection]

    def expired(self, now):
        """Yield the connections whose time is over at `now`."""
        while self._connections and (first := self[0]).timeout <= now:
            yield first
