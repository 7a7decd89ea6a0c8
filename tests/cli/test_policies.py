"""`mintaka deployments policy`."""

import pytest

from tests.api.asking import ok
from tests.api.factories import make_deployment
from tests.cli.results import documents


@pytest.fixture
def deployment(client):
    return make_deployment(client)["id"]


def test_a_policy_is_shown_changed_and_cleared(run, client, deployment):
    shown = run("deployments", "policy", deployment)
    assert (shown.exit_code, shown.stdout.splitlines()[0].split()) == (0, ["concurrency_limit", "-"])
    options = ("--concurrency-limit", "2", "--overlap", "skip", "--catchup-window-seconds", "60")
    changed = documents(run("deployments", "policy", deployment, *options, "--output", "json"))
    assert changed == ok(client.get(f"/deployments/{deployment}/policy"))
    assert changed == {"concurrency_limit": 2, "overlap": "skip", "catchup_window_seconds": 60, "pause_after_failures": None}
    cleared = run("deployments", "policy", deployment, "--concurrency-limit", "none", "--pause-after-failures", "3", "--output", "json")
    assert documents(cleared) == changed | {"concurrency_limit": None, "pause_after_failures": 3}


@pytest.mark.parametrize("value", ["0", "1001", "-1", "many", "1.5"])
def test_a_limit_that_the_api_refuses_is_refused(run, deployment, value):
    refused = run("deployments", "policy", deployment, "--concurrency-limit", value)
    assert refused.exit_code == 2
    assert "--concurrency-limit" in refused.stderr
