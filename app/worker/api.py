"""The HTTP API as a worker uses it: connections are kept open, and a call ends in an answer, in Refused or in Unreachable."""

import http.client
import json
import random
import time
from collections import deque
from contextlib import suppress
from urllib.parse import urlsplit

MOST_IDLE = 2.0  # seconds; servers and proxies close connections that are idle for a little longer


class Refused(Exception):
    """The server answered, and asking again would not change the answer."""

    def __init__(self, status, detail):
        super().__init__(f"{detail} ({status})")
        self.status = status


class Unreachable(Exception):
    """There was no answer, or one that means "try again"; whether the call took effect is not known."""


def backoff(first=0.2, longest=10.0):
    """Yield seconds to wait between attempts: each time twice as long, up to `longest`, and shortened by chance by up to a half."""
    while True:
        yield first * random.uniform(0.5, 1)
        first = min(first * 2, longest)


class Api:
    """Calls to the API at `url`, for any number of threads. Raises ValueError for what is no URL or no key."""

    def __init__(self, url, key=None, timeout=10.0):
        self.url, self.timeout = url.rstrip("/"), timeout
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is not the URL of an API, such as http://127.0.0.1:8000/api.")
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("The API key may hold printable ASCII characters only, and no spaces.")
        self._class = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._idle = deque()

    def call(self, path, body=None):
        """What the server answers to a POST of `body`, or to a GET without one. Raises Refused or Unreachable."""
        connection = self._connection()
        try:
            method, content = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
            connection.request(method, self._path + path, content, self._headers)
            with connection.getresponse() as response:
                text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self.url} does not answer: {str(error) or type(error).__name__}") from error
        self._idle.append((connection, time.monotonic()))
        try:
            answer = json.loads(text or "null")
        except ValueError:
            answer = {"detail": "the answer is not JSON, and so not of Mintaka's API"}
            response.status = max(response.status, 400)
        if 200 <= response.status < 300:
            return answer
        detail = answer.get("detail") if isinstance(answer, dict) else response.reason
        if response.status >= 500 or response.status in (408, 429):
            raise Unreachable(f"{self.url} answers {response.status}: {detail}")
        raise Refused(response.status, detail)

    def _connection(self):
        with suppress(IndexError):  # none is left
            while True:
                connection, used = self._idle.pop()
                if time.monotonic() - used < MOST_IDLE:
                    return connection
                connection.close()
        return self._class(self._host, self._port, timeout=self.timeout)
