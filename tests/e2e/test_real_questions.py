"""Whatever the reference's own client asks, with its own defaults, is answered."""

import pytest

from tests.e2e import reference
from tests.e2e.real_client import RealClient

pytestmark = pytest.mark.slow


def test_the_real_client_runs_flows_with_the_longest_names_and_reads_everything_by_its_defaults(sqlite_url, gunicorn_server, tmp_path):
    reference.require()
    client = RealClient(gunicorn_server(sqlite_url, workers=1).api, tmp_path)
    found = client.run("questions.py")
    lines = found.pop("lines")
    assert found == {
        "result": [1, 2],
        "flows": 2,
        "flow_runs": 2,
        # the subflow has one that stands for it
        "task_runs": 3,
        "deployments": 0,
        "work_queues": 0,
        "limits": 0,
        "block_schemas": 0,
        "states": 3,
        "has_logs": True,
    }
    assert lines == ["number 1 \N{REPLACEMENT CHARACTER} of some"]
