"""Block types, block schemas and block documents."""

from tests.e2e.conversation import ABSENT, delete, get, patch, post

INNER = {
    "title": "Inner",
    "description": "what is held",
    "type": "object",
    "properties": {"x": {"title": "X", "type": "integer", "default": 1}},
    "block_type_name": "inner",
    "block_schema_references": {},
}
OUTER = {
    "title": "Outer",
    "type": "object",
    "properties": {"inner": {"$ref": "#/definitions/Inner"}, "y": {"title": "Y", "type": "string"}},
    "required": ["inner"],
    "block_type_name": "outer",
    "block_schema_references": {"inner": {"block_schema_checksum": "{checksum}", "block_type_name": "inner"}},
    "definitions": {"Inner": INNER},
}
UNKNOWN_REFERENCE = {"block_schema_references": {"x": {"block_schema_checksum": "sha256:absent", "block_type_name": "inner"}}}
STORAGE = {"title": "Store", "type": "object", "properties": {"path": {"title": "Path", "type": "string"}}, "required": ["path"]}
DESCRIBED = {
    "logo_url": "https://example.org/logo.png",
    "documentation_url": "https://example.org/docs",
    "description": "described",
    "code_example": "```python\nInner()\n```",
}

TYPES = [
    post("/block_types/", {"name": "inner"}, save="inner"),
    post("/block_types/", {"name": "inner"}),
    post("/block_types/", {"name": "outer", **DESCRIBED}, save="outer"),
    post("/block_types/", {"name": "store with spaces"}, save="store"),
    get("/block_types/{inner}"),
    get("/block_types/name/outer"),
    get("/block_types/name/store%20with%20spaces"),
    get("/block_types/name/absent"),
    post("/block_types/filter"),
    post("/block_types/filter", {"limit": 1, "offset": 1}),
    patch("/block_types/{inner}", DESCRIBED),
    get("/block_types/{inner}"),
    patch("/block_types/{inner}", {"description": None, "code_example": "x"}),
    get("/block_types/{inner}"),
    patch("/block_types/{inner}", {}),
    get("/block_types/{inner}"),
    get("/block_types/name/inner/block_documents"),
    get("/block_types/name/absent/block_documents"),
    get("/block_types/name/inner/block_documents/name/absent"),
    get("/block_types/name/absent/block_documents/name/absent"),
]

SCHEMAS = [
    post("/block_schemas/", {"fields": INNER, "block_type_id": "{inner}", "capabilities": ["b", "a"]}, save="checksum", at="checksum"),
    post("/block_schemas/", {"fields": INNER, "block_type_id": "{inner}", "capabilities": ["b", "a"]}),
    get("/block_schemas/checksum/{checksum}", save="inner_schema"),
    post("/block_schemas/", {"fields": OUTER, "block_type_id": "{outer}"}, save="outer_schema"),
    post("/block_schemas/", {"fields": STORAGE, "block_type_id": "{store}", "capabilities": ["storage", "writeable"]}, save="store_schema"),
    post("/block_schemas/", {"fields": {}, "block_type_id": "{store}"}, save="empty_schema"),
    get("/block_schemas/{inner_schema}"),
    get("/block_schemas/{outer_schema}"),
    get("/block_schemas/checksum/{checksum}"),
    get("/block_schemas/checksum/sha256:absent"),
    post("/block_schemas/filter"),
    post("/block_schemas/filter", {"limit": 1, "offset": 2}),
    post("/block_schemas/filter", {"block_schema_filter": {"block_type_id": {"any_": ["{outer}", "{inner}"]}}}),
    post("/block_schemas/filter", {"block_schema_filter": {"block_type_id": {"any_": []}}}),
    post("/block_schemas/", {"fields": UNKNOWN_REFERENCE, "block_type_id": "{outer}"}, differs="an unknown reference"),
]  # fmt: skip


def document(name, schema, kind, data, **more):
    """A step that makes a block document."""
    return post(
        "/block_documents/", {"name": name, "block_schema_id": f"{{{schema}}}", "block_type_id": f"{{{kind}}}", "data": data, **more}
    )


def saved(step, name):
    """`step`, with the id of its answer saved."""
    step.save = name
    return step


DOCUMENTS = [
    saved(document("held", "inner_schema", "inner", {"x": 2, "secret": "s3cret", "deep": [{"a": None}]}), "held"),
    document("held", "inner_schema", "inner", {"x": 3}),
    saved(document("holding", "outer_schema", "outer", {"inner": {"$ref": {"block_document_id": "{held}"}}, "y": "z"}), "holding"),
    saved(document("another", "inner_schema", "inner", {}), "another"),
    saved(document("stored", "store_schema", "store", {"path": "/tmp"}), "stored"),
    saved(document("stored too", "store_schema", "store", {"path": "/var"}), "too"),
    saved(document(None, "inner_schema", "inner", {"x": 9}, is_anonymous=True), "anonymous"),
    document(None, "inner_schema", "inner", {"x": 9}, is_anonymous=True),
    document(None, "inner_schema", "inner", {"x": 10}, is_anonymous=True),
    get("/block_documents/{held}"),
    get("/block_documents/{holding}"),
    get("/block_documents/{anonymous}"),
    post("/block_documents/filter"),
    post("/block_documents/filter", {"limit": 2, "offset": 1}),
    post("/block_documents/filter", {"block_document_filter": {"is_anonymous": {"eq_": True}}}, unordered=True),
    post("/block_documents/filter", {"block_document_filter": {"is_anonymous": {"eq_": False}}}),
    post("/block_documents/filter", {"block_document_filter": {"is_anonymous": None}, "limit": 200}, unordered=True),
    get("/block_types/name/inner/block_documents"),
    get("/block_types/name/outer/block_documents"),
    get("/block_types/name/outer/block_documents/name/holding"),
    get("/block_types/name/inner/block_documents/name/holding"),
    patch("/block_documents/{held}", {"data": {"x": 5}}),
    get("/block_documents/{held}"),
    get("/block_documents/{holding}"),
    patch("/block_documents/{another}", {"name": "renamed"}),
    get("/block_documents/{another}"),
    patch("/block_documents/{holding}", {"data": {"inner": {"$ref": {"block_document_id": "{another}"}}}}),
    get("/block_documents/{holding}"),
    patch("/block_documents/{holding}", {}),
    get("/block_documents/{holding}"),
]

DEFAULTS = [
    post("/block_documents/get_default_storage_block_document"),
    post("/block_documents/{stored}/set_default_storage_block_document"),
    post("/block_documents/get_default_storage_block_document"),
    post("/block_documents/{too}/set_default_storage_block_document"),
    post("/block_documents/{too}/set_default_storage_block_document"),
    post("/block_documents/get_default_storage_block_document"),
    post("/block_documents/{held}/set_default_storage_block_document"),
    post(f"/block_documents/{ABSENT}/set_default_storage_block_document"),
    post("/block_documents/get_default_storage_block_document"),
    post("/block_documents/clear_default_storage_block_document"),
    post("/block_documents/clear_default_storage_block_document"),
    post("/block_documents/get_default_storage_block_document"),
    post("/block_documents/{stored}/set_default_storage_block_document"),
    delete("/block_documents/{stored}"),
    post("/block_documents/get_default_storage_block_document"),
]

REFUSALS = [
    post("/block_types/", {}),
    post("/block_types/", {"name": "a/b"}),
    post("/block_types/", {"name": "x", "logo_url": "nonsense"}),
    post("/block_types/", {"name": "x", "mood": "good"}),
    patch("/block_types/{inner}", {"name": "x"}),
    patch(f"/block_types/{ABSENT}", {"description": "x"}),
    patch("/block_types/nonsense", {}),
    get(f"/block_types/{ABSENT}"),
    get("/block_types/nonsense"),
    post("/block_types/filter", {"limit": 201}),
    post("/block_types/filter", {"offset": -1}),
    post("/block_schemas/", {}),
    post("/block_schemas/", {"fields": "text", "block_type_id": "{inner}"}),
    post("/block_schemas/", {"fields": {"a": 1}, "block_type_id": "nonsense"}),
    post("/block_schemas/", {"fields": {"a": 1}, "block_type_id": ABSENT}),
    post("/block_schemas/", {"fields": {"a": 1}, "block_type_id": "{inner}", "capabilities": "x"}),
    post("/block_schemas/", {"fields": {"a": 1}, "block_type_id": "{inner}", "checksum": "x"}),
    get(f"/block_schemas/{ABSENT}"),
    get("/block_schemas/nonsense"),
    post("/block_schemas/filter", {"limit": 201}),
    post("/block_schemas/filter", {"block_schema_filter": {"block_type_id": {"any_": ["x"]}}}),
    post("/block_documents/", {}),
    document("a/b", "inner_schema", "inner", {}),
    document(None, "inner_schema", "inner", {}),
    document("named", "inner_schema", "inner", {}, is_anonymous=True),
    document("anonymous one", "inner_schema", "inner", {}),
    document("x", "inner_schema", "inner", "text"),
    post("/block_documents/", {"name": "x", "block_schema_id": ABSENT, "block_type_id": "{inner}"}),
    post("/block_documents/", {"name": "x", "block_schema_id": "nonsense", "block_type_id": "{inner}"}),
    document("x", "inner_schema", "inner", {}, mood="good"),
    patch("/block_documents/{held}", {"data": "text"}),
    patch("/block_documents/{held}", {"mood": "good"}),
    patch(f"/block_documents/{ABSENT}", {"data": {}}),
    get(f"/block_documents/{ABSENT}"),
    get("/block_documents/nonsense"),
    patch("/block_documents/nonsense", {"data": {}}, differs="a malformed id"),
    delete("/block_documents/nonsense", differs="a malformed id"),
    post("/block_documents/nonsense/set_default_storage_block_document", differs="a malformed id"),
    post("/block_documents/filter", {"limit": 201}),
    post("/block_documents/filter", {"block_document_filter": {"is_anonymous": {"eq_": "perhaps"}}}),
]

ENDINGS = [
    delete("/block_documents/{holding}"),
    delete("/block_documents/{holding}"),
    delete("/block_documents/{held}"),
    get("/block_documents/{held}"),
    delete("/block_schemas/{outer_schema}"),
    delete("/block_schemas/{outer_schema}"),
    delete("/block_schemas/nonsense"),
    get("/block_schemas/{outer_schema}"),
    delete("/block_types/{store}"),
    delete("/block_types/{store}"),
    delete("/block_types/nonsense"),
    get("/block_schemas/{store_schema}"),
    get("/block_documents/{too}"),
    post("/block_types/filter"),
]

CONVERSATION = [*TYPES, *SCHEMAS, *DOCUMENTS, *DEFAULTS, *REFUSALS, *ENDINGS]
