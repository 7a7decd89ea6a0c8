"""`mintaka worker`: the worker's commands, which need no application, with help and errors as those of the others."""

import click

from app.cli.command_group import EXIT_CODES, errors_on_one_line
from app.worker import cli


class Client(click.Group):
    """Commands that work through the API, and not on the database."""

    def invoke(self, ctx):
        """Run the command that was asked for. Raises Failed or BadInput, whatever went wrong."""
        with errors_on_one_line():
            return super().invoke(ctx)


worker = Client("worker", cli.worker.commands, help=cli.worker.help, epilog=EXIT_CODES)
