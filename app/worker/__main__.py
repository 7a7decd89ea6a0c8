"""`python -m app.worker start ...`: the command without the server's, which take longer to load."""

from app.worker.cli import worker

worker(prog_name="python -m app.worker")
