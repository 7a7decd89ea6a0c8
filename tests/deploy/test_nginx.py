"""The nginx site, run by a real nginx: TLS, what it passes on to a real server, what it keeps back, and what it says itself."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import trustme

from app.config import Settings
from tests.deploy import files
from tests.serving import PATIENCE, free_port, running_gunicorn, wait_until

MAIN = """
daemon off;
pid {folder}/nginx.pid;
{user}
error_log {folder}/error.log;
events {{}}
http {{
    {temporary}
    include {folder}/mintaka.conf;
}}
"""
# `{PLAIN}` is a password as it is: a form that nginx knows besides the hashed ones
PASSWORDS = "ada:{PLAIN}lovelace\n"
BODY_LIMIT = Settings().max_body_bytes
PROBLEM = "application/problem+json"


@dataclass
class Site:
    """A running nginx: `url` is the root over TLS, `plain` over TCP alone."""

    url: str
    plain: str
    authority: str
    folder: Path

    def ask(self, path, method="GET", headers=None, auth=("ada", "lovelace"), **options):
        """The response to a request over TLS, from somebody who has the password."""
        return requests.request(
            method, self.url + path, headers=headers, auth=auth, verify=self.authority, timeout=PATIENCE, allow_redirects=False, **options
        )

    def log(self):
        """What the access log holds."""
        return (self.folder / "access.log").read_text()


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that reached it, and the length of the body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Read all of the body."""
        size, left = 0, int(self.headers.get("Content-Length", 0))
        while left > size:
            size += len(self.rfile.read(min(left - size, 1 << 20)))
        body = json.dumps({"headers": [[name.lower(), value] for name, value in self.headers.items()], "size": size}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_):
        """Say nothing."""


def replaced(text, **changes):
    """`text` with each change made; all have to be possible, so that the tests know the site as it is shipped."""
    for old, new in changes.values():
        assert old in text, old
        text = text.replace(old, new)
    return text


def temporary_folders(folder):
    kinds = {"client_body": "client_body_temp_path", "proxy": "proxy_temp_path"}
    others = ("fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path")
    return "\n    ".join(f"{directive} {folder}/{directive};" for directive in (*kinds.values(), *others))


@contextmanager
def running_nginx(folder, upstream, passwords=True):
    """Run nginx with the shipped site in front of 127.0.0.1:`upstream` for as long as the block lasts; yields a `Site`.

    Without `passwords`, the one line is gone that asks for them.
    """
    program = files.program("nginx", "nginx-light")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.private_key_pem.write_to_path(folder / "privkey.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(folder / "fullchain.pem", append=True)
    tls, plain = free_port(), free_port()
    site = replaced(
        files.text("nginx/mintaka.conf"),
        upstream=("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
        plain=("listen 80;", f"listen 127.0.0.1:{plain};"),
        plain6=("listen [::]:80;", ""),
        tls=("listen 443 ssl;", f"listen 127.0.0.1:{tls} ssl;"),
        tls6=("listen [::]:443 ssl;", ""),
        certificate=("/etc/ssl/mintaka/", f"{folder}/"),
        access=("/etc/nginx/mintaka-access.conf", f"{folder}/mintaka-access.conf"),
        log=("/var/log/nginx/mintaka.log", f"{folder}/access.log"),
    )
    if not passwords:
        site = replaced(site, line=(f"    include {folder}/mintaka-access.conf;\n", ""))
    access = replaced(files.text("nginx/mintaka-access.conf"), passwords=("/etc/nginx/", f"{folder}/"))
    # what root starts gives its workers to another user, who may not enter the folders of this test
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n    ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = MAIN.format(folder=folder, user=user, temporary=temporary)
    contents = {"mintaka.conf": site, "mintaka-access.conf": access, "mintaka.htpasswd": PASSWORDS, "nginx.conf": main}
    for name, content in contents.items():
        (folder / name).write_text(content)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or accepts(tls), "nginx listens")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield Site(f"https://localhost:{tls}", f"http://localhost:{plain}", str(folder / "authority.pem"), folder)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def accepts(port):
    """Whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server(sqlite_template, tmp_path_factory):
    """A real Mintaka, with a body limit below that of nginx."""
    files.program("nginx", "nginx-light")
    copy = shutil.copy(sqlite_template, tmp_path_factory.mktemp("nginx") / "mintaka.db")
    with running_gunicorn(f"sqlite:///{copy}", workers=1, max_body_bytes=4096) as running:
        yield running


@pytest.fixture(scope="module")
def site(server, tmp_path_factory):
    """nginx in front of a real Mintaka."""
    with running_nginx(tmp_path_factory.mktemp("site"), int(server.url.rpartition(":")[2])) as running:
        yield running


@pytest.fixture
def echo():
    """The port of a server that answers with what reached it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def echoing_site(tmp_path, echo):
    """nginx in front of `echo`."""
    with running_nginx(tmp_path, echo) as running:
        yield running


@pytest.fixture
def lonely_site(tmp_path):
    """nginx in front of nothing."""
    with running_nginx(tmp_path, free_port()) as running:
        yield running


def arrived(response):
    """{name: value} of the headers that reached the server."""
    assert response.status_code == 200
    headers = response.json()["headers"]
    assert len(headers) == len(dict(headers))
    return dict(headers)


def check_problem(response, status):
    """Fail unless `response` is a problem document with a request id, as Mintaka's own are."""
    assert (response.status_code, response.headers["Content-Type"]) == (status, PROBLEM)
    document = response.json()
    assert document.keys() == {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert response.headers["X-Request-ID"]


def test_the_api_and_swagger_ui_are_served_over_tls_and_everything_else_is_sent_there(site):
    assert site.ask("/api/ready").json() is True
    page = site.ask("/api/docs/")
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"]
    asset = re.search(r'src="(?P<path>[^"]+\.js)"', page.text)["path"]
    assert site.ask(asset if asset.startswith("/") else f"/api/docs/{asset}").status_code == 200
    moved = requests.post(f"{site.plain}/api/flows/filter?a=b", json={}, timeout=PATIENCE, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (308, "https://localhost/api/flows/filter?a=b")


def test_a_conversation_through_the_proxy_is_as_one_without_it(site, server):
    flow = site.ask("/api/flows/", "POST", json={"name": "etl"})
    assert flow.status_code == 201
    asked = [("/api/flows/filter", {}), ("/api/flows/filter", {"limit": "x"}), ("/api/deployments/", {"name": "a/b"}), ("/api/nothing", {})]
    for path, body in asked:
        direct = requests.post(server.url + path, json=body, timeout=PATIENCE)
        proxied = site.ask(path, "POST", json=body)
        assert (proxied.status_code, proxied.headers["Content-Type"], proxied.json()) == (
            direct.status_code,
            direct.headers["Content-Type"],
            direct.json(),
        )
    check_problem(site.ask("/api/nothing"), 404)


def test_the_servers_own_limit_is_told_in_the_servers_words(site, server):
    body = {"name": "x" * 5000}
    proxied = site.ask("/api/flows/", "POST", json=body)
    check_problem(proxied, 413)
    assert proxied.json() == requests.post(f"{server.url}/api/flows/", json=body, timeout=PATIENCE).json()


def test_a_page_of_this_origin_may_change_things_and_another_may_not(site):
    origins = {site.url: 200, "https://elsewhere.example": 403}
    found = {origin: site.ask("/api/flows/filter", "POST", {"Origin": origin}, json={}).status_code for origin in origins}
    assert found == origins


def test_one_request_id_is_in_the_answer_and_in_the_log(site):
    given = site.ask("/api/ready", headers={"X-Request-ID": "from-the-client:1"}).headers["X-Request-ID"]
    made = site.ask("/api/ready").headers["X-Request-ID"]
    replaced = site.ask("/api/ready", headers={"X-Request-ID": "no id, a sentence"}).headers["X-Request-ID"]
    assert given == "from-the-client:1"
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert re.fullmatch("[0-9a-f]{32}", replaced)
    wait_until(lambda: all(site.log().count(each) == 1 for each in (given, made, replaced)), "the log has all three")


def test_without_a_password_nothing_but_health_is_answered(site):
    refused = site.ask("/api/ready", auth=None)
    check_problem(refused, 401)
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="Mintaka"'
    check_problem(site.ask("/api/flows/filter", "POST", auth=("ada", "wrong"), json={}), 401)
    assert site.ask("/api/health", auth=None).json() is True
    # not as a way around the question
    for path in ("/api/health/", "/api/health/../ready", "/api/healthy", "//api/ready"):
        assert site.ask(path, auth=None).status_code == 401


def test_the_server_hears_of_the_client_from_nginx_alone(echoing_site):
    site = echoing_site
    forged = {
        "Forwarded": "for=6.6.6.6",
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Ssl": "off",
        "X-Forwarded-Protocol": "gopher",
        "SCRIPT_NAME": "/evil",
        "PATH_INFO": "/evil",
    }
    headers = arrived(site.ask("/api/flows/", headers=forged))
    host = site.url.removeprefix("https://")
    assert headers["host"] == host
    about = {name: value for name, value in headers.items() if name.startswith(("x-forwarded", "forwarded", "script", "path"))}
    assert about == {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": host}
    # the connection to the server is kept
    assert "connection" not in headers


def test_a_password_stays_with_nginx(echoing_site):
    assert "authorization" not in arrived(echoing_site.ask("/api/flows/"))
    assert "authorization" not in arrived(echoing_site.ask("/api/health"))


def test_a_key_goes_to_the_server_once_the_line_that_asks_for_a_password_is_gone(tmp_path, echo):
    with running_nginx(tmp_path, echo, passwords=False) as site:
        # given in this way, requests does not look for a password in ~/.netrc
        response = site.ask("/api/flows/", auth=lambda request: request.headers.update(Authorization="Bearer mtk_1") or request)
    assert arrived(response)["authorization"] == "Bearer mtk_1"


def test_the_largest_body_passes_and_one_byte_more_is_a_problem(echoing_site):
    site = echoing_site
    assert site.ask("/api/logs/", "POST", data=b"x" * BODY_LIMIT).json()["size"] == BODY_LIMIT
    check_problem(site.ask("/api/logs/", "POST", data=b"x" * (BODY_LIMIT + 1)), 413)


def test_what_nginx_cannot_make_a_request_of_is_a_problem_too(site):
    check_problem(site.ask("/api/" + "x" * 9000), 414)
    check_problem(site.ask("/api/ready", headers={"X-Long": "x" * 9000}), 431)
    check_problem(site.ask("/api/ready", headers={"Host": "a b"}), 400)
    # the descriptions are no pages
    assert site.ask("/.problem/400").status_code == 404


def test_a_server_that_is_not_there_is_a_problem_that_asks_to_try_again(lonely_site):
    unreachable = lonely_site.ask("/api/ready")
    check_problem(unreachable, 502)
    assert unreachable.headers["Retry-After"] == "1"
    check_problem(lonely_site.ask("/api/health", auth=None), 502)
