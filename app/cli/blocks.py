"""`mintaka blocks`: the keys of blocks, and the blocks that clients come with."""

import http.client
import json
import subprocess
import tempfile
import urllib.error
import urllib.request
from importlib.resources import files
from pathlib import Path

import click

from app.cli.command_group import BadInput, CommandGroup, Failed, mintaka, transaction
from app.cli.options import page_options, tell_rest
from app.cli.output import output_option, plain, print_json, print_table
from app.config import api_key, environ_for
from app.domain.plurals import counted
from app.services.vault import generate_key as new_key

BATCH = 100
# Seconds for the server to say that it is there, and for the client to register all it has
CONNECT_SECONDS = 10
REGISTER_SECONDS = 300

HEADINGS = {
    "block_type": "TYPE",
    "name": "NAME",
    "is_default_storage_block_document": "DEFAULT STORAGE",
    "updated": "UPDATED",
    "id": "ID",
}

blocks = CommandGroup("blocks", help="Look after blocks and the keys they are encrypted with.")


@blocks.command()
@click.option("--anonymous", is_flag=True, help="Those without a name of their own, too.")
@page_options
@output_option
def ls(anonymous, part, output):
    """List blocks, without their data.

    \b
    Examples:
      mintaka blocks ls
      mintaka blocks ls --anonymous --output json
    """
    found, more = transaction(lambda unit: unit.block_documents.overview(None if anonymous else False, *part), read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_table(HEADINGS.values(), [[block[member] for member in HEADINGS] for block in plain(found)])
    tell_rest(more)


@blocks.command("generate-key")
def generate_key():
    """Print a new key for MINTAKA_ENCRYPTION_KEYS.

    Nothing is stored: whoever loses the key loses the blocks.

    \b
    Examples:
      mintaka blocks generate-key
    """
    click.echo(new_key())


@blocks.command()
def rotate():
    """Encrypt every block anew, with the first key.

    Put a new key in front of the old ones, restart the servers, run this, and take the old keys away. Blocks are done in batches; to run
    it again does no harm.

    \b
    Examples:
      mintaka blocks rotate
    """
    last, done, failed = None, 0, []
    while True:
        last, sealed, unopened = transaction(lambda unit, after=last: unit.block_documents.reseal(after, BATCH))
        if last is None:
            break
        done, failed = done + sealed, failed + unopened
    click.echo(f"{counted(done, 'block')} encrypted with the first key")
    if failed:
        are = "is" if len(failed) == 1 else "are"
        raise Failed(
            f"{counted(len(failed), 'block')} {are} opened by none of the keys in MINTAKA_ENCRYPTION_KEYS, the first of them {failed[0]}"
        )


@blocks.command()
@click.option("--python", required=True, metavar="INTERPRETER", help="The Python that the client (prefect) is installed for.")
@click.option("--url", metavar="URL", help="The API of the server; that at MINTAKA_BIND if not given.")
@output_option
def register(python, url, output):
    """Register the blocks that a client comes with.

    A client saves and loads blocks of types that the server knows. This runs the client's own Python, which tells the server its types and
    schemas; the client's settings are left alone. What is registered already stays. MINTAKA_API_KEY, or PREFECT_API_KEY, holds a key
    with the scope blocks for a server that asks for one.

    \b
    Examples:
      mintaka blocks register --python ~/flows/venv/bin/python
      mintaka blocks register --python python3 --url http://mintaka.example:8000/api
    """
    url = url.rstrip("/") if url else _own_url(mintaka().settings.bind)
    _require_server(url)
    registered = _run_client(python, url)
    click.echo(f"Registered at {url}", err=True)
    if output == "json":
        print_json(registered)
        return
    headings = ("block_type", "type", "schema", "checksum")
    print_table(("BLOCK", "TYPE", "SCHEMA", "CHECKSUM"), [[block[member] for member in headings] for block in registered])


def _own_url(bind):
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        raise BadInput(f"MINTAKA_BIND is {bind}: --url must say where the API is, such as http://127.0.0.1:8000/api.")
    return f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}/api"


def _require_server(url):
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=CONNECT_SECONDS):
            return
    except (ValueError, http.client.InvalidURL):
        raise BadInput(f"{url!r} is not a URL such as http://127.0.0.1:8000/api.") from None
    except urllib.error.HTTPError as error:
        raise Failed(f"{url} is not Mintaka's API: {url}/health answers {error.code}.") from None
    except OSError as error:
        raise Failed(f"No server answers at {url}: {getattr(error, 'reason', error)}.") from None


def _run_client(python, url):
    """Return what the client registered, as `app.cli.register_blocks` reports it. It has the API key that workers and clients have."""
    script = files("app.cli").joinpath("register_blocks.py").read_text()
    # the interpreter's path may be relative to where the command was given, the child's folder is another
    python = str(Path(python).absolute()) if "/" in python else python
    with tempfile.TemporaryDirectory() as home:
        report = Path(home, "report.json")
        variables = environ_for("PREFECT", PREFECT_API_URL=url, PREFECT_HOME=home, PREFECT_LOGGING_LEVEL="ERROR")
        if key := api_key():
            variables["PREFECT_API_KEY"] = key
        try:
            ran = subprocess.run(
                [python, "-c", script, str(report)],
                env=variables,
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=REGISTER_SECONDS,
            )
        except OSError as error:
            raise BadInput(f"{python} cannot be run: {error.strerror}.") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"{python} was not done after {REGISTER_SECONDS} seconds.") from None
        if not report.exists() or not report.stat().st_size:
            lines = ran.stderr.strip().splitlines()
            raise Failed(f"{python} ended with exit code {ran.returncode} and no report: {lines[-1] if lines else 'it said nothing'}")
        result = json.loads(report.read_text())
    if "error" in result:
        raise Failed(f"{python}: {' '.join(result['error'].split())}")
    return result["blocks"]
