"""States, the rules of their transitions, and concurrency limits."""

from tests.e2e.conversation import ABSENT, delete, get, post

DATA = {"encoding": "json", "blob": "1"}
FAR = {"scheduled_time": "2099-01-01T00:00:00+00:00"}
PAST = "2022-01-01T00:00:00+00:00"


def to(run, type, differs=None, **more):
    """A step that proposes a state for the flow run or task run that was saved as `run`: task runs are those whose name begins with t."""
    force = {"force": more.pop("force")} if "force" in more else {}
    kind = "task" if run.startswith("t") else "flow"
    return post(
        f"/{kind}_runs/{{{run}}}/set_state", {"state": {"type": type, **more}, **force}, save="state", at="state.id", differs=differs
    )


def refused(run, type, differs=None, **more):
    """As `to`, where the answer has no state."""
    step = to(run, type, **more)
    step.save, step.differs = None, differs
    return step


def flow_run(name, **more):
    """A step that makes a flow run and saves it as `name`."""
    return post("/flow_runs/", {"flow_id": "{flow}", "name": f"run {name}", **more}, save=name)


def task_run(name, **more):
    """A step that makes a task run and saves it as `name`."""
    return post("/task_runs/", {"flow_run_id": "{run}", "task_key": "k", "dynamic_key": name, "name": f"run {name}", **more}, save=name)


FLOW_RUNS = [
    post("/flows/", {"name": "f"}, save="flow"),
    flow_run("run"),
    to("run", "PENDING"),
    to("run", "PENDING", message="again"),
    to("run", "RUNNING", name="Begun", message="now"),
    get("/flow_run_states/{state}"),
    get("/flow_runs/{run}"),
    to("run", "RUNNING"),
    to("run", "COMPLETED", data=DATA, state_details={"cache_key": "unused"}),
    refused("run", "RUNNING"),
    refused("run", "COMPLETED"),
    refused("run", "SCHEDULED"),
    get("/flow_runs/{run}"),
    get("/flow_run_states/?flow_run_id={run}"),
    to("run", "RUNNING", force=True),
    get("/flow_runs/{run}"),
    to("run", "FAILED", message="broken"),
    to("run", "SCHEDULED", force=True, name="Retry", state_details=FAR),
    get("/flow_runs/{run}"),
    refused("run", "PENDING"),
    refused("run", "RUNNING"),
    refused("run", "SCHEDULED"),
    to("run", "RUNNING", force=True),
    to("run", "CANCELLED"),
    refused("run", "PENDING"),
    get("/flow_runs/{run}"),
    get("/flow_run_states/?flow_run_id={run}"),
    flow_run("scheduled", state={"type": "SCHEDULED", "state_details": FAR}),
    refused("scheduled", "PENDING"),
    get("/flow_runs/{scheduled}"),
    refused("scheduled", "COMPLETED", differs="an end before the time"),
    flow_run("late", state={"type": "SCHEDULED", "name": "Late", "state_details": {"scheduled_time": PAST}}),
    to("late", "PENDING"),
    get("/flow_runs/{late}"),
    flow_run("sudden"),
    to("sudden", "SCHEDULED"),
    to("sudden", "COMPLETED"),
    get("/flow_runs/{sudden}"),
    flow_run("running", state={"type": "RUNNING"}),
    get("/flow_run_states/?flow_run_id={running}"),
    flow_run("finished", state={"type": "COMPLETED"}),
    refused("finished", "RUNNING"),
    delete("/flow_runs/{finished}"),
    get("/flow_run_states/?flow_run_id={finished}"),
]

RETRIES = [
    flow_run("run"),
    task_run("t_plain"),
    to("t_plain", "RUNNING"),
    to("t_plain", "FAILED", message="broken", data=DATA),
    refused("t_plain", "RUNNING"),
    get("/task_runs/{t_plain}"),
    task_run("t_twice", empirical_policy={"max_retries": 1, "retry_delay_seconds": 0}),
    to("t_twice", "PENDING"),
    to("t_twice", "RUNNING"),
    to("t_twice", "FAILED", message="the first time", data=DATA),
    get("/task_runs/{t_twice}"),
    to("t_twice", "RUNNING", name="Mine"),
    get("/task_run_states/{state}"),
    to("t_twice", "FAILED", message="the second time"),
    get("/task_runs/{t_twice}"),
    get("/task_run_states/?task_run_id={t_twice}"),
    task_run("t_slow", empirical_policy={"max_retries": 3, "retry_delay_seconds": 200}),
    to("t_slow", "RUNNING"),
    to("t_slow", "FAILED"),
    refused("t_slow", "RUNNING"),
    refused("t_slow", "PENDING"),
    to("t_slow", "FAILED", force=True),
    task_run("t_again"),
    to("t_again", "RUNNING"),
    to("t_again", "RUNNING"),
    to("t_again", "PENDING"),
    to("t_again", "RUNNING", name="Named"),
    to("t_again", "RUNNING", force=True, name="Forced"),
    get("/task_runs/{t_again}"),
    get("/task_run_states/?task_run_id={t_again}"),
    task_run("t_forced", empirical_policy={"max_retries": 5}),
    to("t_forced", "RUNNING"),
    to("t_forced", "FAILED", force=True),
    get("/task_runs/{t_forced}"),
    task_run("t_not_begun", empirical_policy={"max_retries": 5}),
    to("t_not_begun", "FAILED"),
    task_run("t_scheduled", state={"type": "SCHEDULED", "state_details": FAR}),
    refused("t_scheduled", "RUNNING"),
    to("t_scheduled", "RUNNING", force=True),
    get("/task_runs/{t_scheduled}"),
]

CACHE = [
    task_run("t_first"),
    to("t_first", "RUNNING", state_details={"cache_key": "key"}),
    to("t_first", "COMPLETED", message="done", data=DATA, state_details={"cache_key": "key"}),
    task_run("t_second"),
    to("t_second", "RUNNING", state_details={"cache_key": "key"}),
    get("/task_runs/{t_second}"),
    get("/task_run_states/?task_run_id={t_second}"),
    task_run("t_third"),
    to("t_third", "RUNNING", force=True, state_details={"cache_key": "key"}),
    task_run("t_expired"),
    to("t_expired", "RUNNING"),
    to("t_expired", "COMPLETED", state_details={"cache_key": "old", "cache_expiration": PAST}),
    task_run("t_after"),
    to("t_after", "RUNNING", state_details={"cache_key": "old"}),
    to("t_after", "COMPLETED", data=DATA, state_details={"cache_key": "old", "cache_expiration": FAR["scheduled_time"]}),
    task_run("t_hit"),
    to("t_hit", "RUNNING", state_details={"cache_key": "old"}),
    get("/task_runs/{t_hit}"),
    # a cached state is taken before it is asked whether the run is over
    to("t_expired", "RUNNING", state_details={"cache_key": "key"}),
    get("/task_run_states/?task_run_id={t_expired}"),
]

SUBFLOWS = [
    task_run("t_parent"),
    flow_run("child", parent_task_run_id="{t_parent}", state={"type": "PENDING"}),
    get("/task_runs/{t_parent}"),
    to("child", "RUNNING"),
    get("/task_runs/{t_parent}"),
    to("child", "COMPLETED", data=DATA),
    get("/task_runs/{t_parent}"),
    get("/task_run_states/?task_run_id={t_parent}"),
    get("/flow_run_states/?flow_run_id={child}"),
    refused("child", "RUNNING"),
    get("/task_runs/{t_parent}"),
    post("/flow_runs/count", {"task_runs": {"subflow_runs": {"exists_": True}}}),
    post("/task_runs/filter", {"task_runs": {"subflow_runs": {"exists_": True}}, "sort": "NAME_ASC"}),
]

LIMITS = [
    post("/concurrency_limits/", {"tag": "scarce", "concurrency_limit": 1}, save="limit"),
    post("/concurrency_limits/", {"tag": "rare", "concurrency_limit": 1}),
    get("/concurrency_limits/{limit}"),
    get("/concurrency_limits/tag/scarce"),
    task_run("t_one", tags=["scarce", "free"]),
    task_run("t_two", tags=["scarce", "rare"]),
    to("t_one", "RUNNING"),
    get("/concurrency_limits/tag/scarce"),
    refused("t_two", "RUNNING"),
    get("/concurrency_limits/tag/rare"),
    get("/task_runs/{t_two}"),
    to("t_two", "PENDING"),
    to("t_two", "RUNNING", force=True),
    get("/concurrency_limits/tag/scarce"),
    to("t_two", "PENDING", force=True),
    to("t_one", "COMPLETED"),
    get("/concurrency_limits/tag/scarce"),
    to("t_two", "RUNNING"),
    post("/concurrency_limits/filter"),
    refused("t_two", "RUNNING", differs="a slot of one's own"),
    to("t_two", "FAILED", force=True),
    post("/concurrency_limits/filter", {"limit": 1, "offset": 1}),
    post("/concurrency_limits/", {"tag": "scarce", "concurrency_limit": 0}),
    task_run("t_three", tags=["scarce"]),
    refused("t_three", "RUNNING"),
    get("/task_runs/{t_three}"),
    post("/concurrency_limits/", {"tag": "scarce", "concurrency_limit": 2}),
    to("t_three", "RUNNING"),
    get("/concurrency_limits/{limit}"),
    # a run that waits for a retry holds nothing
    task_run("t_retried", tags=["scarce"], empirical_policy={"max_retries": 1}),
    to("t_retried", "RUNNING"),
    to("t_retried", "FAILED"),
    get("/concurrency_limits/{limit}", differs="a slot while waiting"),
    delete("/concurrency_limits/tag/rare"),
    delete("/concurrency_limits/tag/rare"),
    delete("/concurrency_limits/{limit}"),
    delete("/concurrency_limits/{limit}"),
    get("/concurrency_limits/{limit}"),
    get("/concurrency_limits/tag/scarce"),
    post("/concurrency_limits/filter"),
]

REFUSALS = [
    post(f"/flow_runs/{ABSENT}/set_state", {"state": {"type": "RUNNING"}}),
    post(f"/task_runs/{ABSENT}/set_state", {"state": {"type": "RUNNING"}}),
    *(
        post(path, body)
        for path in ("/flow_runs/{run}/set_state", "/task_runs/{t_one}/set_state", "/flow_runs/nonsense/set_state")
        for body in (
            {},
            {"state": None},
            {"state": {}},
            {"state": {"type": "ASLEEP"}},
            {"state": {"type": "RUNNING", "mood": "good"}},
            {"state": {"type": "RUNNING", "state_details": {"scheduled_time": "soon"}}},
            {"state": {"type": "RUNNING", "data": "x"}},
            {"state": {"type": "RUNNING"}, "force": "perhaps"},
        )
    ),
    get(f"/flow_run_states/{ABSENT}"),
    get(f"/task_run_states/{ABSENT}", differs="the wrong thing is missing"),
    get("/flow_run_states/nonsense"),
    get("/task_run_states/nonsense"),
    get("/flow_run_states/"),
    get("/task_run_states/"),
    get("/flow_run_states/?flow_run_id=nonsense"),
    get("/task_run_states/?task_run_id=nonsense"),
    get(f"/flow_run_states/?flow_run_id={ABSENT}"),
    get(f"/task_run_states/?task_run_id={ABSENT}"),
    get(f"/concurrency_limits/{ABSENT}"),
    get("/concurrency_limits/nonsense"),
    delete("/concurrency_limits/nonsense"),
    delete(f"/concurrency_limits/{ABSENT}"),
    post("/concurrency_limits/", {}),
    post("/concurrency_limits/", {"tag": "x"}),
    post("/concurrency_limits/", {"tag": "x", "concurrency_limit": "few"}),
    post("/concurrency_limits/", {"tag": "x", "concurrency_limit": 1, "active_slots": []}),
    post("/concurrency_limits/filter", {"limit": 201}),
    post("/concurrency_limits/filter", {"offset": -1}),
]

CONVERSATION = [*FLOW_RUNS, *RETRIES, *CACHE, *SUBFLOWS, *LIMITS, *REFUSALS]
