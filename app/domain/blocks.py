"""Blocks as clients write them: the checksum of a schema, and the references that schemas and documents hold to others of their kind."""

import hashlib
import json
import uuid

from app.errors import InvalidField

# What a description says may change without the schema becoming another one; definitions are schemas of their own
NOT_IN_CHECKSUM = ("description", "definitions")

# How deep blocks may hold blocks, and how many one may hold in all: an answer has each of them, as often as it is held
MAX_DEPTH = 16
MAX_HELD = 200


def checksum(fields):
    """Return the checksum of the schema with `fields`: the SHA-256 of its canonical JSON, without descriptions and definitions.

    Inside lists these stay. Clients compute the same, so every character counts.
    """
    text = json.dumps([[_without(fields)], {}], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _without(value):
    if not isinstance(value, dict):
        return value
    return {name: _without(inner) for name, inner in value.items() if name not in NOT_IN_CHECKSUM}


def schema_references(fields):
    """Return (name, block type's name, checksum) of each schema that a schema with `fields` refers to. Raise InvalidField."""
    at = "fields.block_schema_references"
    references = fields.get("block_schema_references") or {}
    if not isinstance(references, dict):
        raise InvalidField(at, "Not a JSON object.")
    found = []
    for name, given in references.items():
        for reference in given if isinstance(given, list) else [given]:
            values = [reference.get(key) for key in ("block_type_name", "block_schema_checksum")] if isinstance(reference, dict) else []
            if not values or not all(isinstance(value, str) for value in values):
                raise InvalidField(at, "Each must be an object with block_type_name and block_schema_checksum, or a list of such.")
            found.append((name, *values))
    if len(found) > MAX_HELD:
        raise InvalidField(at, f"At most {MAX_HELD} references are allowed; these are {len(found)}.")
    return found


def definition(fields, definitions, name, block_type_name):
    """Return the fields of the schema that the property `name` of `fields` refers to, or None where `definitions` lack them.

    Of several that a property may refer to, it is the one that says it is of the block type.
    """
    specification = _member(_member(fields, "properties"), name)
    alternatives = _member(specification, "anyOf")
    if not isinstance(alternatives, list):
        return _defined(definitions, specification)
    found = (_defined(definitions, alternative) for alternative in alternatives)
    return next((one for one in found if one is not None and one.get("block_type_name") == block_type_name), None)


def _defined(definitions, specification):
    reference = _member(specification, "$ref")
    found = _member(definitions, reference.removeprefix("#/definitions/")) if isinstance(reference, str) else None
    return found if isinstance(found, dict) else None


def _member(value, name):
    return value.get(name) if isinstance(value, dict) else None


def document_references(data):
    """Return `data` without the members that stand for other blocks, and the ids of those as {name: UUID}. Raise InvalidField."""
    plain, references = {}, {}
    for name, value in data.items():
        if not (isinstance(value, dict) and "$ref" in value):
            plain[name] = value
            continue
        try:
            references[name] = uuid.UUID(value["$ref"]["block_document_id"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InvalidField("data", 'A reference to a block has the form {"$ref": {"block_document_id": a UUID}}.') from None
    return plain, references


def check_nesting(held, roots):
    """Raise InvalidField if one of `roots` holds itself, or blocks deeper or more of them than an answer can show.

    `held` maps an id to the ids it refers to.
    """
    measured = {}
    for root in roots:
        _measure(held, root, (), measured)


def _measure(held, id, above, measured):
    if id in above:
        raise InvalidField("data", "A block may not hold itself.")
    if id not in measured and len(above) < MAX_DEPTH:
        below = [_measure(held, one, (*above, id), measured) for one in held.get(id, ())]
        measured[id] = 1 + max((deep for deep, _ in below), default=0), 1 + sum(count for _, count in below)
    deep, count = measured.get(id, (MAX_DEPTH + 1, 0))
    if deep > MAX_DEPTH or count > MAX_HELD:
        raise InvalidField("data", f"Blocks may be nested {MAX_DEPTH} deep, and hold {MAX_HELD} in all.")
    return deep, count
