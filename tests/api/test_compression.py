"""Answers that a client need not be sent again, or not at full length: ETags and content codings."""

import zlib

import pytest
import zstandard
from flask.testing import FlaskClient

from tests.api.asking import ok
from tests.api.factories import make_deployment, make_flow, make_flow_run

LONG = {"parameters": {"text": "orders " * 400}}
OWN = ("Content-Length", "Content-Encoding", "X-Request-ID", "Date")


def unpacked(response):
    """The bytes of an answer, whatever coding it has."""
    unpack = {"gzip": lambda body: zlib.decompress(body, zlib.MAX_WBITS | 16), "zstd": zstandard.decompress, None: bytes}
    return unpack[response.headers.get("Content-Encoding")](response.data)


def others(response):
    """The headers that a coding does not change."""
    return {name: value for name, value in response.headers if name not in OWN}


@pytest.fixture
def raw(shared):
    """A client that takes answers as bytes."""
    return FlaskClient(shared.app, shared.app.response_class)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("GZIP", "gzip"),
        ("gzip;q=0.8, zstd;q=0.5", "gzip"),
        ("*", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("gzip;q=0", None),
        ("*;q=0", None),
        ("br, deflate", None),
        ("identity", None),
        ("gzip;q=0.1, identity;q=0.5", None),
        ("", None),
        (None, None),
    ],
)
def test_a_long_answer_has_the_coding_that_the_client_likes_best(raw, api, accepted, coding):
    path = f"/api/deployments/{make_deployment(api, **LONG)['id']}"
    whole = raw.get(path)
    assert "Content-Encoding" not in whole.headers
    response = raw.get(path, headers={} if accepted is None else {"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding") == coding
    assert unpacked(response) == whole.data
    assert int(response.headers["Content-Length"]) == len(response.data)
    assert (len(response.data) < len(whole.data) / 5) == (coding is not None)
    assert others(response) == others(whole)
    assert "Accept-Encoding" in whole.headers["Vary"]


def test_lists_problems_pages_and_the_api_document_are_compressed(raw, api):
    flow = make_flow(api)["id"]
    for _ in range(3):
        make_flow_run(api, flow_id=flow)
    codings = {"Accept-Encoding": "gzip"}
    answers = [
        raw.post("/api/flow_runs/filter", json={"limit": 3}, headers=codings),
        raw.post("/api/flows/", json={f"unknown{n}": n for n in range(50)}, headers=codings),
        raw.get("/", headers=codings | {"Accept": "text/html"}),
        raw.get("/api/openapi.json", headers=codings),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 200, 200]
    for answer in answers:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(unpacked(answer)) > len(answer.data)


def test_a_short_answer_and_a_file_are_sent_as_they_are(raw, api):
    for path in (f"/api/flows/{make_flow(api)['id']}", "/api/docs/static/site.css"):
        response = raw.get(path, headers={"Accept-Encoding": "gzip, zstd"})
        assert "Content-Encoding" not in response.headers
        assert "Accept-Encoding" not in response.headers.get("Vary", "")
        assert response.data


def paths(client):
    """Paths that read one thing each."""
    deployment = make_deployment(client)
    flow = ok(client.get(f"/flows/{deployment['flow_id']}"))
    run = make_flow_run(client, flow_id=flow["id"])
    names = f"{flow['name']}/{deployment['name']}"
    return [f"/deployments/{deployment['id']}", f"/deployments/name/{names}", f"/flows/{flow['id']}", f"/flow_runs/{run['id']}"]


def test_what_did_not_change_is_304_without_a_body(api, api_clock):
    api_clock.stop_at(api_clock())
    for path in paths(api):
        read = api.get(path)
        tag = read.headers["ETag"]
        for sent in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            same = api.get(path, headers={"If-None-Match": sent})
            assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag), sent
            assert "Content-Type" not in same.headers
            assert same.headers["X-Request-ID"]
        for sent in ('"other"', "nonsense", ""):
            assert ok(api.get(path, headers={"If-None-Match": sent})) == read.json


def test_what_changed_is_answered_with_another_etag(api):
    deployment = make_deployment(api)
    path = f"/deployments/{deployment['id']}"
    tag = api.get(path).headers["ETag"]
    changed = ok(api.patch(path, json={"tags": ["new"]}))
    again = api.get(path, headers={"If-None-Match": tag})
    assert ok(again) == changed
    assert again.headers["ETag"] != tag
    ok(api.patch(path, json={}))
    assert api.get(path).headers["ETag"] != tag


def test_the_etag_of_a_run_is_that_of_all_that_is_answered(api, api_clock):
    # the estimates of one that is under way move with the clock
    run = make_flow_run(api)
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    path = f"/flow_runs/{run['id']}"
    api_clock.stop_at(api_clock())
    tag = api.get(path).headers["ETag"]
    assert api.get(path, headers={"If-None-Match": tag}).status_code == 304
    api_clock.advance(seconds=5)
    moved = api.get(path, headers={"If-None-Match": tag})
    assert ok(moved)["estimated_run_time"] >= 5


def test_an_etag_is_the_same_in_every_coding_and_304_is_not_compressed(raw, api):
    path = f"/api/deployments/{make_deployment(api, **LONG)['id']}"
    tags = {raw.get(path, headers={"Accept-Encoding": coding}).headers["ETag"] for coding in ("gzip", "zstd", "identity")}
    [tag] = tags
    same = raw.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert (same.status_code, same.data) == (304, b"")
    assert "Content-Encoding" not in same.headers


def test_what_is_not_there_or_changes_something_has_no_etag(api):
    assert "ETag" not in api.get("/flows/0197a9f2-6b1c-7d5e-9c3a-000000000001").headers
    created = api.post("/flows/", json={"name": "no-etag"}, headers={"If-None-Match": "*"})
    assert created.status_code in (200, 201)
    assert "ETag" not in created.headers
