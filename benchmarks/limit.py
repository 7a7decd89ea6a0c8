"""The practical limit for this stack: the same answers from bare Flask, psycopg2 and orjson. No validation, no ORM, no schemas.

    LIMIT_DSN="host=127.0.0.1 user=postgres dbname=limit" gunicorn -w 2 -k gthread --threads 4 -b 127.0.0.1:4300 benchmarks.limit:app

Run it with the same workers and threads as the server it is compared with, then point peerbench.py at each.
Tables are created on first use; it is a yardstick, not a server.
"""

import json
import os
import threading
import uuid
from datetime import UTC, datetime

import orjson
import psycopg2
from flask import Flask, Response, request
from psycopg2.extras import execute_values

app = Flask(__name__)
local = threading.local()
COLUMNS = (
    "id::text, created, updated, name, flow_id::text, tags, parameters, flow_data, schedule, is_schedule_active, "
    "flow_runner_type, flow_runner_config"
)
TABLES = """
select pg_advisory_xact_lock(7);
create table if not exists limit_flow (id uuid primary key, created timestamptz default now(),
  updated timestamptz default now(), name text unique);
create table if not exists limit_deployment (id uuid primary key, created timestamptz not null default now(),
  updated timestamptz not null default now(),
  name text not null, flow_id uuid not null, tags jsonb, parameters jsonb, flow_data jsonb, schedule jsonb, is_schedule_active bool,
  flow_runner_type text, flow_runner_config jsonb, unique (flow_id, name));
create index if not exists limit_deployment_name on limit_deployment (name);
create table if not exists limit_run (id uuid primary key, created timestamptz not null default now(), flow_id uuid,
  deployment_id uuid, name text,
  parameters jsonb, tags jsonb, state_type text, state_name text, expected_start_time timestamptz);
create index if not exists limit_run_deployment on limit_run (deployment_id);
create table if not exists limit_state (id uuid primary key, run_id uuid, type text, name text, timestamp timestamptz default now());
"""


def cursor():
    connection = getattr(local, "connection", None)
    if connection is None:
        connection = local.connection = psycopg2.connect(os.environ["LIMIT_DSN"])
        with connection, connection.cursor() as k:
            k.execute(TABLES)
    return connection


def answer(value, status=200):
    return Response(orjson.dumps(value), status=status, mimetype="application/json")


def shape(r):
    return {
        "id": r[0],
        "created": r[1],
        "updated": r[2],
        "name": r[3],
        "flow_id": r[4],
        "tags": r[5],
        "parameters": r[6],
        "flow_data": r[7],
        "schedule": r[8],
        "is_schedule_active": r[9],
        "flow_runner": {"type": r[10], "config": r[11]},
    }


@app.get("/api/health")
def health():
    return answer(True)


@app.post("/api/flows/count")
def count_flows():
    return answer(0)


@app.post("/api/flows/")
def create_flow():
    with cursor() as c, c.cursor() as k:
        k.execute(
            "insert into limit_flow (id, name) values (%s, %s) returning id::text, name", (str(uuid.uuid4()), request.get_json()["name"])
        )
        row = k.fetchone()
    return answer({"id": row[0], "name": row[1]}, 201)


@app.get("/api/flows/<id>")
def read_flow(id):
    with cursor() as c, c.cursor() as k:
        k.execute("select id::text, name from limit_flow where id = %s", (id,))
        row = k.fetchone()
    return answer({"id": row[0], "name": row[1]})


@app.get("/api/deployments/<id>")
def read(id):
    with cursor() as c, c.cursor() as k:
        k.execute(f"select {COLUMNS} from limit_deployment where id = %s", (id,))
        return answer(shape(k.fetchone()))


@app.get("/api/deployments/name/<flow>/<name>")
def read_by_name(flow, name):
    with cursor() as c, c.cursor() as k:
        k.execute(
            f"select {COLUMNS} from limit_deployment where name = %s and flow_id = (select id from limit_flow where name = %s)",
            (name, flow),
        )
        return answer(shape(k.fetchone()))


def where(body):
    clauses, values = ["true"], []
    if "flows" in body:
        clauses.append("flow_id = any(%s::uuid[])")
        values.append(body["flows"]["id"]["any_"])
    if "tags" in body.get("deployments", {}):
        clauses.append("tags @> %s::jsonb")
        values.append(json.dumps(body["deployments"]["tags"]["all_"]))
    return " and ".join(clauses), values


@app.post("/api/deployments/count")
def count():
    clause, values = where(request.get_json())
    with cursor() as c, c.cursor() as k:
        k.execute(f"select count(*) from limit_deployment where {clause}", values)
        return answer(k.fetchone()[0])


@app.post("/api/deployments/filter")
def filter_():
    body = request.get_json()
    clause, values = where(body)
    with cursor() as c, c.cursor() as k:
        k.execute(
            f"select {COLUMNS} from limit_deployment where {clause} order by name, id limit %s offset %s",
            (*values, body.get("limit", 200), body.get("offset", 0)),
        )
        return answer([shape(r) for r in k.fetchall()])


@app.post("/api/deployments/")
def upsert():
    b = request.get_json()
    with cursor() as c, c.cursor() as k:
        k.execute(
            f"""insert into limit_deployment (id, name, flow_id, tags, parameters, flow_data, schedule, is_schedule_active)
            values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (flow_id, name) do update set updated = now(), tags = excluded.tags,
            parameters = excluded.parameters, flow_data = excluded.flow_data, schedule = excluded.schedule returning {COLUMNS}""",
            (
                str(uuid.uuid4()),
                b["name"],
                b["flow_id"],
                *(json.dumps(b.get(x)) for x in ("tags", "parameters", "flow_data", "schedule")),
                b.get("is_schedule_active", True),
            ),
        )
        row = k.fetchone()
    return answer(shape(row), 201)


@app.post("/api/deployments/<id>/create_flow_run")
def create_flow_run(id):
    b = request.get_json()
    with cursor() as c, c.cursor() as k:
        k.execute("select flow_id::text, parameters, tags from limit_deployment where id = %s", (id,))
        flow_id, parameters, tags = k.fetchone()
        run = str(uuid.uuid4())
        k.execute(
            "insert into limit_run (id, flow_id, deployment_id, name, parameters, tags, state_type, state_name) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                run,
                flow_id,
                id,
                "a-run",
                json.dumps(parameters | b.get("parameters", {})),
                json.dumps(tags + b.get("tags", [])),
                "PENDING",
                "Pending",
            ),
        )
        k.execute(
            "insert into limit_state (id, run_id, type, name) values (%s, %s, %s, %s)", (str(uuid.uuid4()), run, "PENDING", "Pending")
        )
    return answer({"id": run, "flow_id": flow_id, "deployment_id": id, "parameters": parameters, "tags": tags}, 201)


# Runs as workers meet them: listed, counted, claimed, set from state to state, and their logs. They are kept apart from `limit_run`, so
# that the indexes they need cost nothing where a run is created.

TABLES += """
create table if not exists limit_queue (id uuid primary key, created timestamptz not null default now(), name text unique, filter jsonb);
create table if not exists limit_flow_run (id uuid primary key, created timestamptz not null default now(),
  updated timestamptz not null default now(), name text, flow_id uuid, deployment_id uuid, flow_version text, parameters jsonb default '{}',
  idempotency_key text, context jsonb default '{}', empirical_policy jsonb default '{}', empirical_config jsonb default '{}',
  parent_task_run_id uuid, auto_scheduled bool default false, flow_runner_type text, flow_runner_config jsonb, tags jsonb default '[]',
  state_id uuid, state_type text, state_name text, run_count int default 0, total_run_time float8 default 0,
  expected_start_time timestamptz, next_scheduled_start_time timestamptz, start_time timestamptz, end_time timestamptz);
create index if not exists limit_flow_run_deployment on limit_flow_run (deployment_id, expected_start_time, id);
create index if not exists limit_flow_run_due on limit_flow_run (next_scheduled_start_time, id) where state_type = 'SCHEDULED';
create table if not exists limit_flow_run_state (id uuid primary key, created timestamptz not null default now(), flow_run_id uuid,
  type text, name text, timestamp timestamptz not null default now(), message text, state_details jsonb, data jsonb);
create table if not exists limit_lease (id uuid primary key, flow_run_id uuid unique, worker text, expires_at timestamptz);
create table if not exists limit_log (id uuid primary key, created timestamptz not null default now(), name text, level int,
  flow_run_id uuid, task_run_id uuid, message text, timestamp timestamptz);
create index if not exists limit_log_run on limit_log (flow_run_id, timestamp);
"""
RUN_IDS = ("id", "flow_id", "deployment_id", "parent_task_run_id", "state_id")
RUN_FIELDS = (
    *RUN_IDS,
    *("created", "updated", "name", "flow_version", "parameters", "idempotency_key", "context", "empirical_policy", "empirical_config"),
    *("auto_scheduled", "flow_runner_type", "flow_runner_config", "tags", "state_type", "state_name", "run_count", "total_run_time"),
    *("expected_start_time", "next_scheduled_start_time", "start_time", "end_time"),
)
RUN_COLUMNS = ", ".join(f"r.{name}::text" if name in RUN_IDS else f"r.{name}" for name in RUN_FIELDS)
STATE_COLUMNS = "s.id::text, s.type, s.name, s.timestamp, s.message, s.state_details, s.data"
NO_DETAILS = dict.fromkeys(("flow_run_id", "task_run_id", "child_flow_run_id", "scheduled_time", "cache_key", "cache_expiration"))
CLAIM = f"""
with due as (
  select id from limit_flow_run where state_type = 'SCHEDULED' and deployment_id is not null and tags @> %s
    and next_scheduled_start_time <= now() order by next_scheduled_start_time, id limit %s for update skip locked),
claimed as materialized (select id, gen_random_uuid() as state_id, gen_random_uuid() as lease_id from due),
leased as (
  insert into limit_lease (id, flow_run_id, worker, expires_at) select lease_id, id, %s, now() + %s * interval '1 second' from claimed),
entered as (
  insert into limit_flow_run_state (id, flow_run_id, type, name, state_details)
  select state_id, id, 'PENDING', 'Pending', %s || jsonb_build_object('flow_run_id', id) from claimed returning *),
r as (
  update limit_flow_run r set updated = now(), state_id = claimed.state_id, state_type = 'PENDING', state_name = 'Pending',
    next_scheduled_start_time = null from claimed where r.id = claimed.id returning r.*, claimed.lease_id)
select r.lease_id::text, now() + %s * interval '1 second', {RUN_COLUMNS}, {STATE_COLUMNS}
from r join entered s on s.id = r.state_id order by r.expected_start_time, r.id
"""


def state_shape(s):
    return {"id": s[0], "type": s[1], "name": s[2], "timestamp": s[3], "message": s[4], "state_details": s[5], "data": s[6]}


def run_shape(r, now):
    run = dict(zip(RUN_FIELDS, r, strict=False))
    state = run["state"] = state_shape(r[len(RUN_FIELDS) :])
    run["flow_runner"] = {"type": run.pop("flow_runner_type"), "config": run.pop("flow_runner_config")}
    running = (now - state["timestamp"]).total_seconds() if run["state_type"] == "RUNNING" else 0.0
    run["estimated_run_time"] = run["total_run_time"] + running
    run["estimated_start_time_delta"] = max(((run["start_time"] or now) - run["expected_start_time"]).total_seconds(), 0.0)
    return run


@app.post("/api/deployments/<id>/set_schedule_active")
def set_schedule_active(id):
    with cursor() as c, c.cursor() as k:
        k.execute("update limit_deployment set is_schedule_active = true where id = %s", (id,))
    return answer(None)


@app.post("/api/deployments/<id>/schedule")
def schedule(id):
    """Make runs for the others to be listed and claimed. The bare program has no schedules: they are evenly spread over the window."""
    b = request.get_json()
    start = b.get("start_time") or datetime.now(UTC).isoformat()
    step = "1 minute" if "start_time" in b else "5 minutes"
    with cursor() as c, c.cursor() as k:
        k.execute(
            """with r as (insert into limit_flow_run (id, name, flow_id, deployment_id, parameters, idempotency_key, auto_scheduled, tags,
                state_id, state_type, state_name, expected_start_time, next_scheduled_start_time)
            select gen_random_uuid(), 'a-run', d.flow_id, d.id, d.parameters, 'scheduled ' || d.id || ' ' || t, true,
                '["auto-scheduled"]' || d.tags, gen_random_uuid(), 'SCHEDULED', 'Scheduled', t, t
            from limit_deployment d, generate_series(%s::timestamptz, %s::timestamptz + (%s - 1) * %s::interval, %s::interval) t
            where d.id = %s returning *)
            insert into limit_flow_run_state (id, flow_run_id, type, name, state_details)
            select state_id, id, 'SCHEDULED', 'Scheduled',
                %s || jsonb_build_object('flow_run_id', id, 'scheduled_time', expected_start_time) from r""",
            (start, start, b["max_runs"], step, step, id, json.dumps(NO_DETAILS)),
        )
    return answer(None)


@app.post("/api/flow_runs/")
def create_run():
    b = request.get_json()
    with cursor() as c, c.cursor() as k:
        k.execute(
            "insert into limit_flow_run (id, name, flow_id, expected_start_time) values (%s, %s, %s, now()) returning id::text",
            (str(uuid.uuid4()), b["name"], b["flow_id"]),
        )
        run = k.fetchone()[0]
    return answer({"id": run, "flow_id": b["flow_id"], "name": b["name"]}, 201)


def where_runs(body):
    clauses, values = ["true"], []
    criteria = body.get("flow_runs", {})
    if "deployments" in body:
        clauses.append("r.deployment_id = any(%s::uuid[])")
        values.append(body["deployments"]["id"]["any_"])
    if "state" in criteria:
        clauses.append("r.state_type = any(%s)")
        values.append(criteria["state"]["type"]["any_"])
    if "next_scheduled_start_time" in criteria:
        clauses.append("r.next_scheduled_start_time <= %s")
        values.append(criteria["next_scheduled_start_time"]["before_"])
    return " and ".join(clauses), values


@app.post("/api/flow_runs/filter")
def filter_runs():
    body = request.get_json()
    clause, values = where_runs(body)
    with cursor() as c, c.cursor() as k:
        k.execute(
            f"""select {RUN_COLUMNS}, {STATE_COLUMNS} from limit_flow_run r left join limit_flow_run_state s on s.id = r.state_id
            where {clause} order by r.expected_start_time, r.id limit %s offset %s""",
            (*values, body.get("limit", 200), body.get("offset", 0)),
        )
        now = datetime.now(UTC)
        return answer([run_shape(r, now) for r in k.fetchall()])


@app.post("/api/flow_runs/count")
def count_runs():
    clause, values = where_runs(request.get_json())
    with cursor() as c, c.cursor() as k:
        k.execute(f"select count(*) from limit_flow_run r where {clause}", values)
        return answer(k.fetchone()[0])


@app.post("/api/flow_runs/<id>/set_state")
def set_state(id):
    kind = request.get_json()["state"]["type"]
    with cursor() as c, c.cursor() as k:
        k.execute("select state_type, updated from limit_flow_run where id = %s for update", (id,))
        previous, since = k.fetchone()
        k.execute(
            """insert into limit_flow_run_state as s (id, flow_run_id, type, name, state_details) values (%s, %s, %s, %s, %s)
            returning """
            + STATE_COLUMNS,
            (str(uuid.uuid4()), id, kind, kind.capitalize(), json.dumps(NO_DETAILS | {"flow_run_id": id})),
        )
        state = k.fetchone()
        elapsed = (state[3] - since).total_seconds() if previous == "RUNNING" else 0.0
        k.execute(
            """update limit_flow_run set updated = %s, state_id = %s, state_type = %s, state_name = %s, run_count = run_count + %s,
                total_run_time = total_run_time + %s, start_time = coalesce(start_time, %s), next_scheduled_start_time = null
            where id = %s""",
            (state[3], state[0], kind, state[2], int(kind == "RUNNING"), elapsed, state[3], id),
        )
    return answer({"state": state_shape(state), "status": "ACCEPT", "details": {"type": "accept_details"}}, 201)


@app.post("/api/work_queues/")
def create_queue():
    b = request.get_json()
    with cursor() as c, c.cursor() as k:
        k.execute(
            "insert into limit_queue (id, name, filter) values (%s, %s, %s) returning id::text",
            (str(uuid.uuid4()), b["name"], json.dumps(b["filter"])),
        )
        queue = k.fetchone()[0]
    return answer({"id": queue, "name": b["name"], "filter": b["filter"]}, 201)


@app.post("/api/work_queues/<id>/claim_runs")
def claim_runs(id):
    b = request.get_json()
    seconds = b["lease_seconds"]
    with cursor() as c, c.cursor() as k:
        k.execute("select filter from limit_queue where id = %s", (id,))
        tags = json.dumps(k.fetchone()[0]["tags"])
        k.execute(CLAIM, (tags, b["limit"], b.get("worker"), seconds, json.dumps(NO_DETAILS), seconds))
        rows = k.fetchall()
    now = datetime.now(UTC)
    return answer([{"lease_id": r[0], "lease_expires_at": r[1], "flow_run": run_shape(r[2:], now)} for r in rows])


@app.post("/api/flow_runs/<id>/heartbeat")
def heartbeat(id):
    b = request.get_json()
    with cursor() as c, c.cursor() as k:
        k.execute(
            """update limit_lease set expires_at = now() + %s * interval '1 second'
            where id = %s and flow_run_id = %s and expires_at > now() returning id::text, expires_at""",
            (b["lease_seconds"], b["lease_id"], id),
        )
        row = k.fetchone()
    return answer({"lease_id": row[0], "lease_expires_at": row[1]})


@app.post("/api/logs/")
def create_logs():
    rows = [
        (str(uuid.uuid4()), log["name"], log["level"], log["flow_run_id"], log.get("task_run_id"), log["message"], log["timestamp"])
        for log in request.get_json()
    ]
    with cursor() as c, c.cursor() as k:
        execute_values(
            k, "insert into limit_log (id, name, level, flow_run_id, task_run_id, message, timestamp) values %s", rows, page_size=len(rows)
        )
    return answer(None, 201)
