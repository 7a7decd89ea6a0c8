"""gunicorn's threaded worker, with clients waited for outside its threads, connections shared out evenly between processes, and errors of
its own as problem documents.

gunicorn promises nothing about these to who subclasses its worker; setup.cfg bounds its version for their sake:

- `ThreadWorker`: the methods `accept`, `enqueue_req`, `finish_request`, `handle`, `handle_request`, `handle_error`, `murder_keepalived`,
  `murder_pending`, `_cap_keepalive`, `_keepalive_after`, and that `run` calls them as it does; the attributes `alive`, `cfg`,
  `keepalived_conns`, `log`, `nr_conns`, `poller`
- `RequestParser.unreader`, `Unreader.chunk`, `Unreader.buf`, `Unreader.take_buffered`
- `Request.body.reader` with its `length`, `Request.force_close`, `Request._expected_100_continue`

The types of gunicorn that pyright knows are those of an older one.
"""

import errno
import select
import selectors
import socket
import time
from collections import deque
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import orjson
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from app.api.http.problems import PROBLEM, problem_members
from app.domain.ids import new_id
from app.serving.config import settings
from app.serving.connection import PIECE, Connection, State, Waiting
from app.serving.memory import LargeRequests

# Seconds that other processes are given to take a connection
GRACE = 0.001

# Milliseconds that a thread waits for a body whose head has just arrived: many clients send one right after the other
BODY_GRACE = 2

# Milliseconds that a thread which nobody else needs waits for the next request of the client that it has just answered
NEXT_GRACE = 1

# Seconds that a stopping worker still waits for another request, and that a client is given to close its connection; bytes read meanwhile
STOP_IDLE = 2.0
CLOSING_SECONDS = 2.0
MAX_CLOSING = 64 * 1024

# Bodies that do not arrive with their heads may hold this many times the largest body there may be, all together
MAX_RECEIVED_BODIES = 16

# What becomes of a connection, besides waiting: KEPT for another request, CLOSED after an answer to all that was sent, or BROKEN
KEPT, CLOSED, BROKEN = "kept", "closed", "broken"

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF}

TOO_SLOW = f"The request did not arrive within {settings.request_timeout:g} seconds, which MINTAKA_REQUEST_TIMEOUT sets."

# What is refused before the application sees it. The first class that fits decides
REFUSALS = {
    errors.LimitRequestLine: (414, "The path with its query is too long."),
    errors.LimitRequestHeaders: (431, "There are too many headers, or one is too long."),
    errors.UnsupportedTransferCoding: (501, "The transfer coding of the body is not supported."),
    errors.ExpectationFailed: (417, "The header Expect asks for something that this server does not do."),
    errors.ParseException: (400, "This is not a request as RFC 9112 has it."),
}


class Worker(ThreadWorker):
    """A worker whose threads see a request when the whole of it has arrived, and that leaves connections to the others while its own
    threads have enough.

    The kernel tells every process of a new connection, and the first to ask gets it. Clients keep their connections, so that a process
    which was awake when a few of them came would serve all of these for good, on one core, while the others sleep.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.waiting = {state: Waiting() for state in State}
        self.patience = dict.fromkeys(State, settings.request_timeout) | {State.IDLE: self.cfg.keepalive, State.CLOSING: CLOSING_SECONDS}
        # gunicorn's loop looks there for when to wake up, and how many there are
        self.keepalived_conns = self.waiting[State.IDLE]  # pyright: ignore[reportAttributeAccessIssue]
        self.held_back = {}
        # what has been given to the threads, and none has begun with
        self.queued = set()
        self.room = MAX_RECEIVED_BODIES * settings.max_body_bytes
        # at most half of the threads handle large requests; the others of these wait in a queue of their own
        self.free_for_large = max(1, self.cfg.threads // 2)
        self.large_queue = deque()
        self.large_requests = LargeRequests()

    @classmethod
    def check_config(cls, cfg, log):
        """Refuse what is read from a socket before, or in place of, a request of HTTP/1.1."""
        if cfg.is_ssl or cfg.proxy_protocol != "off" or cfg.http2_cleartext != "off" or cfg.protocol != "http":
            # which gunicorn prints on one line
            raise RuntimeError(
                "this worker class speaks plain HTTP/1.1. Leave TLS, HTTP/2, uwsgi and the PROXY protocol to a proxy in front of it, "
                "or choose --worker-class gthread."
            )
        super().check_config(cfg, log)

    # In the main thread

    def accept(self, listener):
        """Accept a connection, unless another process does so first; several when there are many already, and the grace is for all."""
        if self.nr_conns >= self.cfg.threads:
            time.sleep(GRACE)
        for _ in range(max(1, self.nr_conns // self.cfg.threads)):
            try:
                sock, client = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self.nr_conns += 1
            conn = Connection(self.cfg, sock, client, listener.getsockname(), settings.request_timeout)
            conn.callback = partial(self.on_readable, conn)
            # most clients have sent their request by now
            conn.receive()
            if conn.received.data and conn.has_head():
                self.enqueue_req(conn)
            else:
                self.wait(conn, State.HEAD if conn.received.data else State.OPENED)

    def wait(self, conn, state, register=True):
        """Let `conn` wait for what `state` says."""
        conn.state = state
        conn.timeout = time.monotonic() + self.patience[state]
        if not self.alive and state in (State.OPENED, State.IDLE):
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_IDLE)
        self.waiting[state].add(conn)
        if register:
            self.poller.register(conn.sock, selectors.EVENT_READ, conn.callback)

    def stop_waiting(self, conn: Any):
        """Take `conn` out of those that wait."""
        self.waiting[conn.state].remove(conn)
        if conn in self.held_back:
            del self.held_back[conn]
        else:
            self.poller.unregister(conn.sock)

    def on_readable(self, conn: Any, _sock):
        """Read what has arrived at `conn`, or give it to a thread."""
        if conn.state is State.CLOSING:
            self.read_to_the_end(conn)
            return
        if conn.state in (State.HEAD, State.BODY):
            conn.receive()
            if not (conn.ended or (conn.has_head() if conn.state is State.HEAD else conn.has_body())):
                return
        self.stop_waiting(conn)
        self.enqueue_req(conn)

    def enqueue_req(self, conn: Any):
        """Give `conn` to a thread, or let it wait until fewer have large requests."""
        if conn.is_large():
            if not self.free_for_large:
                self.large_queue.append(conn)
                return
            self.free_for_large -= 1
            conn.large = True
        self.queued.add(conn)
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, future):
        """Go on with `conn` as its thread found it."""
        if conn.large:
            conn.large = False
            self.free_for_large += 1
            if self.large_queue:
                self.enqueue_req(self.large_queue.popleft())
        outcome = BROKEN if future.cancelled() or future.exception() else future.result()
        if outcome is State.BODY:
            self.wait_for_body(conn)
            return
        self.give_back(conn)
        if outcome is State.HEAD:
            self.wait(conn, State.HEAD)
        elif outcome is CLOSED:
            self.drop(conn)
        elif outcome is BROKEN:
            self.close(conn)
        elif conn.has_more():
            self.enqueue_req(conn)
        else:
            self.wait(conn, State.IDLE)

    def wait_for_body(self, conn: Any):
        """Let `conn` wait for the rest of a body, and not read it before there is room for it."""
        size = 0 if conn.body.too_large else conn.body.announced
        # what every connection may have needs no room of its own
        if size > PIECE and not conn.reserved:
            if size > self.room:
                self.held_back[conn] = size
                self.wait(conn, State.BODY, register=False)
                return
            self.room -= size
            conn.reserved = size
        self.wait(conn, State.BODY)

    def give_back(self, conn: Any):
        """Give back the room that the body of `conn` had, and let others have it, the first that came first."""
        self.room += conn.reserved
        conn.reserved = 0
        while self.held_back:
            other, size = next(iter(self.held_back.items()))
            if size > self.room:
                return
            del self.held_back[other]
            self.room -= size
            other.reserved = size
            self.poller.register(other.sock, selectors.EVENT_READ, other.callback)

    def close(self, conn: Any):
        """Close `conn`, once the client has read what was sent: who is still sending when a connection is closed sees no answer."""
        with suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
            self.wait(conn, State.CLOSING)
            conn.dropped = 0
            self.read_to_the_end(conn)
            return
        self.drop(conn)

    def read_to_the_end(self, conn: Any):
        """Read what has arrived at `conn`, which is closing, and close it where that is the end."""
        data = conn.read(PIECE)
        if data is None:
            return
        conn.dropped += len(data)
        if not data or conn.dropped > MAX_CLOSING:
            self.stop_waiting(conn)
            self.drop(conn)

    def drop(self, conn: Any):
        """Close `conn` at once."""
        self.nr_conns -= 1
        conn.sock.close()

    def murder_keepalived(self, force=False):
        """Close the connections on which no request came in time; with `force`, every connection on which none has begun."""
        now = float("inf") if force else time.monotonic()
        for state in (State.OPENED, State.IDLE, State.CLOSING):
            for conn in self.waiting[state].expired(now):
                self.stop_waiting(conn)
                self.drop(conn)

    def murder_pending(self):
        """Answer the requests that did not arrive in time."""
        now = time.monotonic()
        for conn in self.waiting[State.HEAD].expired(now):
            self.stop_waiting(conn)
            self.refuse_slow(conn)
        for conn in self.waiting[State.BODY].expired(now):
            self.stop_waiting(conn)
            if conn.body.too_large:
                # the application says so
                conn.ended = True
                self.enqueue_req(conn)
            else:
                self.refuse_slow(conn)

    def refuse_slow(self, conn: Any):
        """Answer 408, if the client reads at all, and close."""
        self.give_back(conn)
        with suppress(OSError):
            conn.sock.send(self.refusal(408, TOO_SLOW, "too slow"), socket.MSG_DONTWAIT)
        self.close(conn)

    def _cap_keepalive(self, deadline):
        for state in (State.OPENED, State.IDLE):
            for conn in self.waiting[state]:
                conn.timeout = min(conn.timeout, deadline)

    # In a thread

    def handle(self, conn: Any):
        """Answer the request that has arrived at `conn`. Return what becomes of it: KEPT, CLOSED, BROKEN or the State to wait in."""
        self.queued.discard(conn)
        try:
            while True:
                if conn.request is None and not self.read_head(conn):
                    return CLOSED if conn.ended else State.HEAD
                if not conn.has_body():
                    return State.BODY
                whole = conn.body.complete and not conn.body.too_large
                with self.large_requests.one() if conn.large else nullcontext():
                    keep = self.handle_request(conn.take_request(), conn)
                if not self._keepalive_after(conn, keep):  # pyright: ignore[reportAttributeAccessIssue]
                    return CLOSED if whole and not conn.has_more() else BROKEN
                if not self.has_next(conn):
                    return KEPT
        except StopIteration:
            return BROKEN
        except BlockingIOError:
            self.log.info("A client did not read its answer within %g seconds", settings.request_timeout)
        except OSError as error:
            # and gunicorn's NoMoreData
            if error.errno is not None and error.errno not in GONE:
                self.log.exception("A connection failed")
        except Exception as error:
            self.handle_error(conn.request, conn.sock, conn.client, error)
        return BROKEN

    def has_next(self, conn: Any):
        """Return whether this thread is to answer the next request of `conn` as well, which has begun to arrive.

        A client that asks again at once is spared the way through the main thread and back, a tenth of what a short request costs. While
        other requests wait for a thread, and after one that had room of its own, it is not.
        """
        if self.queued or conn.reserved or conn.large or not self.alive or conn.has_more():
            return False
        patience = select.poll()
        patience.register(conn.sock, select.POLLIN)
        return bool(patience.poll(NEXT_GRACE))

    def read_head(self, conn: Any):
        """Read what has arrived, and make a request of it. Return whether there is one."""
        if not conn.has_head():
            conn.receive()
            if not conn.has_head():
                return False
        conn.parse(settings.max_body_bytes)
        expects, conn.request._expected_100_continue = conn.request._expected_100_continue, False
        if conn.has_body():
            return True
        if expects and conn.body.too_large:
            # it waits to be asked for the body, and never will be
            conn.ended = True
            return True
        if expects:
            conn.sock.sendall(CONTINUE)
        patience = select.poll()
        patience.register(conn.sock, select.POLLIN)
        if patience.poll(BODY_GRACE if len(self.waiting[State.BODY]) < self.cfg.threads else 0):
            conn.receive()
        return True

    def handle_error(self, req, client, addr, exc):
        """Answer what gunicorn cannot make a request of, without a word of what was sent."""
        status, detail = next((refusal for kind, refusal in REFUSALS.items() if isinstance(exc, kind)), (None, None))
        if status is None:
            super().handle_error(req, client, addr, exc)
            return
        with suppress(OSError):
            client.sendall(self.refusal(status, detail, type(exc).__name__))

    def refusal(self, status, detail, reason):
        """Return the answer to a request that the application does not see, and log why."""
        request_id = new_id()
        self.log.warning("Request %s was refused with %d: %s", request_id, status, reason)
        document = problem_members(status, detail)
        body = orjson.dumps(document)
        head = (
            f"HTTP/1.1 {status} {document['title']}",
            "Connection: close",
            f"Content-Type: {PROBLEM}",
            f"Content-Length: {len(body)}",
            f"X-Request-ID: {request_id}",
        )
        return "\r\n".join((*head, "", "")).encode() + body
