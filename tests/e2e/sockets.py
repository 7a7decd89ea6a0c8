"""HTTP byte by byte, for what clients that are well made never send."""

import http.client
import json
import socket

from tests.serving import PATIENCE


def say(server, *pieces, end=False):
    """(status, headers, body) of the answer to what is sent as it is; with `end`, nothing more is sent after it."""
    with connect(server) as connection:
        for piece in pieces:
            connection.sendall(piece if isinstance(piece, bytes) else piece.encode())
        if end:
            connection.shutdown(socket.SHUT_WR)
        return answer_on(connection)


def connect(server):
    """A connection to a server."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def answer_on(connection):
    """(status, headers, body) of the next answer on a connection, on which no other may follow yet."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.headers, answer.read()


def head(path, *lines):
    """The head of a POST of JSON."""
    return "\r\n".join((f"POST /api{path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines, "", ""))


def is_problem(answer, status):
    """Whether an answer is a problem document with a request id."""
    got, headers, body = answer
    described = (headers["Content-Type"], json.loads(body)["status"]) == ("application/problem+json", status)
    return got == status and described and headers["X-Request-ID"]
