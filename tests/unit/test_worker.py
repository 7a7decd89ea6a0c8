"""The worker's parts that need no Mintaka: calls, handlers, logs."""

import json
import logging
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import json_values
from app.schemas.states import StateCreate
from app.worker import Cancelled, Run, current_run
from app.worker.api import Api, Refused, Unreachable, backoff
from app.worker.handlers import LONGEST_RESULT, call, current, load, run_command, state
from app.worker.logs import RunLogs
from tests.serving import PATIENCE, ROOT, wait_until

DOCUMENT = {"id": "01a20b4c-2459-726f-93e0-fb18a111672a", "name": "brave-heron", "parameters": {}}
ENVIRON = {"PATH": "/usr/bin:/bin"}


def run_with(**parameters):
    return Run(DOCUMENT | {"parameters": parameters}, "lease", 0.0)


def completed(data=None, message=None):
    answer = {"type": "COMPLETED", "message": message}
    return answer if data is None else answer | {"data": {"encoding": "json", "blob": data}}


class Asked:
    """A server of its own: answers with `status` and `text`, and keeps (method, path, key, body) of each request, and who sent it."""

    def __init__(self):
        self.status, self.text, self.requests, self.clients = 200, "null", [], set()
        asked = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.clients.add(self.client_address)
                asked.requests.append((self.command, self.path, self.headers["Authorization"], json.loads(body or "null")))
                self.send_response(asked.status)
                self.send_header("Content-Length", str(len(asked.text.encode())))
                self.end_headers()
                self.wfile.write(asked.text.encode())

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def asked():
    server = Asked()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_importing_the_worker_loads_nothing_of_the_server():
    loaded = "import sys, app.worker.cli; print(*sorted(name for name in sys.modules if name.startswith(('app', 'flask', 'sqlalchemy'))))"
    printed = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    allowed = ("app.worker", "app.config", "app.addresses", "app.domain", "app.errors")
    assert [name for name in printed if name != "app" and not name.startswith(allowed)] == []


def test_the_worker_has_at_most_500_lines():
    files = (ROOT / "app" / "worker").glob("*.py")
    assert sum(len(path.read_text().splitlines()) for path in files) <= 500


def test_waits_double_up_to_a_bound_and_differ_between_workers():
    for index, seconds in enumerate(islice(backoff(1, 10), 30)):
        longest = min(2**index, 10)
        assert longest / 2 <= seconds <= longest
    assert len({next(backoff()) for _ in range(20)}) > 1


def test_calls_send_json_with_the_key_over_one_connection(asked):
    api = Api(f"{asked.url}/", key="s3cret")
    asked.text = '{"id": 1}'
    assert api.call("/a") == {"id": 1}
    assert api.call("/b", {}) == {"id": 1}
    assert asked.requests == [("GET", "/api/a", "Bearer s3cret", None), ("POST", "/api/b", "Bearer s3cret", {})]
    assert len(asked.clients) == 1
    asked.text = ""
    assert Api(asked.url).call("/c") is None
    assert asked.requests[-1] == ("GET", "/api/c", None, None)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_no_is_refused_with_what_the_server_says(asked, status):
    asked.status, asked.text = status, '{"detail": "It is so."}'
    with pytest.raises(Refused, match=rf"It is so. \({status}\)") as caught:
        Api(asked.url).call("/a")
    assert caught.value.status == status


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_pass_is_no_refusal(asked, status):
    asked.status, asked.text = status, "<html>"
    with pytest.raises(Unreachable, match=f"answers {status}: the answer is not JSON"):
        Api(asked.url).call("/a")


def test_what_is_not_json_is_not_mintaka(asked):
    asked.text = "<html>"
    with pytest.raises(Refused, match="not of Mintaka's API"):
        Api(asked.url).call("/a")


def test_a_server_that_is_not_there_is_unreachable(asked):
    asked.server.shutdown()
    asked.server.server_close()
    with pytest.raises(Unreachable, match=r"does not answer: .*refused"):
        Api(asked.url).call("/a")


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://host/api", "http:///api", "http://host:x/api", "http://a:b@host/api", "http://h/?a"]
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ValueError):
        Api(url)


@pytest.mark.parametrize("key", ["two words", "line\n", "schlüssel"])
def test_what_is_no_key_is_refused_and_not_shown(key):
    with pytest.raises(ValueError) as caught:
        Api("http://host/api", key)
    assert key not in str(caught.value)


def test_a_function_is_found_by_its_name():
    assert load("json:dumps") is json.dumps
    assert load("json:JSONDecoder.decode") is json.JSONDecoder.decode


@pytest.mark.parametrize(
    "reference, reason",
    [
        ("json", "attribute ''"),
        (":dumps", "Empty module name"),
        ("no_such_module:main", "No module named 'no_such_module'"),
        ("json:nope", "no attribute 'nope'"),
        ("json:__doc__", "not a function"),
        ("asyncio:sleep", "without `await`"),
    ],
)
def test_what_cannot_be_called_is_refused_with_the_reason(reference, reason):
    with pytest.raises(ValueError, match=reason):
        load(reference)


@pytest.mark.parametrize("result, data", [(None, None), (0, "0"), ({"a": [1, "ü"]}, '{"a": [1, "\\u00fc"]}'), (False, "false")])
def test_what_a_function_returns_is_kept_as_json(result, data):
    assert call(lambda: result, run_with()) == completed(data)


@pytest.mark.parametrize("result", [object(), float("nan"), "x" * LONGEST_RESULT, {(1, 2): 3}], ids=["object", "nan", "long", "keys"])
def test_a_result_that_cannot_be_kept_is_no_failure(result):
    ended = call(lambda: result, run_with())
    assert ended["type"] == "COMPLETED"
    assert ended["message"].startswith("The result is not kept: ")
    assert "data" not in ended


def test_a_function_is_given_the_parameters_by_name():
    assert call(lambda a, b=2: [a, b], run_with(a=1)) == completed("[1, 2]")
    failed = call(lambda a: a, run_with(b=1))
    assert failed["type"] == "FAILED"
    assert "TypeError: " in failed["message"]
    assert "unexpected keyword argument 'b'" in failed["message"]


@pytest.mark.parametrize("error", [ValueError("so it is"), SystemExit(3), Cancelled("nobody asked for it")])
def test_what_a_function_raises_is_a_failure(error):
    def fail():
        raise error

    assert call(fail, run_with()) == {"type": "FAILED", "message": f"{type(error).__name__}: {error}"}


def test_what_a_function_raises_after_it_was_told_to_stop_is_no_failure_and_what_it_returns_counts():
    run = run_with()

    def heed(end):
        run.cancel("stop")
        run.cancel("stop again")
        end()
        return 1

    with pytest.raises(Cancelled, match=r"^stop$"):
        call(partial(heed, run.raise_if_cancelled), run)
    with pytest.raises(Cancelled):
        call(partial(heed, lambda: 1 / 0), run)
    assert call(partial(heed, lambda: None), run) == completed("1")


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=())), st.text())
def test_every_message_is_one_that_the_server_takes(text, other):
    document = state("FAILED", text + other + text * 3)
    # as it comes off the wire, where the rules for text apply
    body = json_values.loads(json.dumps(document).encode(), 64)
    assert StateCreate().load(body).message == document["message"]
    assert len(document["message"]) <= 2_000


def test_a_command_is_told_of_its_run_and_its_exit_code_is_how_it_ended():
    run = run_with(table="orders", n=3)
    ended = run_command('echo "$MINTAKA_RUN_ID $MINTAKA_RUN_NAME"; echo; echo "$MINTAKA_PARAMETERS" >&2; exit 7', ENVIRON, run)
    assert ended == {"type": "FAILED", "message": f"exit code 7: {json.dumps(run.parameters)}"}
    assert run_command("true", ENVIRON, run) == completed(message="exit code 0")
    assert run_command("exit 1", ENVIRON, run)["message"] == "exit code 1"
    assert run_command("kill -9 $$", ENVIRON, run)["message"] == "ended by signal 9 (Killed)"


def test_a_command_does_not_wait_for_what_it_leaves_running():
    assert run_command("sleep 3 &", ENVIRON, run_with()) == completed(message="exit code 0")


def test_parameters_that_no_environment_holds_are_a_failure():
    ended = run_command("true", ENVIRON, run_with(text="x" * 200_000))
    assert ended["type"] == "FAILED"
    assert "The command cannot be started: " in ended["message"]


@pytest.mark.parametrize("command", ["sleep 600 & echo $! > pid; wait", "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"])
def test_a_command_that_is_cancelled_is_ended_by_force_if_need_be(command, tmp_path, monkeypatch):
    monkeypatch.setattr("app.worker.handlers.KILL_AFTER", 0.3)
    run, pid, raised = run_with(), tmp_path / "pid", []

    def execute():
        try:
            run_command(f"cd {tmp_path}; {command}", ENVIRON, run)
        except Cancelled as error:
            raised.append(str(error))

    thread = threading.Thread(target=execute)
    thread.start()
    wait_until(lambda: pid.exists() and pid.read_text().strip(), "the command runs")
    run.cancel("enough")
    thread.join(PATIENCE)
    assert raised == ["enough"]
    left = [process for process in psutil.process_iter(["pid", "status"]) if process.pid == int(pid.read_text())]
    assert all(process.info["status"] == psutil.STATUS_ZOMBIE for process in left)


@contextmanager
def run_logs(api):
    """A logger whose lines go to `api`, and the run that is the current one in this thread."""
    logger, logs, run = logging.getLogger("tests.worker"), RunLogs(api), run_with()
    logger.addHandler(logs)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    token = current.set(run)
    try:
        yield logger, logs
    finally:
        current.reset(token)
        logger.removeHandler(logs)
        logs.close()


def test_what_a_run_logs_is_sent_in_one_batch_and_what_others_log_is_not(asked):
    with run_logs(Api(asked.url)) as (logger, logs):
        assert current_run().id == DOCUMENT["id"]
        logger.info("%d rows", 3)
        logger.warning("wrong %d", "arguments")
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logger.exception("no")
        other = threading.Thread(target=logger.info, args=("not a run's",))
        other.start()
        other.join()
        logs.close()
    [(method, path, _, lines)] = asked.requests
    assert (method, path) == ("POST", "/api/logs/")
    assert [(line["level"], line["message"].splitlines()[0], line["flow_run_id"]) for line in lines] == [
        (20, "3 rows", DOCUMENT["id"]),
        (40, "no", DOCUMENT["id"]),
    ]
    assert lines[1]["message"].endswith("ZeroDivisionError: division by zero")


def test_lines_wait_for_a_server_that_is_away_and_are_dropped_if_it_refuses_them(asked, monkeypatch):
    monkeypatch.setattr("app.worker.logs.SEND_EVERY", 0.01)
    asked.status = 503
    with run_logs(Api(asked.url)) as (logger, _):
        for number in range(3):
            logger.info("%d", number)
        wait_until(lambda: len(asked.requests) >= 2, "it is tried again")
        asked.requests.clear()
        asked.status = 422
        logger.info("3")
        wait_until(lambda: any(line["message"] == "3" for *_, lines in asked.requests for line in lines), "it is refused")
        asked.requests.clear()
        asked.status = 201
        logger.info("4")
        wait_until(lambda: asked.requests, "a line is taken")
        assert [line["message"] for *_, lines in asked.requests for line in lines] == ["4"]
