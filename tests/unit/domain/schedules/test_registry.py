"""A kind of schedule is known wherever schedules are: in errors, in the API document, on the command line and in the documentation."""

import re
from pathlib import Path

import pytest

from app.cli.deployment_schedules import preview
from app.domain.schedules import MEMBERS, WRAPPERS, InvalidSchedule, describe, parse
from app.domain.schedules.exclusions import ENTRIES
from app.schemas.schedules import KINDS

PAGE = (Path(__file__).parents[4] / "docs" / "schedules.rst").read_text(encoding="utf-8")
EVERY_KIND = pytest.mark.parametrize("kind", MEMBERS)


def test_the_api_document_has_a_schema_of_every_kind_with_its_members():
    described = {kind: frozenset(schema().fields) for kind, schema in KINDS.items()}
    assert described == {kind: members for kind, (_, members) in MEMBERS.items()}


@pytest.mark.parametrize("document", [{}, None, dict.fromkeys(MEMBERS, "")])
def test_an_error_about_the_kind_names_every_kind(document):
    with pytest.raises(InvalidSchedule, match=f"one of {', '.join(MEMBERS)}"):
        parse(document)


@EVERY_KIND
def test_a_kind_can_be_previewed(kind):
    assert f"--{kind}" in {option for param in preview.params for option in param.opts}


@EVERY_KIND
def test_a_kind_is_documented_with_its_members_and_an_example(kind):
    _, members = MEMBERS[kind]
    tables = [set(re.findall(r'"``(\w+)``", ', table)) for table in PAGE.split('"Member", "Meaning"')[1:]]
    assert any(members <= table for table in tables)
    assert re.search(rf'^   {{"{kind}": ', PAGE, re.MULTILINE)


@EVERY_KIND
def test_a_kind_has_a_sentence(kind):
    document = {"interval": {"interval": 60}, "cron": {"cron": "* * * * *"}, "rrule": {"rrule": "FREQ=DAILY"}}[kind]
    assert describe(parse(document))


@pytest.mark.parametrize("name", [name for wrapper in WRAPPERS for name in wrapper.members])
def test_a_member_that_shapes_a_schedule_is_documented(name):
    _, _, shaped = PAGE.partition("What shapes a schedule")
    assert re.search(rf'^   "``{name}``", ', shaped, re.MULTILINE)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_kind_of_exclusion_is_documented(name):
    assert re.search(rf'^   "``{{"{name}": ', PAGE.replace('""', '"'), re.MULTILINE)
