"""gunicorn's threaded worker, with connections shared out evenly between processes, and errors of its own as problem documents."""

import time

import orjson
from gunicorn.http import errors
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from app.api.http.problems import PROBLEM, problem_members
from app.domain.ids import new_id

# Seconds that other processes are given to take a connection
GRACE = 0.001

# What is refused before the application sees it. The first class that fits decides
REFUSALS = {
    errors.LimitRequestLine: (414, "The path with its query is too long."),
    errors.LimitRequestHeaders: (431, "There are too many headers, or one is too long."),
    errors.UnsupportedTransferCoding: (501, "The transfer coding of the body is not supported."),
    errors.ExpectationFailed: (417, "The header Expect asks for something that this server does not do."),
    errors.ParseException: (400, "This is not a request as RFC 9112 has it."),
}


class Worker(ThreadWorker):
    """A worker that leaves connections to the others while its own threads have enough.

    The kernel tells every process of a new connection, and the first to ask gets it. Clients keep their connections, so that a process
    which was awake when a few of them came would serve all of these for good, on one core, while the others sleep.
    """

    def accept(self, listener):
        """Accept a connection, unless another process does so first."""
        if self.nr_conns >= self.cfg.threads:
            time.sleep(GRACE)
        super().accept(listener)

    def handle_error(self, req, client, addr, exc):
        """Answer what gunicorn cannot make a request of, without a word of what was sent."""
        status, detail = next((refusal for kind, refusal in REFUSALS.items() if isinstance(exc, kind)), (None, None))
        if status is None:
            super().handle_error(req, client, addr, exc)
            return
        request_id = new_id()
        self.log.warning("Request %s was refused with %d: %s", request_id, status, type(exc).__name__)
        document = problem_members(status, detail)
        body = orjson.dumps(document)
        head = (
            f"HTTP/1.1 {status} {document['title']}",
            "Connection: close",
            f"Content-Type: {PROBLEM}",
            f"Content-Length: {len(body)}",
            f"X-Request-ID: {request_id}",
        )
        try:
            write_nonblock(client, "\r\n".join((*head, "", "")).encode() + body)
        except OSError:
            self.log.debug("Request %s was not there any more for its answer", request_id)
