"""Clients that are generated from the API document: they compile, and the Python one works with a real server."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app import create_app
from app.config import Settings

pytestmark = pytest.mark.slow

# Exactly these: what a later release writes, or refuses, is no matter of a change here
NPM_PACKAGES = ("openapi-typescript@7.13.0", "typescript@5.9.3")
REGISTRY_SECONDS = 240

PYTHON = """
import importlib, pkgutil, sys, uuid

import mintaka_client
from mintaka_client import Client, models

modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(mintaka_client.__path__, "mintaka_client.")]
client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
operation = lambda path: importlib.import_module(f"mintaka_client.api.{path}").sync

flow = operation("flows.create_flow")(client=client, body=models.FlowCreate(name="generated"))
assert operation("flows.read_flow")(flow.id, client=client) == flow
deployment = operation("deployments.create_deployment")(
    client=client,
    body=models.DeploymentCreate(
        name="hourly",
        flow_id=flow.id,
        flow_data=models.DataDocument(encoding="json", blob="1"),
        schedule=models.IntervalSchedule(interval=3600),
        tags=["made by a generated client"],
    ),
)
assert isinstance(deployment.schedule, models.IntervalSchedule) and deployment.schedule.interval == 3600
page = models.FlowRunPage(limit=5, sort=models.FlowRunSort.EXPECTED_START_TIME_ASC)
runs = operation("flow_runs.read_flow_runs")(client=client, body=page)
assert [run.deployment_id for run in runs] == [deployment.id] * 5
assert runs[0].state.type_ is models.StateType.SCHEDULED and runs[0].tags == ["auto-scheduled", "made by a generated client"]
changed = operation("deployments.update_deployment")(deployment.id, client=client, body=models.DeploymentUpdate(name="renamed"))
assert (changed.id, changed.name) == (deployment.id, "renamed")
missing = operation("flows.read_flow")(uuid.uuid4(), client=client)
assert isinstance(missing, models.Problem) and missing.detail == "Flow not found"
print(len(modules))
"""

TYPESCRIPT = """
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
type Created = paths["/api/deployments/"]["post"]["responses"][201]["content"]["application/json"];
const body: paths["/api/deployments/"]["post"]["requestBody"]["content"]["application/json"] = {
  name: "hourly", flow_id: "0197a9f2-6b1c-7d5e-9c3a-000000000001", schedule: { interval: 3600 }, tags: ["nightly"],
};
export const shown = (deployment: Created, run: Schemas["FlowRun"]): string => `${deployment.name} ${run.state?.type} ${run.tags.length}`;
export const state: Schemas["StateType"] = "SCHEDULED";
export const asked = body;
// @ts-expect-error: no state is called that
export const wrong: Schemas["StateType"] = "PLANNED";
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """The path of the API document."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db"))
    path.write_bytes(app.test_client().get("/api/openapi.json").data)
    return path


def run(*command, **options):
    """Run a command to its good end, and return what it printed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_python_client_is_generated_without_a_warning_and_works(document, tmp_path, gunicorn_server, sqlite_url):
    # it tidies with ruff, which has to be found
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta=none"]
    run(*program, f"--path={document}", f"--output-path={tmp_path / 'mintaka_client'}", cwd=tmp_path, env=os.environ | {"PATH": path})
    operations = sum(len(item.keys() - {"parameters"}) for item in json.loads(document.read_text())["paths"].values())
    server = gunicorn_server(sqlite_url, workers=1)
    modules = run(sys.executable, "-W", "error", "-c", PYTHON, server.url, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert int(modules) > operations


def test_the_types_for_typescript_compile_and_say_what_the_document_says(document, tmp_path):
    npm, node = shutil.which("npm"), shutil.which("node")
    if not (npm and node):
        pytest.skip("npm and Node.js are not installed")
    install = [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", *NPM_PACKAGES]
    try:
        installed = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=REGISTRY_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if installed.returncode != 0:
        pytest.skip(f"npm installs nothing: {installed.stderr.strip()[:200]}")
    modules = tmp_path / "node_modules"
    run(node, modules / "openapi-typescript" / "bin" / "cli.js", document, "-o", tmp_path / "schema.ts", cwd=tmp_path)
    (tmp_path / "use.ts").write_text(TYPESCRIPT)
    run(node, modules / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "schema.ts", "use.ts", cwd=tmp_path)
