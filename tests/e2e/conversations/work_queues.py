"""Work queues and what an agent gets from them."""

from tests.e2e.conversation import ABSENT, delete, get, patch, post

BLOB = {"encoding": "json", "blob": "1"}
AGENT = "33333333-3333-4333-8333-333333333333"
SOON = {"scheduled_before": "2031-01-01T00:00:00+00:00"}


def queue(name, **more):
    """A step that makes a work queue."""
    return post("/work_queues/", {"name": name, **more}, save=name)


def run(deployment, save, second, **more):
    """A step that makes a run of a deployment, scheduled `second` seconds into 2030."""
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": f"2030-01-01T00:00:{second:02}+00:00"}}
    return post(f"/deployments/{{{deployment}}}/create_flow_run", {"name": f"run {save}", "state": state, **more}, save=save)


def runs(queue, differs=None, **body):
    """A step that asks for the runs of a queue."""
    return post(f"/work_queues/{{{queue}}}/get_runs", {**SOON, **body}, differs=differs)


def to(run, type):
    """A step that forces a run into a state."""
    return post(f"/flow_runs/{{{run}}}/set_state", {"state": {"type": type}, "force": True})


QUEUES = [
    post("/flows/", {"name": "f"}, save="flow"),
    post("/deployments/", {"name": "plain", "flow_id": "{flow}", "flow_data": BLOB, "tags": ["a"]}, save="plain"),
    post("/deployments/", {"name": "rich", "flow_id": "{flow}", "flow_data": BLOB, "tags": ["a", "b"]}
         | {"flow_runner": {"type": "subprocess"}}, save="rich"),
    queue("everything"),
    post("/work_queues/", {"name": "everything"}),
    queue("tagged", filter={"tags": ["b"]}, description="those of b", is_paused=False, concurrency_limit=None),
    queue("both", filter={"tags": ["a", "c"]}),
    queue("chosen", filter={"deployment_ids": ["{plain}"]}, concurrency_limit=2),
    queue("subprocesses", filter={"flow_runner_types": ["subprocess", "docker"]}),
    queue("nothing", filter={"tags": [], "deployment_ids": [], "flow_runner_types": []}),
    queue("paused", is_paused=True),
    queue("zero", concurrency_limit=0),
    get("/work_queues/{tagged}"),
    get("/work_queues/name/chosen"),
    get("/work_queues/name/absent"),
    post("/work_queues/filter"),
    post("/work_queues/filter", {"limit": 2, "offset": 1}),
    *(runs(name) for name in ("everything", "paused")),
    run("plain", "third", 3),
    run("rich", "first", 1),
    run("rich", "second", 2, tags=["c"]),
    run("plain", "fourth", 4),
    post("/flow_runs/", {"flow_id": "{flow}", "state": {"type": "SCHEDULED"}}),
    post("/deployments/{plain}/create_flow_run", {"name": "run pending"}, save="pending"),
    *(runs(name) for name in ("everything", "tagged", "both", "chosen", "subprocesses", "nothing", "paused")),
    runs("zero", differs="a limit of 0"),
    runs("everything", limit=1),
    runs("everything", limit=0),
    queue("polled"),
    runs("polled", agent_id=AGENT),
    runs("polled", agent_id=AGENT),
    post("/work_queues/{everything}/get_runs"),
    post("/work_queues/{everything}/get_runs", {"scheduled_before": "2030-01-01T01:00:02+01:00"}),
    to("third", "RUNNING"),
    runs("chosen"),
    to("pending", "COMPLETED"),
    runs("chosen"),
    runs("chosen", limit=5),
    to("third", "COMPLETED"),
    runs("chosen"),
    patch("/work_queues/{chosen}", {"is_paused": True}),
    get("/work_queues/{chosen}"),
    runs("chosen"),
    patch("/work_queues/{chosen}", {"is_paused": False, "concurrency_limit": None, "description": "of one deployment"}),
    get("/work_queues/{chosen}"),
    patch("/work_queues/{chosen}", {"name": "renamed", "filter": {"tags": ["b"]}}),
    get("/work_queues/name/renamed"),
    patch("/work_queues/{chosen}", {}),
    get("/work_queues/{chosen}"),
    patch("/work_queues/{chosen}", {"name": "tagged"}),
    get("/work_queues/{chosen}"),
]  # fmt: skip

REFUSALS = [
    post("/work_queues/", {"name": "a/b"}),
    post("/work_queues/", {}),
    post("/work_queues/", {"name": "x", "filter": {"mood": "good"}}),
    post("/work_queues/", {"name": "x", "filter": {"deployment_ids": ["nonsense"]}}),
    post("/work_queues/", {"name": "x", "filter": []}, differs="a list for an object"),
    post("/work_queues/", {"name": "x", "concurrency_limit": "few"}),
    post("/work_queues/", {"name": "x", "is_paused": "perhaps"}),
    post("/work_queues/", {"name": "x", "mood": "good"}),
    post("/work_queues/filter", {"limit": 201}),
    post("/work_queues/filter", {"offset": -1}),
    runs("everything", limit=201),
    runs("everything", limit=-1),
    runs("everything", scheduled_before="soon"),
    runs("everything", agent_id="nonsense"),
    post(f"/work_queues/{ABSENT}/get_runs"),
    post("/work_queues/nonsense/get_runs"),
    patch(f"/work_queues/{ABSENT}", {"is_paused": True}),
    patch("/work_queues/nonsense", {"is_paused": True}),
    patch("/work_queues/{everything}", {"is_paused": "perhaps"}),
    patch("/work_queues/{everything}", {"mood": "good"}),
    get(f"/work_queues/{ABSENT}"),
    get("/work_queues/nonsense"),
    delete("/work_queues/{everything}"),
    delete("/work_queues/{everything}"),
    delete("/work_queues/nonsense"),
    get("/work_queues/{everything}"),
    runs("everything"),
    queue("everything"),
    delete("/work_queues/{polled}", differs="a polled queue"),
]

CONVERSATION = [*QUEUES, *REFUSALS]
