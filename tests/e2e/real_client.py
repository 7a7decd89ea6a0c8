"""The reference's own client and agent (prefect 2.0b7), run from their own environment against any server."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import reference
from tests.serving import kill_group

# the client takes seconds of computing to start, for every command and every flow run
PATIENCE = 180
FILES = Path(__file__).parent / "client"


class RealClient:
    """The command line of the client, with a home folder of its own in `folder`, talking to the API at `api`.

    `key` is its API key, `agent_key` that of its agents, where the server asks for them.
    """

    def __init__(self, api, folder, key=None, agent_key=None):
        self.home = Path(folder) / "client"
        self.home.mkdir()
        self._key, self._agent_key = ({} if one is None else {"PREFECT_API_KEY": one} for one in (key, agent_key))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.environment = (
            kept
            | {
                "PREFECT_API_URL": api,
                "PREFECT_HOME": str(self.home),
                "PREFECT_AGENT_QUERY_INTERVAL": "1",
                "PREFECT_AGENT_PREFETCH_SECONDS": "2",
                "PREFECT_LOGGING_ORION_BATCH_INTERVAL": "0.5",
                "PYTHONWARNINGS": "ignore",
                # tables are cut to the width of the terminal
                "COLUMNS": "250",
            }
            | self._key
        )

    def __enter__(self):
        command = [reference.python(), str(FILES / "commands.py")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._commands = subprocess.Popen(command, env=self.environment, cwd=FILES, start_new_session=True, **pipes)
        return self

    def __exit__(self, *_):
        kill_group(self._commands)
        self._commands.stdin.close()
        self._commands.stdout.close()

    def prefect(self, *words, **variables):
        """The output of a `prefect` command that must succeed; `variables` are set for it."""
        print(json.dumps([words, variables]), file=self._commands.stdin, flush=True)
        code, output = json.loads(self._commands.stdout.readline())
        assert code == 0, f"prefect {' '.join(words)}: {output}"
        return output

    def run(self, script, *arguments):
        """The JSON on the last line that a script in the folder `client` prints, run with the client's Python. It must succeed."""
        command = [reference.python(), str(FILES / script), *arguments]
        ran = subprocess.run(command, env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=PATIENCE)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    @contextmanager
    def agent(self, queue, log):
        """Run an agent for a work queue, writing to the file `log`, for as long as the block lasts."""
        with log.open("wb") as output:
            command = [self._executable(), "agent", "start", queue]
            options = {"env": self.environment | self._agent_key, "cwd": self.home, "stdin": subprocess.DEVNULL}
            process = subprocess.Popen(command, **options, stdout=output, stderr=output, start_new_session=True)
        try:
            yield process
        finally:
            kill_group(process)

    def _executable(self):
        return str(Path(reference.python()).parent / "prefect")
