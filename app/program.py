"""The program `mintaka`."""

import io
import sys

import click
from flask.cli import ScriptInfo

from app import __version__, create_app
from app.cli import all_commands
from app.cli.command_group import EXIT_CODES, BadInput, errors_on_one_line
from app.config import InvalidSetting, Settings
from app.logging import configure


def load_app():
    """Return the application of the environment's settings. Raise BadInput for a setting that cannot be used."""
    try:
        settings = Settings.from_environ()
        configure(settings)
        return create_app(settings)
    except InvalidSetting as error:
        raise BadInput(str(error)) from None


class Program(click.Group):
    """The groups and commands of Mintaka. The application is made when a command needs it: help and completion do without."""

    def invoke(self, ctx):
        """Run the command that was asked for. Raise Failed or BadInput for whatever goes wrong."""
        with errors_on_one_line():
            return super().invoke(ctx)


mintaka = Program(
    "mintaka",
    commands=all_commands(),
    help="A server for the deployments of data flows and their schedules. Settings are MINTAKA_* variables.",
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
mintaka = click.version_option(__version__, prog_name="mintaka", message="%(prog)s %(version)s")(mintaka)


def main():
    """Run the command that the program's arguments name."""
    for stream in (sys.stdout, sys.stderr):
        # a stream may be closed; a terminal that has no é shows \xe9
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    mintaka.main(prog_name="mintaka", obj=ScriptInfo(create_app=load_app, set_debug_flag=False, load_dotenv_defaults=False))
