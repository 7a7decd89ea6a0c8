"""Block schemas: create, with those they refer to; read, list, delete."""

from itertools import count
from uuid import uuid4

import pytest

from app.domain.blocks import checksum
from tests.api.asking import ids, ok, problem, wrong_fields
from tests.api.factories import make_block, make_block_schema, make_block_type

_numbers = count(1)
NOBODY = "00000000-0000-0000-0000-000000000000"


def fields_of(block_type, **more):
    """The fields of a schema like no other."""
    return {"title": f"Title{next(_numbers)}-{uuid4()}", "type": "object", "block_type_name": block_type["name"], "properties": {}} | more


def reference(block_type, fields):
    return {"block_type_name": block_type["name"], "block_schema_checksum": checksum(fields)}


def holding(block_type, definitions, **references):
    """Fields with a property for each of `references`, a (type, fields) or a list of such."""
    properties, listed = {}, {}
    for name, given in references.items():
        several = given if isinstance(given, list) else [given]
        pointers = [{"$ref": f"#/definitions/{fields['title']}"} for _, fields in several]
        properties[name] = {"anyOf": pointers} if isinstance(given, list) else pointers[0]
        named = [reference(*one) for one in several]
        listed[name] = named if isinstance(given, list) else named[0]
    more = {"definitions": {one["title"]: one for one in definitions}} if definitions else {}
    return fields_of(block_type, properties=properties, block_schema_references=listed) | more


def post(client, block_type, fields, **more):
    return client.post("/block_schemas/", json={"block_type_id": block_type["id"], "fields": fields} | more)


def test_a_new_block_schema_is_answered_with_every_field(api):
    block_type = make_block_type(api)
    fields = fields_of(block_type, description="said")
    created = ok(post(api, block_type, fields, capabilities=["b", "a"]), 201)
    assert created == {
        "id": created["id"],
        "created": created["created"],
        "updated": created["created"],
        "checksum": checksum(fields),
        "fields": fields | {"block_schema_references": {}},
        "block_type_id": block_type["id"],
        "block_type": block_type,
        "capabilities": ["b", "a"],
    }


def test_it_is_read_by_id_and_by_checksum(api):
    schema = make_block_schema(api)
    assert ok(api.get(f"/block_schemas/{schema['id']}")) == ok(api.get(f"/block_schemas/checksum/{schema['checksum']}")) == schema


def test_one_with_the_same_checksum_is_refused(api):
    schema = make_block_schema(api)
    body = {"block_type_id": schema["block_type_id"], "fields": schema["fields"] | {"description": "other"}}
    assert checksum(schema["fields"]) != schema["checksum"]
    del body["fields"]["block_schema_references"]
    assert "exists already" in problem(api.post("/block_schemas/", json=body | {"capabilities": ["storage"]}), 409)["detail"]


def test_one_that_lacks_capabilities_gets_them(api):
    block_type = make_block_type(api)
    fields = fields_of(block_type)
    bare = ok(post(api, block_type, fields, capabilities=["a"]), 201)
    fuller = ok(post(api, block_type, fields, capabilities=["storage", "a"]), 200)
    assert fuller == bare | {"capabilities": ["a", "storage"], "updated": fuller["updated"]}
    problem(post(api, make_block_type(api), fields, capabilities=["b"]), 409)


def test_a_checksum_nobody_registered_says_what_to_run(api):
    assert "blocks register" in problem(api.get("/block_schemas/checksum/sha256:0"), 404)["detail"]


def test_a_schema_it_refers_to_is_made_of_its_definitions(api):
    inner_type, outer_type = make_block_type(api), make_block_type(api)
    inner = fields_of(inner_type)
    outer = holding(outer_type, [inner], inner=(inner_type, inner))
    created = ok(post(api, outer_type, outer), 201)
    whole = inner | {"block_schema_references": {}}
    assert created["fields"] == outer | {"definitions": {inner["title"]: whole}}
    assert created["checksum"] == checksum(outer)
    made = ok(api.get(f"/block_schemas/checksum/{checksum(inner)}"))
    assert (made["fields"], made["block_type_id"], made["capabilities"]) == (whole, inner_type["id"], [])


def test_a_schema_it_refers_to_that_exists_needs_no_definition(api):
    inner_type, outer_type = make_block_type(api), make_block_type(api)
    inner = fields_of(inner_type)
    existing = ok(post(api, inner_type, inner), 201)
    created = ok(post(api, outer_type, holding(outer_type, [], inner=(inner_type, inner))), 201)
    assert created["fields"]["definitions"] == {inner["title"]: existing["fields"]}


def test_one_of_several_types_is_a_list_and_what_is_nested_deeper_is_a_definition_too(api):
    deep_type, one_type, other_type, outer_type = (make_block_type(api) for _ in range(4))
    deep = fields_of(deep_type)
    one, other = holding(one_type, [], deep=(deep_type, deep)), fields_of(other_type)
    outer = holding(outer_type, [one, other, deep], either=[(one_type, one), (other_type, other)])
    created = ok(post(api, outer_type, outer), 201)
    assert set(created["fields"]["definitions"]) == {one["title"], other["title"], deep["title"]}
    assert created["fields"]["block_schema_references"] == outer["block_schema_references"]
    assert created["fields"]["definitions"][one["title"]]["block_schema_references"] == one["block_schema_references"]
    listed = ok(api.post("/block_schemas/filter", json={"block_schema_filter": {"block_type_id": {"any_": [outer_type["id"]]}}}))
    assert listed == [created]


def test_schemas_that_refer_to_each_other_are_answered(api):
    block_type = make_block_type(api)
    inner = fields_of(block_type, properties={"outer": {"$ref": "#/definitions/Outer"}})
    outer = fields_of(block_type, properties={"inner": {"$ref": "#/definitions/Inner"}})
    # no checksum can be that of a schema which holds it, so that each is looked for by one that is not there
    named = {"block_type_name": block_type["name"], "block_schema_checksum": "sha256:unknown"}
    inner["block_schema_references"], outer["block_schema_references"] = {"outer": named}, {"inner": named}
    created = ok(post(api, block_type, outer | {"definitions": {"Inner": inner, "Outer": outer}}), 201)
    assert ok(api.get(f"/block_schemas/{created['id']}")) == created
    assert set(created["fields"]["definitions"]) == {inner["title"]}


def test_a_type_that_does_not_exist_is_a_conflict_and_leaves_nothing(api):
    block_type = make_block_type(api)
    nobody = {"id": str(uuid4()), "name": "nobody"}
    fields = holding(block_type, [], inner=(nobody, fields_of(nobody)))
    problem(post(api, block_type, fields), 409)
    problem(post(api, nobody, fields_of(nobody)), 409)
    problem(api.get(f"/block_schemas/checksum/{checksum(fields)}"), 404)


def test_a_schema_it_refers_to_that_is_neither_there_nor_defined_is_refused(api):
    block_type = make_block_type(api)
    assert wrong_fields(post(api, block_type, holding(block_type, [], inner=(block_type, fields_of(block_type))))) == {
        "body.fields.definitions"
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fields", []),
        ("fields", None),
        ("block_type_id", "x"),
        ("capabilities", "storage"),
        ("capabilities", ["x"] * 201),
        ("checksum", "x"),
    ],
)
def test_a_body_that_is_not_valid_is_refused(api, field, value):
    body = {"block_type_id": NOBODY, field: value}
    assert {one.split(".")[1] for one in wrong_fields(api.post("/block_schemas/", json=body))} == {field}


def test_references_of_another_form_are_refused(api):
    block_type = make_block_type(api)
    fields = fields_of(block_type, block_schema_references={"x": 1})
    assert wrong_fields(post(api, block_type, fields)) == {"body.fields.block_schema_references"}


def test_they_are_listed_the_newest_first_and_by_type(api):
    block_type = make_block_type(api)
    first, second = (make_block_schema(api, block_type_id=block_type["id"]) for _ in range(2))
    make_block_schema(api)
    of_type = {"block_schema_filter": {"block_type_id": {"any_": [block_type["id"]]}}}
    assert ok(api.post("/block_schemas/filter", json=of_type)) == [second, first]
    assert ok(api.post("/block_schemas/filter", json=of_type | {"limit": 1, "offset": 1})) == [first]
    assert ok(api.post("/block_schemas/filter", json={"block_schema_filter": {"block_type_id": {"any_": []}}})) == []
    assert ids([first, second]) < ids(ok(api.post("/block_schemas/filter")))


def test_deleting_one_deletes_its_blocks_and_leaves_those_that_refer_to_it(api):
    inner_type, outer_type = make_block_type(api), make_block_type(api)
    inner = fields_of(inner_type)
    schema = ok(post(api, inner_type, inner), 201)
    outer = ok(post(api, outer_type, holding(outer_type, [], inner=(inner_type, inner))), 201)
    block = make_block(api, schema)
    assert api.delete(f"/block_schemas/{schema['id']}").status_code == 204
    problem(api.get(f"/block_documents/{block['id']}"), 404)
    assert ok(api.get(f"/block_schemas/{outer['id']}"))["fields"]["block_schema_references"] == {}
    problem(api.delete(f"/block_schemas/{schema['id']}"), 404)
