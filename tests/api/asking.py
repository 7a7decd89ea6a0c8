"""Questions that tests of the API ask again and again."""

PAGE = 200


def runs_of(client, deployment, **criteria):
    """Every flow run of a deployment (a document, or its id) by expected start time; `criteria` are further ones on flow runs."""
    wanted = {"deployment_id": {"any_": [id_of(deployment)]}} | criteria
    return all_runs(client, flow_runs=wanted)


def all_runs(client, **filters):
    """Every flow run that meets `filters`, by expected start time."""
    found, more = [], True
    while more:
        page = ok(client.post("/flow_runs/filter", json=filters | {"sort": "EXPECTED_START_TIME_ASC", "offset": len(found), "limit": PAGE}))
        found += page
        more = len(page) == PAGE
    return found


def starts(runs):
    """When the runs are expected to start, as text."""
    return [run["expected_start_time"] for run in runs]


def ids(documents):
    """The ids of the documents, as a set."""
    return {document["id"] for document in documents}


def id_of(document):
    """The id of a document, or of an id."""
    return document if isinstance(document, str) else document["id"]


def ok(response, *statuses):
    """What was answered, after a look at the status: one of `statuses`, 200 if none are given."""
    assert response.status_code in (statuses or (200,)), response.text
    return response.json


def problem(response, status):
    """The problem document that was answered, after a look at its form."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    document = response.json
    assert document["status"] == status
    assert all(isinstance(document[member], str) and document[member] for member in ("type", "title", "detail"))
    assert ("errors" in document) == (status == 422)
    for error in document.get("errors", ()):
        assert set(error) == {"loc", "msg", "type"}
        assert isinstance(error["loc"], list)
    return document


def wrong_fields(response):
    """The paths of the fields that a 422 found wrong, as text with dots."""
    return {".".join(map(str, error["loc"])) for error in problem(response, 422)["errors"]}
