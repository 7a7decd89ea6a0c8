"""Run the commands that stdin names, one a line, each in a process of its own. Loading the client, which takes seconds, is done once.

A line is `[words, variables]` in JSON, and is answered with `[exit code, output]`.
"""

import json
import os
import sys

from prefect.cli import app


def run(words, variables, output):
    """Run a command in this process, and end it."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(variables)
    sys.argv = ["prefect", *words]
    app()


for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        run(*json.loads(line), writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        output = pipe.read()
    _, status = os.waitpid(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), output]), flush=True)
