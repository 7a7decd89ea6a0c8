"""Blocks: create, read, list, change, delete; blocks in blocks; the default storage."""

from uuid import uuid4

import pytest

from tests.api.asking import ids, ok, problem, wrong_fields
from tests.api.factories import make_block, make_block_schema

DATA = {"password": "hunter2", "nested": {"list": [1, 2.5, None, True, "é"]}, "big": 2**70}


@pytest.fixture
def schema(api):
    return make_block_schema(api)


def body_of(schema, **fields):
    return {"block_schema_id": schema["id"], "block_type_id": schema["block_type_id"]} | fields


def ref(block):
    return {"$ref": {"block_document_id": block["id"]}}


def read(client, block):
    return ok(client.get(f"/block_documents/{block['id']}"))


def test_a_new_block_is_answered_with_every_field(api, schema):
    created = ok(api.post("/block_documents/", json=body_of(schema, name="one", data=DATA)), 201)
    assert created == {
        "id": created["id"],
        "created": created["created"],
        "updated": created["created"],
        "name": "one",
        "data": DATA,
        "block_schema_id": schema["id"],
        "block_schema": schema,
        "block_type_id": schema["block_type_id"],
        "block_type": schema["block_type"],
        "block_document_references": {},
        "is_anonymous": False,
    }
    assert read(api, created) == created


def test_a_name_is_unique_in_its_type(api, schema):
    make_block(api, schema, name="one")
    problem(api.post("/block_documents/", json=body_of(schema, name="one")), 409)
    assert make_block(api, name="one")["name"] == "one"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", ""),
        ("name", "a/b"),
        ("name", "anonymous:x"),
        ("name", "x" * 256),
        ("data", []),
        ("is_anonymous", 1),
        ("id", "x"),
    ],
)
def test_a_body_that_is_not_valid_is_refused(api, schema, field, value):
    assert wrong_fields(api.post("/block_documents/", json=body_of(schema, name="x") | {field: value})) == {f"body.{field}"}


def test_a_name_and_anonymity_exclude_each_other(api, schema):
    assert wrong_fields(api.post("/block_documents/", json=body_of(schema, name="x", is_anonymous=True))) == {"body.name"}
    assert wrong_fields(api.post("/block_documents/", json=body_of(schema))) == {"body.name"}


@pytest.mark.parametrize("field", ["block_schema_id", "block_type_id"])
def test_a_schema_or_type_that_does_not_exist_is_a_conflict(api, schema, field):
    problem(api.post("/block_documents/", json=body_of(schema, name="x") | {field: str(uuid4())}), 409)


def test_an_anonymous_block_that_is_the_same_is_answered_as_it_is(api, schema):
    first = make_block(api, schema, is_anonymous=True, data=DATA)
    assert first["name"].startswith("anonymous:")
    turned = dict(reversed(DATA.items()))
    assert ok(api.post("/block_documents/", json=body_of(schema, is_anonymous=True, data=turned)), 200) == first
    others = [make_block(api, schema, is_anonymous=True, data={}), make_block(api, is_anonymous=True, data=DATA)]
    assert len(ids([first, *others])) == 3


def test_an_anonymous_block_that_changes_is_found_by_what_it_became(api, schema):
    block = make_block(api, schema, is_anonymous=True, data={"a": 1})
    assert api.patch(f"/block_documents/{block['id']}", json={"data": {"a": 2}}).status_code == 204
    assert ok(api.post("/block_documents/", json=body_of(schema, is_anonymous=True, data={"a": 2})), 200)["id"] == block["id"]
    assert ok(api.post("/block_documents/", json=body_of(schema, is_anonymous=True, data={"a": 1})), 201)["id"] != block["id"]
    assert wrong_fields(api.patch(f"/block_documents/{block['id']}", json={"name": "x"})) == {"body.name"}


def test_a_block_holds_others_whose_data_it_answers(api, schema):
    inner = make_block(api, schema, data={"secret": 1})
    middle = make_block(api, schema, data={"own": True, "inner": ref(inner)})
    outer = make_block(api, schema, data={"middle": ref(middle), "again": ref(inner)})
    assert outer["data"] == {"middle": {"own": True, "inner": {"secret": 1}}, "again": {"secret": 1}}

    def about(block, **further):
        shown = {name: block[name] for name in ("id", "name", "block_type")}
        return {"block_document": shown | {"block_document_references": further}}

    assert outer["block_document_references"] == {"middle": about(middle, inner=about(inner)), "again": about(inner)}
    assert read(api, outer) == outer
    listed = ok(api.get(f"/block_types/name/{schema['block_type']['name']}/block_documents"))
    assert {one["id"]: one for one in listed} == {one["id"]: one for one in (inner, middle, outer)}


def test_a_block_that_is_held_may_change_and_go(api, schema):
    inner = make_block(api, schema, data={"a": 1})
    outer = make_block(api, schema, data={"inner": ref(inner)})
    api.patch(f"/block_documents/{inner['id']}", json={"data": {"a": 2}})
    assert read(api, outer)["data"] == {"inner": {"a": 2}}
    assert api.delete(f"/block_documents/{inner['id']}").status_code == 204
    assert (read(api, outer)["data"], read(api, outer)["block_document_references"]) == ({}, {})


@pytest.mark.parametrize("reference", [{}, "x", None, {"block_document_id": "x"}, {"block_document_id": None}])
def test_a_reference_of_another_form_is_refused(api, schema, reference):
    assert wrong_fields(api.post("/block_documents/", json=body_of(schema, name="x", data={"a": {"$ref": reference}}))) == {"body.data"}


def test_a_reference_to_nothing_is_a_conflict_and_leaves_nothing(api, schema):
    problem(api.post("/block_documents/", json=body_of(schema, name="x", data={"a": ref({"id": str(uuid4())})})), 409)
    problem(api.get(f"/block_types/name/{schema['block_type']['name']}/block_documents/name/x"), 404)


def test_blocks_may_not_hold_themselves_however_far_away(api, schema):
    first = make_block(api, schema, data={"a": 1})
    last = first
    for _ in range(3):
        last = make_block(api, schema, data={"inner": ref(last)})
    for held in (first, last):
        assert wrong_fields(api.patch(f"/block_documents/{first['id']}", json={"data": {"inner": ref(held)}})) == {"body.data"}
    assert read(api, first)["data"] == {"a": 1}


def test_a_change_may_not_make_what_holds_the_block_too_much(api, schema):
    block = make_block(api, schema)
    bottom = block
    for _ in range(6):
        # each holds all below it twice
        block = make_block(api, schema, data={"one": ref(block), "other": ref(block)})
    assert wrong_fields(api.post("/block_documents/", json=body_of(schema, name="x", data={"a": ref(block), "b": ref(block)}))) == {
        "body.data"
    }
    other = make_block(api, schema)
    assert wrong_fields(api.patch(f"/block_documents/{bottom['id']}", json={"data": {"x": ref(other), "y": ref(other)}})) == {"body.data"}


def test_a_change_sets_what_it_names(api, schema):
    block = make_block(api, schema, name="old", data=DATA)
    inner = make_block(api, schema, data={"a": 1})
    assert api.patch(f"/block_documents/{block['id']}", json={"name": "new", "data": None}).status_code == 204
    renamed = read(api, block)
    assert renamed == block | {"name": "new", "updated": renamed["updated"]}
    assert api.patch(f"/block_documents/{block['id']}", json={"data": {"inner": ref(inner), "b": 2}}).status_code == 204
    assert read(api, block)["data"] == {"inner": {"a": 1}, "b": 2}
    assert api.patch(f"/block_documents/{block['id']}", json={"data": {"b": 3}}).status_code == 204
    assert (read(api, block)["data"], read(api, block)["block_document_references"]) == ({"b": 3}, {})


@pytest.mark.parametrize("name", [None, "", "a/b", "anonymous"])
def test_a_change_to_a_name_that_cannot_be_is_refused(api, schema, name):
    assert wrong_fields(api.patch(f"/block_documents/{make_block(api, schema)['id']}", json={"name": name})) == {"body.name"}


def test_a_change_to_a_name_that_is_taken_is_a_conflict(api, schema):
    one, other = make_block(api, schema), make_block(api, schema)
    problem(api.patch(f"/block_documents/{one['id']}", json={"name": other["name"]}), 409)


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_one_that_is_not_there_is_404(api, method):
    assert problem(getattr(api, method)(f"/block_documents/{uuid4()}"), 404)["detail"] == "Block document not found"


def test_they_are_listed_by_name_without_anonymous_ones_unless_asked_for(client):
    schema = make_block_schema(client)
    b, a = make_block(client, schema, name="b"), make_block(client, schema, name="a")
    anonymous = make_block(client, schema, is_anonymous=True)

    def listed(**body):
        return [one["id"] for one in ok(client.post("/block_documents/filter", json=body))]

    named = [a["id"], b["id"]]
    assert listed() == listed(block_document_filter=None) == listed(block_document_filter={}) == named
    # what the reference's client sends
    assert listed(block_schema_type="STORAGE", offset=None, limit=None) == named
    assert listed(block_document_filter={"is_anonymous": {"eq_": True}}) == [anonymous["id"]]
    assert set(listed(block_document_filter={"is_anonymous": None})) == {*named, anonymous["id"]}
    assert listed(limit=1, offset=1) == [b["id"]]


def test_there_is_one_default_storage_at_most(client):
    def default():
        return client.post("/block_documents/get_default_storage_block_document")

    assert default().status_code == 204
    inner = make_block(client, data={"a": 1})
    one, other = make_block(client, data={"inner": ref(inner)}), make_block(client)
    for block in (one, other, other, one):
        assert client.post(f"/block_documents/{block['id']}/set_default_storage_block_document").status_code == 204
        assert ok(default()) == block
    for _ in range(2):
        assert client.post("/block_documents/clear_default_storage_block_document").status_code == 204
        assert default().status_code == 204


def test_only_what_stores_can_be_the_default_storage(client):
    storage, other = make_block(client), make_block(client, make_block_schema(client, capabilities=["readable"]))
    client.post(f"/block_documents/{storage['id']}/set_default_storage_block_document")
    assert "storage" in problem(client.post(f"/block_documents/{other['id']}/set_default_storage_block_document"), 422)["detail"]
    problem(client.post(f"/block_documents/{uuid4()}/set_default_storage_block_document"), 404)
    assert ok(client.post("/block_documents/get_default_storage_block_document")) == storage


@pytest.mark.parametrize("path", ["get_default_storage_block_document", "clear_default_storage_block_document", "filter"])
def test_the_other_method_is_405_and_no_malformed_id(api, path):
    problem(api.get(f"/block_documents/{path}"), 405)
