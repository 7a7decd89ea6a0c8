"""Block types: create, read, list, change, delete."""

from uuid import UUID, uuid4

import pytest

from tests.api.asking import ok, problem, wrong_fields
from tests.api.factories import make_block, make_block_schema, make_block_type

NOBODY = "00000000-0000-0000-0000-000000000000"


def test_a_new_block_type_is_answered_with_every_field(api):
    name = f"type {uuid4()}"
    created = ok(api.post("/block_types/", json={"name": name}), 201)
    assert UUID(created.pop("id")).version == 7
    assert created.pop("created") == created.pop("updated")
    assert created == {"name": name, "logo_url": None, "documentation_url": None, "description": None, "code_example": None}


def test_its_texts_are_answered_as_html_writes_them(api):
    block_type = make_block_type(api, description='a <b> & "c"', code_example="x < 1")
    assert (block_type["description"], block_type["code_example"]) == ('a &lt;b&gt; &amp; "c"', "x &lt; 1")
    assert ok(api.get(f"/block_types/{block_type['id']}")) == block_type


def test_a_name_is_unique(api):
    block_type = make_block_type(api)
    assert "exists already" in problem(api.post("/block_types/", json={"name": block_type["name"]}), 409)["detail"]


def test_it_is_read_by_id_and_by_name(api):
    block_type = make_block_type(api)
    assert ok(api.get(f"/block_types/{block_type['id']}")) == ok(api.get(f"/block_types/name/{block_type['name']}")) == block_type


def test_a_change_sets_what_it_names_and_null_clears(api):
    block_type = make_block_type(api, description="old", logo_url="https://example.com/logo.png")
    assert api.patch(f"/block_types/{block_type['id']}", json={"description": "<new>", "logo_url": None}).status_code == 204
    changed = ok(api.get(f"/block_types/{block_type['id']}"))
    assert changed == block_type | {"description": "<new>", "logo_url": None, "updated": changed["updated"]}
    assert changed["updated"] > block_type["updated"]


def test_a_name_cannot_be_changed(api):
    block_type = make_block_type(api)
    assert wrong_fields(api.patch(f"/block_types/{block_type['id']}", json={"name": "other"})) == {"body.name"}


@pytest.mark.parametrize(
    "url", ["logo.png", "ftp://example.com/", "https://localhost/logo.png", "https://", "https://example.com/a b", "", 1]
)
@pytest.mark.parametrize("field", ["logo_url", "documentation_url"])
def test_what_is_no_url_of_the_web_is_refused(api, field, url):
    assert wrong_fields(api.post("/block_types/", json={"name": "x", field: url})) == {f"body.{field}"}


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "a/b"}, {"name": None}, {"name": "x" * 256}, {"name": "x", "id": NOBODY}])
def test_a_body_that_is_not_valid_is_refused(api, body):
    assert wrong_fields(api.post("/block_types/", json=body)) <= {"body.name", "body.id"}


def test_they_are_listed_by_name_in_pages(client):
    names = [make_block_type(client, name=name)["name"] for name in ("b", "c", "a")]
    assert [one["name"] for one in ok(client.post("/block_types/filter"))] == sorted(names)
    assert [one["name"] for one in ok(client.post("/block_types/filter", json={"limit": 1, "offset": 1}))] == ["b"]


def test_deleting_one_deletes_its_schemas_and_blocks(api):
    schema = make_block_schema(api)
    block = make_block(api, schema)
    assert api.delete(f"/block_types/{schema['block_type_id']}").status_code == 204
    for path in (f"/block_types/{schema['block_type_id']}", f"/block_schemas/{schema['id']}", f"/block_documents/{block['id']}"):
        problem(api.get(path), 404)


def test_its_blocks_are_listed_and_read_by_name_without_anonymous_ones(api):
    schema = make_block_schema(api)
    name = schema["block_type"]["name"]
    second, first = make_block(api, schema, name="second"), make_block(api, schema, name="first")
    make_block(api, schema, is_anonymous=True)
    assert ok(api.get(f"/block_types/name/{name}/block_documents")) == [first, second]
    assert ok(api.get(f"/block_types/name/{name}/block_documents/name/second")) == second


@pytest.mark.parametrize(
    "path",
    [
        f"/block_types/{NOBODY}",
        "/block_types/name/nobody",
        "/block_types/name/nobody/block_documents",
        "/block_types/name/a/block_documents/name/b",
    ],
)
def test_one_that_is_not_there_is_404(api, path):
    assert problem(api.get(path), 404)["detail"] in ("Block type not found", "Block document not found")


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_changing_or_deleting_one_that_is_not_there_is_404(api, method):
    problem(getattr(api, method)(f"/block_types/{uuid4()}", json={} if method == "patch" else None), 404)
