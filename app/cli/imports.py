"""`mintaka import`: the schedules of others, as files of Mintaka."""

import click

from app.cli.command_group import BadInput, CommandGroup
from app.cli.crontab import read
from app.cli.files import print_or_write
from app.cli.options import checked
from app.cli.output import cell
from app.cli.wanted_files import refuse
from app.cli.yaml_text import write
from app.schemas.files import FileDeployment

imports = CommandGroup("import", help="Write the schedules of others as a file to look at, and to apply.")


@imports.command()
@click.argument("path", metavar="FILE", type=click.Path())
@click.option("--system", is_flag=True, help="The file names a user before each command, as /etc/crontab does.")
@click.option("--flow", default="cron", show_default=True, callback=checked(FileDeployment, "flow"), help="The flow of the deployments.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Write to this file.")
def crontab(path, system, flow, out):
    """Print the file that says what the crontab FILE does.

    Nothing is stored. A command becomes the parameters of a deployment, and the comments above it those of the file.

    \b
    Examples:
      mintaka import crontab crontab.txt
      mintaka import crontab /etc/crontab --system -o cron.yaml
    """
    with open(path, "rb") as file:
        try:
            text = file.read().decode()
        except UnicodeDecodeError:
            raise BadInput(f"{path}: The file is not UTF-8 text.") from None
    entries, errors = read(text, flow, system)
    if errors:
        refuse([f"{cell(path)}:{line}: {cell(reason)}" for line, reason in errors])
    print_or_write(_with_comments(entries) if entries else "", out)


def _with_comments(entries):
    parts = ["deployments:\n"]
    for entry in entries:
        parts += [f"  # {cell(comment)}\n" for comment in entry.comments if comment]
        parts.append(write({"deployments": [entry.deployment]}).removeprefix("deployments:\n"))
    return "".join(parts)
