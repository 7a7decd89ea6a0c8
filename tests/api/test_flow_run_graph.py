"""The graph of a flow run: its task runs, and on which others each depends."""

from uuid import uuid4

from sqlalchemy import event

from tests.api.asking import ok, problem
from tests.api.factories import make_flow_run, make_task_run


def test_a_task_run_depends_on_those_whose_results_it_takes_each_once(api):
    run = make_flow_run(api)["id"]
    first, second = (make_task_run(api, flow_run_id=run)["id"] for _ in range(2))
    inputs = {
        "x": [{"input_type": "task_run", "id": second}, {"input_type": "task_run", "id": first}, {"input_type": "task_run", "id": second}],
        "y": [{"input_type": "task_run", "id": first}, {"input_type": "constant", "type": "int"}],
        "z": [{"input_type": "parameter", "name": "limit"}],
        "none": [],
    }
    third = make_task_run(api, flow_run_id=run, task_inputs=inputs)["id"]
    nodes = ok(api.get(f"/flow_runs/{run}/graph"))
    assert [(node["id"], node["upstream_dependencies"]) for node in nodes] == [
        (first, []),
        (second, []),
        (third, [{"input_type": "task_run", "id": second}, {"input_type": "task_run", "id": first}]),
    ]


def test_a_node_has_the_fields_of_the_reference_as_the_task_run_has_them(client, clock):
    clock.stop_at(clock())
    task = make_task_run(client, state={"type": "RUNNING", "message": "at it"})
    make_task_run(client)
    clock.advance(seconds=7)
    read = ok(client.get(f"/task_runs/{task['id']}"))
    [node] = ok(client.get(f"/flow_runs/{task['flow_run_id']}/graph"))
    assert node["estimated_run_time"] == 7.0
    members = ("id", "state", "expected_start_time", "start_time", "end_time", "total_run_time", "estimated_run_time")
    assert node == {"upstream_dependencies": []} | {member: read[member] for member in members}


def test_a_flow_run_without_task_runs_has_an_empty_graph_and_none_at_all_is_not_found(api):
    assert ok(api.get(f"/flow_runs/{make_flow_run(api)['id']}/graph")) == []
    assert problem(api.get(f"/flow_runs/{uuid4()}/graph"), 404)["detail"] == "Flow run not found"
    assert problem(api.get("/flow_runs/x/graph"), 422)


def test_a_graph_takes_two_statements_at_most(app, client):
    run = make_flow_run(client)["id"]
    statements = []
    engine = app.extensions["mintaka"].database.engine(read_only=True)
    event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: statements.append(statement))
    ok(client.get(f"/flow_runs/{run}/graph"))
    for _ in range(3):
        make_task_run(client, flow_run_id=run)
    empty = [statement for statement in statements if statement.startswith("SELECT")]
    statements.clear()
    assert len(ok(client.get(f"/flow_runs/{run}/graph"))) == 3
    assert (len(empty), len([statement for statement in statements if statement.startswith("SELECT")])) == (2, 1)
