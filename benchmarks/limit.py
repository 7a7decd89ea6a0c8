"""The practical limit for this stack: the same answers from bare Flask, psycopg2 and orjson. No validation, no ORM, no schemas.

    LIMIT_DSN="host=127.0.0.1 user=postgres dbname=limit" gunicorn -w 2 -k gthread --threads 4 -b 127.0.0.1:4300 benchmarks.limit:app

Run it with the same workers and threads as the server it is compared with, then point peerbench.py at each.
Tables are created on first use; it is a yardstick, not a server.
"""

import json
import os
import threading
import uuid

import orjson
import psycopg2
from flask import Flask, Response, request

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
