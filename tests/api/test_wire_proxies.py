"""Wire rules about where a request came by: its host, its path, and the proxies in front (contract, section 1)."""

import gzip
import json

import pytest

from app import create_app
from app.config import Settings
from tests.api.asking import ok, problem, wrong_fields
from tests.conftest import ApiClient

MINTAKA, ELSEWHERE = "mintaka.example", "elsewhere.example"


def client_of(**settings):
    """A client of an application whose database is never asked."""
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db", **settings))
    app.test_client_class = ApiClient
    return app.test_client()


@pytest.mark.parametrize("path", ["/health", "/flows/filter", "/nowhere", "/docs/", "/openapi.json"])
def test_a_host_that_is_not_the_servers_is_421_whatever_is_asked(path):
    answer = client_of().get(path, headers={"Host": ELSEWHERE})
    assert "MINTAKA_ALLOWED_HOSTS" in problem(answer, 421)["detail"]
    assert answer.headers["X-Request-ID"]


def test_the_hosts_that_are_set_are_let_in():
    client = client_of(allowed_hosts=(MINTAKA,))
    assert ok(client.get("/health", headers={"Host": f"{MINTAKA}:8000"})) is True
    problem(client.get("/health", headers={"Host": ELSEWHERE}), 421)


def test_what_comes_by_a_unix_socket_is_a_proxys_and_may_name_any_host():
    assert ok(client_of().get("/health", headers={"Host": ELSEWHERE}, environ_overrides={"REMOTE_ADDR": ""})) is True


def test_a_host_is_refused_whichever_of_the_two_a_page_can_choose():
    client = client_of(trusted_proxies=1, allowed_hosts=(MINTAKA,))
    ok(client.get("/health", headers={"Host": "127.0.0.1", "X-Forwarded-Host": MINTAKA}))
    problem(client.get("/health", headers={"Host": ELSEWHERE, "X-Forwarded-Host": MINTAKA}), 421)
    problem(client.get("/health", headers={"Host": MINTAKA, "X-Forwarded-Host": ELSEWHERE}), 421)


def test_behind_a_trusted_proxy_paths_begin_with_its_prefix():
    client = client_of(trusted_proxies=1, allowed_hosts=(MINTAKA,))
    forwarded = {"X-Forwarded-Prefix": "/jobs", "X-Forwarded-Proto": "https", "X-Forwarded-Host": MINTAKA}
    assert ok(client.get("/openapi.json", headers=forwarded))["servers"][0]["url"] == "/jobs"
    assert ok(client.get("/openapi.json"))["servers"][0]["url"] == "/"
    assert client.get("/docs", headers=forwarded).headers["Location"] in ("/jobs/api/docs/", f"https://{MINTAKA}/jobs/api/docs/")


def test_without_one_nobody_is_believed_about_it():
    forwarded = {"X-Forwarded-Prefix": "/jobs", "X-Forwarded-Host": ELSEWHERE}
    client = client_of()
    assert ok(client.get("/openapi.json", headers=forwarded))["servers"][0]["url"] == "/"
    assert "jobs" not in client.get("/docs", headers=forwarded).headers["Location"]


def test_a_server_that_is_mounted_below_a_prefix_names_it():
    answer = client_of().get("/openapi.json", environ_overrides={"SCRIPT_NAME": "/jobs"})
    assert ok(answer)["servers"][0]["url"] == "/jobs"


@pytest.mark.parametrize("path", ["/api//health", "/api/flows//filter", "/api/deployments/name/a//b", "/api//"])
def test_two_slashes_in_a_row_are_a_path_that_does_not_exist(path):
    for method in ("GET", "POST"):
        problem(client_of().open(path, method=method, json={}), 404)


def post(client, body, coding, path="/flows/"):
    return client.post(path, data=body, headers={"Content-Type": "application/json", "Content-Encoding": coding})


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", " gzip "])
def test_a_body_in_gzip_is_read(coding):
    assert wrong_fields(post(client_of(), gzip.compress(b'{"surprise": 1}'), coding)) == {"body.name", "body.surprise"}


def test_a_body_in_gzip_may_be_no_larger_when_it_is_unpacked():
    client = client_of(max_body_bytes=2000)
    for size, status in ((2000, 422), (2001, 413), (10**7, 413)):
        problem(post(client, gzip.compress(json.dumps({}).encode().ljust(size)), "gzip"), status)


def test_a_body_that_is_not_the_gzip_it_says_is_400():
    for body in (b"{}", gzip.compress(b'{"name": "x"}')[:-9]):
        assert "gzip" in problem(post(client_of(), body, "gzip"), 400)["detail"]


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_a_body_in_another_coding_is_415_and_says_which_are_read(coding):
    for path in ("/flows/", f"/deployments/{'0' * 8}-0000-0000-0000-{'0' * 12}/set_schedule_active"):
        answer = post(client_of(), b"{}", coding, path)
        assert "gzip, identity" in problem(answer, 415)["detail"]
        assert answer.headers["Accept-Encoding"] == "gzip, identity"
