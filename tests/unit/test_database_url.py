"""The text of a database's URL: what is said of one that cannot be read."""

import traceback

import pytest
from sqlalchemy import create_engine

from app import create_app
from app.config import InvalidSetting, Settings
from app.db import engine

# each has a piece of a password where a port is looked for
MALFORMED = [
    "postgresql://u:sec@hunter2:hunter3@h/x",
    "postgresql://u:p@h:hunter2/x",
    "postgresql://u:hunter2@h:hunter3",
    "postgresql://u:sec@hunter2@h/x",
]


@pytest.mark.parametrize("url", [*MALFORMED, "u:hunter2@h/x", "postgresql:u:hunter2@h/x"])
def test_no_part_of_a_url_that_cannot_be_read_is_said_but_how_to_write_it_is(url):
    with pytest.raises(ValueError) as refused:
        engine.database_url(url)
    said = str(refused.value)
    assert "postgresql://user:password@host/database" in said
    assert all(f"%{ord(character):02X}" in said for character in "@:/?#%")
    assert "sec" not in said
    # nor by an error that this one came from
    assert "hunter" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("text", "host", "port", "rest"),
    [
        ("postgresql://u:p@a,b/d?target_session_attrs=read-write", "a,b", ",", {"dbname": "d", "target_session_attrs": "read-write"}),
        ("postgres://u:p@db-1.example:5432,10.0.0.2:6432/d", "db-1.example,10.0.0.2", "5432,6432", {"dbname": "d"}),
        ("postgresql://u:p@a,b,c:1", "a,b,c", ",,1", {}),
    ],
)
def test_several_hosts_are_what_libpq_takes_them_for(text, host, port, rest):
    url = engine.database_url(text)
    _, given = create_engine(url).dialect.create_connect_args(url)
    assert {**given, "user": "u", "password": "p"} == {"user": "u", "password": "p", "host": host, "port": port} | rest
    assert ":p@" not in engine.shown(url)
    # as text, and read again
    again = url.render_as_string(hide_password=False)
    assert engine.database_url(again) == url


@pytest.mark.parametrize("url", [*MALFORMED, "mysql://u:hunter2@h/x"])
def test_a_server_refuses_such_a_url_by_the_name_of_its_setting_alone(url):
    with pytest.raises(InvalidSetting, match=r"^MINTAKA_DATABASE_URL: ") as refused:
        create_app(Settings(database_url=url))
    assert "hunter" not in "".join(traceback.format_exception(refused.value))
