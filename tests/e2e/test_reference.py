"""Mintaka and the reference server, side by side: the same requests, the same answers, except where docs/differences.rst says otherwise."""

import re

import pytest
import requests

from tests.e2e import reference
from tests.e2e.conversation import Speaker, complaint, post
from tests.e2e.conversations import CONVERSATIONS
from tests.e2e.differences import DIFFERENCES, WORDS
from tests.serving import PATIENCE, ROOT

pytestmark = pytest.mark.slow

# notifications and the pages of its own user interface are no part of Mintaka
LEFT_OUT = re.compile(r"/api/(flow_run_notification_policies|ui)/")
EMPTY = post("/admin/database/clear", {"confirm": True})
STEPS = [step for conversation in CONVERSATIONS.values() for step in conversation]


def test_answers_equal_the_references_where_the_readme_names_no_difference(gunicorn_server, sqlite_url, tmp_path):
    reference.require()
    ours = gunicorn_server(sqlite_url, admin_database_routes=True).api
    with reference.server(tmp_path) as theirs:
        complaints = [line for conversation in CONVERSATIONS.values() for line in complaints_about(conversation, ours, theirs)]
        unsaid = [operation for operation in operations(theirs) if not any(is_about(step, operation) for step in STEPS)]
    assert not complaints, "\n".join(complaints)
    assert not unsaid, "routes of the reference that no conversation asks for"


def complaints_about(conversation, ours, theirs):
    """Hold a conversation with the servers at `ours` and `theirs`, both emptied before; yield what is wrong, as texts."""
    speakers = Speaker(ours), Speaker(theirs)
    for step in [EMPTY, *conversation]:
        if text := complaint(step, *(speaker.say(step) for speaker in speakers)):
            yield text


def operations(api):
    """(method, path template) of every route of the reference that Mintaka means to have."""
    paths = requests.get(api.removesuffix("/api") + "/openapi.json", timeout=PATIENCE).json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods if not LEFT_OUT.match(path)]


def is_about(step, operation):
    """Whether a step asks for an operation, rather than for one whose fixed path looks like another's id."""
    method, template = operation
    steps, parts = (f"/api{step.path}".partition("?")[0].split("/"), template.split("/"))
    fits = len(steps) == len(parts) and all(part in (said, "") or part.startswith("{") for said, part in zip(steps, parts, strict=True))
    return step.method == method and fits


def test_every_difference_has_its_row_in_the_documentation():
    table = (ROOT / "docs" / "differences.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^   \* - (.+)$", table, re.MULTILINE)
    assert {difference.row for difference in DIFFERENCES.values()} | set(WORDS.values()) <= set(rows)


def test_every_difference_is_seen_in_a_conversation():
    assert {step.differs for step in STEPS} - {None} == set(DIFFERENCES)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_names_nothing_before_it_was_saved(name):
    saved = set()
    for step in CONVERSATIONS[name]:
        assert set(re.findall(r"\{(\w+)\}", f"{step.path} {step.body}")) <= saved | {step.save}
        saved.add(step.save)
