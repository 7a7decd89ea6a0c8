"""What --help promises."""

import shlex
from contextvars import copy_context

import click
import pytest

from app import cli
from app.program import mintaka
from app.schemas.context import Context, LoadContext

GROUPS = {
    "backfill": {"start", "ls", "show", "watch", "pause", "resume", "cancel"},
    "blocks": {"ls", "generate-key", "rotate", "register"},
    "concurrency-limits": {"ls", "set", "rm", "reset"},
    "db": {"upgrade", "downgrade", "current", "check", "prune"},
    "deployments": {"ls", "inspect", "pause", "resume", "schedule", "run", "delete", "preview", "policy", "explain", "schedules"},
    "deployments schedules": {"ls", "set", "rm"},
    "flows": {"ls", "inspect"},
    "keys": {"create", "ls", "revoke", "rotate"},
    "runs": {"ls", "inspect", "explain", "cancel", "retry", "logs", "delete", "set-state", "watch"},
    "scheduler": {"run", "status"},
    "worker": {"start"},
    "work-queues": {"ls", "create", "inspect", "pause", "resume", "delete", "holders"},
}


def all_commands():
    """Every command of ours with its words, and the groups that hold them."""
    yield from _with_those_below((), cli.all_commands())


def _with_those_below(path, commands):
    for command in commands:
        words = (*path, command.name)
        yield words, command
        if isinstance(command, click.Group):
            yield from _with_those_below(words, command.commands.values())


COMMANDS = dict(all_commands())
LEAVES = {words: command for words, command in COMMANDS.items() if not isinstance(command, click.Group)}


def help_of(words):
    context = click.Context(mintaka, info_name="mintaka")
    for depth in range(len(words)):
        context = click.Context(COMMANDS[words[: depth + 1]], info_name=words[depth], parent=context)
    return COMMANDS[words].get_help(context)


def examples_of(words):
    """The arguments of each example, without what comes before and after the command."""
    text = help_of(words).split("Examples:")[1].split("Options:")[0]
    for line in text.splitlines():
        before, found, rest = line.partition(" mintaka ")
        # what xargs runs is not complete
        if found and "xargs" not in before:
            lexer = shlex.shlex(rest, posix=True, punctuation_chars="|&")
            lexer.whitespace_split = True
            arguments = list(lexer)
            stop = next((index for index, word in enumerate(arguments) if word in ("|", "||", "&&")), None)
            yield arguments[:stop]


def take(command, arguments):
    with Context(LoadContext()):
        command.make_context(command.name, arguments)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_exactly_these_commands(group):
    assert set(COMMANDS[tuple(group.split())].commands) == GROUPS[group]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_says_what_its_exit_codes_mean(group):
    assert "Exit codes:\n    0  done\n    1  failed, or not found\n    2  wrong usage" in help_of(tuple(group.split()))


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_examples_that_it_takes(words):
    examples = list(examples_of(words))
    assert any(tuple(arguments[: len(words)]) == words for arguments in examples)
    for arguments in examples:
        named = next(named for named in LEAVES if tuple(arguments[: len(named)]) == named)
        copy_context().run(take, LEAVES[named], arguments[len(named) :])


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_option_says_what_it_does(words):
    for param in COMMANDS[words].params:
        assert isinstance(param, click.Argument) or param.help, param.name
