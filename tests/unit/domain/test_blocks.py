"""Checksums of block schemas, and the references that schemas and blocks hold."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.blocks import MAX_DEPTH, MAX_HELD, check_nesting, checksum, definition, document_references, schema_references
from app.errors import InvalidField
from app.schemas.block_schemas import CHECKSUM, FIELDS

LOCAL_STORAGE = {
    "title": "LocalStorageBlock",
    "description": "Not part of it.",
    "type": "object",
    "properties": {"storage_path": {"title": "Storage Path", "type": "string"}},
    "block_type_name": "Local Storage",
    "block_schema_references": {},
}
# What the reference computes
GOLDEN = [
    ({}, "sha256:f8e6e96abbc38504d4e9c99fc57281fa0026bede1fa42db79f22f984501710f4"),
    (LOCAL_STORAGE, "sha256:3a67d4187da98a983d948e042969437dbd14d49854c528a8026cb9a96121ccef"),
    (
        {
            "title": "Ä",
            "description": "d",
            "properties": {"a": {"description": "x", "default": 1.5}, "l": [{"description": "stays"}]},
            "definitions": {"B": {}},
        },
        "sha256:8400d4a4f4c8a5986cefec4c7430211e5d305be70a79a89dc3aee5ea1c224078",
    ),
    (
        {
            "block_schema_references": {"c": {"block_type_name": "T", "block_schema_checksum": "sha256:1"}},
            "properties": {"c": {"$ref": "#/definitions/C"}, "n": {"default": None, "x": [True, 1, 1.0, -3, "\u2028/<"]}},
        },
        "sha256:ecfc29ac2ad5a76fe3dd28f985612dc695230cf0fabe67b7b84c2b9d90b3f21c",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), GOLDEN)
def test_a_checksum_is_the_one_that_clients_compute(fields, expected):
    assert checksum(fields) == expected


def test_the_examples_know_their_own_checksum():
    assert checksum(FIELDS) == CHECKSUM


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)), st.text())
def test_descriptions_and_the_order_of_members_do_not_matter(fields, description):
    turned = dict(reversed(fields.items()))
    assert checksum(turned | {"description": description, "definitions": {}}) == checksum(fields | {"definitions": {"A": 1}})


def test_references_of_a_schema_are_listed_also_from_a_list_of_them():
    one = {"block_type_name": "A", "block_schema_checksum": "1"}
    other = {"block_type_name": "B", "block_schema_checksum": "2"}
    assert schema_references({"block_schema_references": {"x": one, "y": [one, other]}}) == [
        ("x", "A", "1"),
        ("y", "A", "1"),
        ("y", "B", "2"),
    ]
    assert schema_references({"block_schema_references": None}) == schema_references({}) == []


@pytest.mark.parametrize(
    "references",
    [[], "x", {"x": 1}, {"x": {"block_type_name": "A"}}, {"x": [None]}, {"x": {"block_type_name": 1, "block_schema_checksum": "1"}}],
)
def test_references_of_another_form_are_refused(references):
    if references == []:
        # as null and absence do, an empty list says that there are none
        assert schema_references({"block_schema_references": references}) == []
        return
    with pytest.raises(InvalidField):
        schema_references({"block_schema_references": references})


def test_a_definition_is_found_by_reference_or_among_several_by_its_type():
    definitions = {"A": {"block_type_name": "a"}, "B": {"block_type_name": "b"}}
    fields = {
        "properties": {"one": {"$ref": "#/definitions/A"}, "many": {"anyOf": [{"$ref": "#/definitions/A"}, {"$ref": "#/definitions/B"}]}}
    }
    assert definition(fields, definitions, "one", "whatever") is definitions["A"]
    assert definition(fields, definitions, "many", "b") is definitions["B"]
    assert definition(fields, definitions, "many", "c") is None


@pytest.mark.parametrize("fields", [{}, {"properties": None}, {"properties": {"x": []}}, {"properties": {"x": {"anyOf": [1]}}}])
@pytest.mark.parametrize("definitions", [None, [], {"A": None}])
def test_a_definition_that_is_not_there_is_none(fields, definitions):
    assert definition(fields, definitions, "x", "T") is None


def test_references_of_a_block_are_taken_out_of_its_data():
    id = uuid4()
    data = {"a": 1, "b": {"$ref": {"block_document_id": str(id)}}, "c": {"x": {"$ref": 1}}}
    assert document_references(data) == ({"a": 1, "c": {"x": {"$ref": 1}}}, {"b": id})


@pytest.mark.parametrize(
    "reference", [None, "x", {}, {"block_document_id": None}, {"block_document_id": "x"}, {"block_document_id": 1}, []]
)
def test_a_reference_without_an_id_is_refused(reference):
    with pytest.raises(InvalidField):
        document_references({"a": {"$ref": reference}})


def chain(length):
    return {UUID(int=number): [UUID(int=number + 1)] for number in range(1, length)}


def test_blocks_nest_as_deep_as_allowed_and_no_deeper():
    check_nesting(chain(MAX_DEPTH), [UUID(int=1)])
    with pytest.raises(InvalidField, match="nested"):
        check_nesting(chain(MAX_DEPTH + 1), [UUID(int=1)])


def test_a_chain_that_is_measured_from_its_end_first_is_as_deep():
    roots = [UUID(int=number) for number in range(MAX_DEPTH + 1, 0, -1)]
    with pytest.raises(InvalidField, match="nested"):
        check_nesting(chain(MAX_DEPTH + 1), roots)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_block_may_not_hold_itself(length):
    ids = [UUID(int=number) for number in range(length)]
    circle = {id: [ids[(place + 1) % length]] for place, id in enumerate(ids)}
    with pytest.raises(InvalidField, match="itself"):
        check_nesting(circle, ids[:1])


def test_blocks_that_are_held_again_and_again_are_counted_each_time():
    doubling = {UUID(int=number): [UUID(int=number + 1)] * 2 for number in range(1, 10)}
    with pytest.raises(InvalidField, match=str(MAX_HELD)):
        check_nesting(doubling, [UUID(int=1)])
