"""Clients that send slowly, or nothing, or wait to be asked: none of them holds a thread, and each is answered."""

import http.client
import json
import shutil
from contextlib import ExitStack

import pytest
import requests

from tests.e2e.sockets import answer_on, connect, head, is_problem, say
from tests.serving import PATIENCE, running_gunicorn, wait_until

COUNT = head("/flow_runs/count", "Content-Length: 2")
HALVES = {
    "nothing": "",
    "half a line": "POST /api/flow_runs/co",
    "half a head": COUNT[:-9],
    "half a body": f"{COUNT}{{",
    "half a long body": head("/flow_runs/count", "Content-Length: 15000000") + "{" * 100_000,
    "half a chunk": head("/flow_runs/count", "Transfer-Encoding: chunked") + "2\r\n{",
}


@pytest.fixture(scope="module")
def server(sqlite_template, tmp_path_factory):
    """A server with one thread, which these tests share."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("slow") / "mintaka.db")
    with running_gunicorn(f"sqlite:///{path}", workers=1, threads=1, request_timeout=PATIENCE) as server:
        yield server


def test_clients_that_send_half_a_request_keep_nobody_waiting_and_are_answered_when_they_send_the_rest(server):
    with ExitStack() as connections:
        slow = [(kind, connections.enter_context(connect(server))) for kind in HALVES for _ in range(5)]
        for kind, connection in slow:
            connection.sendall(HALVES[kind].encode())
        for _ in range(10):
            assert requests.get(f"{server.api}/health", timeout=PATIENCE).status_code == 200
            assert requests.post(f"{server.api}/flow_runs/count", json={}, timeout=PATIENCE).status_code == 200
        for kind, connection in slow:
            rest = {"nothing": f"{COUNT}{{}}", "half a body": "}", "half a chunk": "}\r\n0\r\n\r\n"}.get(kind)
            if rest is not None:
                connection.sendall(rest.encode())
                status, _, body = answer_on(connection)
                assert (status, body) == (200, b"0")


def test_a_request_that_does_not_arrive_in_time_is_408(gunicorn_server, sqlite_url):
    server = gunicorn_server(sqlite_url, workers=1, threads=1, request_timeout=1)
    with ExitStack() as connections:
        slow = {kind: connections.enter_context(connect(server)) for kind in HALVES}
        for kind, connection in slow.items():
            connection.sendall(HALVES[kind].encode())
        assert slow.pop("nothing").recv(1) == b""
        for connection in slow.values():
            answer = answer_on(connection)
            assert is_problem(answer, 408)
            assert "MINTAKA_REQUEST_TIMEOUT" in json.loads(answer[2])["detail"]
            # and nothing more is served on it
            assert connection.recv(1) == b""
    # the worker has let go of all of them
    assert server.stop() == 0


def test_a_client_that_reads_nothing_is_let_go(gunicorn_server, sqlite_url):
    server = gunicorn_server(sqlite_url, workers=1, threads=1, request_timeout=1)
    with connect(server) as connection:
        # more than the buffers of both sides hold
        connection.sendall(b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        wait_until(lambda: "did not read its answer" in server.log.read_text(), "the client is let go")
        assert requests.get(f"{server.api}/health", timeout=PATIENCE).status_code == 200


def test_requests_that_are_sent_at_once_are_answered_one_after_the_other(server):
    with connect(server) as connection:
        connection.sendall(f"{COUNT}{{}}GET /api/hello HTTP/1.1\r\nHost: localhost\r\n\r\n{COUNT}{{}}{COUNT}".encode())
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 3 or not received.endswith(b"\r\n\r\n0"):
            received += connection.recv(65536)
        connection.sendall(b"{}")
        assert answer_on(connection)[::2] == (200, b"0")
    first, second, third = (answer.partition(b"\r\n\r\n")[2] for answer in received.split(b"HTTP/1.1 200 OK")[1:])
    assert (first, third) == (b"0", b"0")
    assert json.loads(second) == "\N{WAVING HAND SIGN}"


@pytest.mark.parametrize("size", [2, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_in_many_pieces_is_read_whole_and_the_connection_goes_on(server, size, chunked):
    name = f"{size} {chunked}"
    body = json.dumps({"name": name}).encode().ljust(size)
    pieces = [body[start : start + 70_001] for start in range(0, len(body), 70_001)]
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE)
    statuses = []
    for _ in range(2):
        headers = {"Content-Type": "application/json"} | ({} if chunked else {"Content-Length": str(len(body))})
        connection.request("POST", "/api/flows/", iter(pieces), headers, encode_chunked=chunked)
        answer = connection.getresponse()
        statuses.append(answer.status)
        assert json.loads(answer.read())["name"] == name
    assert statuses[1] == 200


def test_who_asks_before_it_sends_a_body_is_told_to_go_on(server):
    with connect(server) as connection:
        connection.sendall(head("/flow_runs/count", "Content-Length: 2", "Expect: 100-continue").encode())
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += connection.recv(1)
        assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert answer_on(connection)[::2] == (200, b"0")


def test_who_asks_before_it_sends_a_body_that_is_too_large_is_told_not_to(server):
    assert is_problem(say(server, head("/flow_runs/count", "Content-Length: 17000000", "Expect: 100-continue")), 413)


@pytest.mark.parametrize("line", ["Content-Length: 90000000", "Transfer-Encoding: chunked"])
def test_a_body_that_never_ends_is_413_within_bounds(server, line):
    # in chunks: one that is longer than all that is read
    endless = "5555555\r\n" if "chunked" in line else ""
    with connect(server) as connection:
        connection.sendall(head("/flow_runs/count", line).encode() + endless.encode())
        piece = b" " * 2**20
        for _ in range(82):
            try:
                connection.sendall(piece)
            except OSError:
                break
        assert is_problem(answer_on(connection), 413)


def test_a_head_without_an_end_is_refused_when_it_is_too_long(server):
    assert is_problem(say(server, "GET /api/health HTTP/1.1\r\n", "X-A: b\r\n" * 10_000), 431)


def test_a_stopping_server_does_not_wait_for_clients_that_send_nothing(gunicorn_server, sqlite_url):
    server = gunicorn_server(sqlite_url, workers=1, request_timeout=10 * PATIENCE, graceful_timeout=10 * PATIENCE)
    with connect(server):
        requests.get(f"{server.api}/health", timeout=PATIENCE)
        server.process.terminate()
        wait_until(lambda: server.process.poll() is not None, "the server has stopped")


def test_the_worker_refuses_in_one_line_what_it_does_not_speak():
    from gunicorn.config import Config

    from app.serving.worker import Worker

    config = Config()
    Worker.check_config(config, None)
    config.set("certfile", "cert.pem")
    with pytest.raises(RuntimeError, match="--worker-class gthread"):
        Worker.check_config(config, None)
