"""The worker: a client of the API that claims runs of a work queue and executes them. It needs none of the server's modules."""

from app.worker.handlers import Cancelled, Run, current_run

__all__ = ["Cancelled", "Run", "current_run"]
