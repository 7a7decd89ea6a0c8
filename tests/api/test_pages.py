"""What a browser sees: the front page, problems that can be read, and the icon."""

import re
from html.parser import HTMLParser

import pytest

from app import __version__, create_app
from app.config import Settings
from tests.api.asking import ok

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
JSON = {"Accept": "application/json"}


class Seen(HTMLParser):
    """What is in a page: its text, where its links go, what it loads, and its scripts and styles."""

    def __init__(self, response):
        super().__init__()
        self.text, self.links, self.loaded, self.active = "", [], [], []
        assert response.content_type == "text/html; charset=utf-8"
        self.feed(response.text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a":
            self.links.append(attrs["href"])
        self.loaded += [attrs[name] for name in ("src",) if name in attrs]
        self.loaded += [attrs["href"]] if tag == "link" else []
        self.active += [tag] if tag in ("script", "style", "form", "iframe") else []
        self.active += [name for name in attrs if name == "style" or name.startswith("on")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def client():
    """A client of an application whose database cannot be reached."""
    return create_app(Settings(database_url="sqlite:////nowhere/mintaka.db")).test_client()


@pytest.mark.parametrize("path", ["/", "/api", "/api/"])
def test_the_front_page_says_what_this_is_and_its_links_work(client, path):
    response = client.get(path, headers=BROWSER)
    assert response.status_code == 200
    seen = Seen(response)
    assert f"Version {__version__}" in seen.text
    assert {"/api/docs/", "/api/openapi.json", "/api/health", "/api/ready"} <= set(seen.links)
    for link in {*seen.links, *seen.loaded} - {"/api/ready"}:
        assert client.get(link, headers=BROWSER).status_code == 200, link


@pytest.mark.parametrize("path", ["/", "/api", "/api/"])
@pytest.mark.parametrize("headers", [{}, JSON, {"Accept": "*/*"}, {"Accept": "application/json, text/html;q=0.9"}], ids=str)
def test_programs_get_the_same_facts_as_json(client, path, headers):
    response = client.get(path, headers=headers)
    about = ok(response)
    assert (about["title"], about["version"]) == ("Mintaka", __version__)
    for name, link in about["links"].items():
        assert client.get(link).status_code == (503 if name == "ready" else 200), link
    assert "Accept" in response.headers["Vary"]


def test_a_link_to_the_front_page_may_carry_anything(client):
    assert client.get("/?utm_source=mail", headers=BROWSER).status_code == 200


PROBLEMS = (
    ("GET", "/nothing", 404),
    ("GET", "/api/flows/filter", 405),
    ("GET", "/api/flows/not-an-id", 422),
    ("GET", "/api/health?surprise=1", 422),
    ("POST", "/api/flows/", 415),
    ("GET", "/api/ready", 503),
)


@pytest.mark.parametrize(("method", "path", "status"), PROBLEMS)
def test_a_problem_is_a_page_in_a_browser_with_the_facts_that_programs_get(client, method, path, status):
    asked = {"method": method} | ({"data": {"name": "a form"}} if method == "POST" else {})
    problem, response = client.open(path, headers=JSON, **asked), client.open(path, headers=BROWSER, **asked)
    assert problem.status_code == response.status_code == status
    assert problem.content_type == "application/problem+json"
    assert "Accept" in problem.headers["Vary"]
    assert "Accept" in response.headers["Vary"]
    # a long answer may be compressed, and says that in `Vary`
    own = ("Content-Type", "Content-Length", "X-Request-ID", "Date", "Content-Security-Policy", "X-Content-Type-Options", "Vary")
    assert [header for header in response.headers if header[0] not in own] == [header for header in problem.headers if header[0] not in own]
    seen = Seen(response)
    facts = problem.json
    for fact in (str(status), facts["title"], facts["detail"], response.headers["X-Request-ID"]):
        assert fact in seen.text
    for error in facts.get("errors", ()):
        assert error["msg"] in seen.text
        assert ".".join(map(str, error["loc"][1:])) in seen.text
    assert "/api/docs/" in seen.links


@pytest.mark.parametrize(("path", "expected"), [("/api/flows/filter", "#/Flows/read_flows"), ("/api/flows/", "#/Flows/create_flow")])
def test_the_page_of_a_wrong_method_links_to_the_right_ones(client, path, expected):
    assert f"/api/docs/{expected}" in Seen(client.get(path, headers=BROWSER)).links


def test_the_page_of_a_failure_links_to_the_route_in_swagger_ui(client):
    path = "/api/flow_runs/0197a9f2-6b1c-7d5e-9c3a-000000000001"
    assert "/api/docs/#/Flow%20Runs/read_flow_run" in Seen(client.get(path, headers=BROWSER)).links


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_a_page_loads_nothing_from_elsewhere_and_nothing_in_it_can_act(client, path):
    response = client.get(path, headers=BROWSER)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    seen = Seen(response)
    assert seen.active == []
    assert all(link.startswith("/") and not link.startswith("//") for link in seen.loaded + seen.links)
    assert seen.loaded
    style = client.get(next(link for link in seen.loaded if link.endswith(".css"))).text
    assert not re.search(r"url\(|@import", style)


def test_what_a_request_says_is_text_in_a_page(client):
    response = client.get("/api/health", query_string={"<script>alert(1)</script>": "1"}, headers=BROWSER)
    assert response.status_code == 422
    seen = Seen(response)
    assert seen.active == []
    assert "<script>alert(1)</script>" in seen.text


def test_links_stay_behind_the_prefix_of_a_proxy():
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db", trusted_proxies=1))
    headers = BROWSER | {"X-Forwarded-Prefix": "/mintaka"}
    for path in ("/api", "/nothing"):
        seen = Seen(app.test_client().get(path, headers=headers))
        assert all(link.startswith("/mintaka/") for link in seen.loaded + seen.links)


def test_the_icon_is_an_image(client):
    response = client.get("/favicon.ico")
    assert response.status_code == 200
    assert response.content_type == "image/png"
    assert response.data.startswith(b"\x89PNG")
