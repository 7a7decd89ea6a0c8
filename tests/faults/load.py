"""Clients that write, and write again what they were not answered, and remember what was acknowledged."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import requests

PATIENCE = 60  # seconds for which one write is tried again
TIMEOUT = 10  # seconds after which an answer is given up
AGAIN = 0.1  # seconds between two attempts


class Client:
    """One client. `unknown` counts the requests that were not answered, or with a 5xx: they may have taken effect or not."""

    def __init__(self, api):
        self.api, self.unknown, self.session = api, 0, requests.Session()

    def ask(self, method, path, body=None):
        """The JSON that the server answers in the end. What it does not answer is asked again, until PATIENCE is over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                response = self.session.request(method, f"{self.api}{path}", json=body, timeout=TIMEOUT)
                if response.status_code < 500:
                    break
                reason = response.text
            except requests.RequestException as error:
                # a connection that broke once is not used again
                self.session, reason = requests.Session(), repr(error)
            self.unknown += 1
            if time.monotonic() > deadline:
                raise AssertionError(f"{method} {path} was not answered for {PATIENCE} s: {reason}")
            time.sleep(AGAIN)
        assert response.ok, (method, path, response.status_code, response.text)
        return response.json() if response.content else None


class Load:
    """What was acknowledged: `runs` by their idempotency keys, `deployments` with the number that each client wrote last, and `ends`, ids
    of runs.

    With `storm` all the clients change one deployment.
    """

    def __init__(self, api, writers=3, storm=False):
        self.api, self.stop, self.writers, self.storm = api, threading.Event(), writers, storm
        self.acknowledged = {"runs": [], "deployments": {}, "ends": []}
        self.unknown = 0
        client = Client(api)
        self.flow = client.ask("POST", "/flows/", {"name": "load"})["id"]
        body = self._deployment("load-scheduled", 0) | {"schedule": {"interval": 3600}, "is_schedule_active": True}
        self.scheduled = client.ask("POST", "/deployments/", body)["id"]
        self.acknowledged["deployments"]["load-scheduled"] = {None: 0}
        self.queue = client.ask("POST", "/work_queues/", {"name": "load", "filter": {"tags": ["load"]}})["id"]

    @property
    def written(self):
        """How many writes were acknowledged."""
        return sum(map(len, self.acknowledged.values()))

    def _deployment(self, name, number):
        blob = {"encoding": "json", "blob": "1"}
        return {"name": name, "flow_id": self.flow, "flow_data": blob, "parameters": {"n": number}, "is_schedule_active": False}

    def _write(self, writer):
        """Upsert a deployment again and again, make runs, claim some and complete them."""
        client, number, name = Client(self.api), writer, "load-storm" if self.storm else f"load-{writer}"
        while not self.stop.is_set():
            # no two clients write the same
            number += self.writers
            client.ask("POST", "/deployments/", self._deployment(name, number))
            self.acknowledged["deployments"].setdefault(name, {})[writer] = number
            key = f"load-{uuid4()}"
            body = {"flow_id": self.flow, "idempotency_key": key, "tags": ["load"], "state": {"type": "SCHEDULED"}}
            run = client.ask("POST", "/flow_runs/", body)["id"]
            self.acknowledged["runs"].append(key)
            # the schedule is switched, which deletes and makes its runs; it ends switched on
            for switch in ("inactive", "active") if writer == 0 and number // self.writers % 5 == 0 else ():
                client.ask("POST", f"/deployments/{self.scheduled}/set_schedule_{switch}")
            for claim in client.ask("POST", f"/work_queues/{self.queue}/claim_runs", {"limit": 2, "lease_seconds": 5}):
                self._execute(client, claim["flow_run"]["id"])
            assert run
        self.unknown += client.unknown

    def _execute(self, client, run):
        """Start and complete a run that is claimed, unless its lease has ended meanwhile and another has it."""
        for state in ("RUNNING", "COMPLETED"):
            answer = client.ask("POST", f"/flow_runs/{run}/set_state", {"state": {"type": state}})
            if answer["status"] != "ACCEPT" and client.ask("GET", f"/flow_runs/{run}")["state"]["type"] != state:
                return
        self.acknowledged["ends"].append(run)

    @contextmanager
    def running(self):
        """Write for as long as the block lasts, and then until all that was begun is acknowledged."""
        with ThreadPoolExecutor(self.writers) as pool:
            writers = [pool.submit(self._write, writer) for writer in range(self.writers)]
            try:
                yield
            finally:
                self.stop.set()
            for writer in writers:
                writer.result()
