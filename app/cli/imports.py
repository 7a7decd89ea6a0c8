"""`mintaka import`: the schedules of others, as files of Mintaka."""

import click

from app.cli import crontab as crontabs
from app.cli import prefect_yaml as prefect_yamls
from app.cli.command_group import BadInput, CommandGroup
from app.cli.files import print_or_write
from app.cli.options import checked
from app.cli.output import cell
from app.cli.wanted_files import refuse
from app.cli.yaml_text import Reader, Wrong, write
from app.schemas.context import current
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
    text = _text(path)
    entries, errors = crontabs.read(text, flow, system)
    if errors:
        refuse([f"{cell(path)}:{line}: {cell(reason)}" for line, reason in errors])
    print_or_write(_with_comments(entries) if entries else "", out)


@imports.command("prefect-yaml")
@click.argument("path", metavar="FILE", type=click.Path())
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Write to this file.")
def prefect_yaml(path, out):
    """Print the file that says what the deployments of a prefect.yaml, FILE, are.

    Nothing is stored. What cannot be carried over is told on standard error, with its line.

    \b
    Examples:
      mintaka import prefect-yaml prefect.yaml -o deployments.yaml
    """
    try:
        reader = Reader(_text(path), current().bounds.json_depth)
    except Wrong as error:
        raise BadInput(f"{cell(path)}:{error.line}: {cell(error.reason)}") from None
    found, errors, left_out = prefect_yamls.read(reader.value)
    for loc, reason in left_out:
        click.echo(_told(path, reader, loc, reason), err=True)
    if errors:
        refuse([_told(path, reader, loc, reason) for loc, reason in errors])
    print_or_write(write({"deployments": found}) if found else "", out)


def _told(path, reader, loc, reason):
    field = ".".join(map(str, loc))
    return f"{cell(path)}:{reader.line(loc)}: {cell(f'{field} {reason}'.strip())}"


def _text(path):
    with open(path, "rb") as file:
        try:
            return file.read().decode()
        except UnicodeDecodeError:
            raise BadInput(f"{path}: The file is not UTF-8 text.") from None


def _with_comments(entries):
    parts = ["deployments:\n"]
    for entry in entries:
        parts += [f"  # {cell(comment)}\n" for comment in entry.comments if comment]
        parts.append(write({"deployments": [entry.deployment]}).removeprefix("deployments:\n"))
    return "".join(parts)
