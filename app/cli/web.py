"""`mintaka web`: gunicorn with Mintaka's configuration."""

import os
from importlib import import_module

import click
from flask.cli import ScriptInfo
from gunicorn.app.base import BaseApplication

from app.cli.command_group import StandaloneCommand

# Imported when gunicorn is to run: it reads the environment
CONFIGURATION = "app.serving.config"


class WebServer(BaseApplication):
    """gunicorn, told by `app.serving.config`, then by GUNICORN_CMD_ARGS, then by `arguments`, the last of which wins.

    `load_app` makes the application. gunicorn would look it up by name, and the current directory may have an `app` of its own.
    """

    def __init__(self, arguments, load_app):
        self.arguments, self.load_app = arguments, load_app
        super().__init__(prog="mintaka web")

    def init(self, parser, opts, args):
        """Nothing of gunicorn's is looked up."""

    def load_config(self):
        """Read every source of configuration."""
        self._set(vars(import_module(CONFIGURATION)))
        parser = self.cfg.parser()
        for given in (self.cfg.get_cmd_args_from_env(), self.arguments):
            options = vars(parser.parse_args(given))
            if options["args"]:
                parser.error(f"unexpected argument: {options['args'][0]}")
            self._set({name: value for name, value in options.items() if value is not None and name not in ("args", "config")})
        os.chdir(self.cfg.chdir)

    def _set(self, values):
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self):
        """Return the application, in the worker's process."""
        return self.load_app()


@click.command(cls=StandaloneCommand, context_settings={"ignore_unknown_options": True})
@click.argument("options", metavar="[GUNICORN OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def web(ctx, options):
    """Serve the API with gunicorn, until stopped.

    MINTAKA_BIND, MINTAKA_WORKERS and MINTAKA_THREADS say where and how; options of gunicorn win over them. The database has to be
    migrated before, and a scheduler has to run beside it: `mintaka serve` does all of it.

    \b
    Examples:
      mintaka web
      MINTAKA_BIND=0.0.0.0:4200 mintaka web
      mintaka web --workers 4 --keep-alive 2
    """
    WebServer(list(options), ctx.ensure_object(ScriptInfo).load_app).run()
