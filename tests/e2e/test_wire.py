"""What only a socket shows: requests that are cut short, malformed or too large, as gunicorn and the application answer them together."""

import http.client
import shutil
from urllib.parse import quote

import pytest
import requests

from tests.e2e.sockets import head, is_problem, say
from tests.serving import PATIENCE, running_gunicorn

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(sqlite_template, tmp_path_factory):
    """A real server, which these tests share."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("wire") / "mintaka.db")
    with running_gunicorn(f"sqlite:///{path}", workers=1) as server:
        yield server


def make_deployment(server, flow="etl", name="d"):
    flow_id = requests.post(f"{server.api}/flows/", json={"name": flow}, timeout=PATIENCE).json()["id"]
    body = {"name": name, "flow_id": flow_id, "flow_data": {"encoding": "json", "blob": "1"}}
    return requests.post(f"{server.api}/deployments/", json=body, timeout=PATIENCE).json()["id"]


def test_a_request_that_breaks_off_does_nothing(server):
    route = f"/deployments/{make_deployment(server)}/create_flow_run"
    body = '{"parameters": {"table": "orders"}}'
    for sent in ("", body[:10], "  "):
        assert is_problem(say(server, head(route, f"Content-Length: {len(body)}"), sent, end=True), 400)
    assert is_problem(say(server, head(route, "Transfer-Encoding: chunked"), "23\r\n", body[:10], end=True), 400)
    assert requests.post(f"{server.api}/flow_runs/count", timeout=PATIENCE).json() == 0


@pytest.mark.parametrize("chunks", ["zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}XX0\r\n\r\n"])
def test_malformed_chunks_are_400(server, chunks):
    assert is_problem(say(server, head("/deployments/count", "Transfer-Encoding: chunked"), chunks), 400)


@pytest.mark.parametrize("size", [17 * 2**20, 30 * 2**20])
def test_a_client_that_sends_all_before_it_listens_gets_the_413(server, size):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE)
    connection.request("POST", "/api/flow_runs/filter", b"x" * size, JSON)
    answer = connection.getresponse()
    assert is_problem((answer.status, answer.headers, answer.read()), 413)


def test_a_connection_goes_on_after_a_body_that_nobody_wanted(server):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE)
    for _ in range(2):
        connection.request("POST", "/api/deployments/count", b"x" * 100_000, {"Content-Type": "text/plain"})
        answer = connection.getresponse()
        assert is_problem((answer.status, answer.headers, answer.read()), 415)


@pytest.mark.parametrize(
    "request_, status",
    [
        ("nonsense\r\n\r\n", 400),
        ("GET /api/health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (f"GET /{'secret' * 2000} HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (f"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX-A: {'secret' * 3000}\r\n\r\n", 431),
    ],
)
def test_what_never_reaches_the_application_is_a_problem_too_and_echoes_nothing(server, request_, status):
    answer = say(server, request_)
    assert is_problem(answer, status)
    assert b"secret" not in answer[2]


def test_a_deployment_is_read_by_the_longest_names_there_are(server):
    name = "\N{GRINNING FACE}" * 255
    id = make_deployment(server, name, name)
    assert requests.get(f"{server.api}/deployments/name/{quote(name)}/{quote(name)}", timeout=PATIENCE).json()["id"] == id
