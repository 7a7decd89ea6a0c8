"""Registers the blocks that an installed client comes with. Run by the client's Python, not by ours: nothing of ours is imported here.

Arguments: the file to write the result to, as JSON: {"error": text} or {"blocks": [{"block_type", "checksum", "type", "schema"}]}, where
the last two are "new" or "known". The environment says which server.
"""

import asyncio
import importlib
import inspect
import json
import pkgutil
import sys


def block_classes(blocks, core):
    """Every block that the client registers by itself, or that names its type; abstract ones stand for others."""
    for module in pkgutil.iter_modules(blocks.__path__, blocks.__name__ + "."):
        importlib.import_module(module.name)
    found = list(getattr(core, "BLOCK_REGISTRY", {}).values())
    waiting = [core.Block]
    while waiting:
        for below in waiting.pop().__subclasses__():
            waiting.append(below)
            if below.__dict__.get("_block_type_name"):
                found.append(below)
    unique = {block.get_block_type_name(): block for block in found if not inspect.isabstract(block)}
    return [unique[name] for name in sorted(unique)]


async def post_schema(client, schema):
    """Create a schema with its capabilities, which the client's own method leaves out and the default storage must have."""
    body = json.loads(schema.json(include={"fields", "block_type_id", "capabilities"}))
    response = await client._client.post("/block_schemas/", json=body)
    response.raise_for_status()
    return type(schema).parse_obj(response.json())


async def register(client, block):
    """Register a block's type and schema; what was done, as a member of the result."""
    created = set()
    create_type = client.create_block_type

    async def note_type(block_type):
        created.add(block_type.name)
        return await create_type(block_type)

    async def note_schema(block_schema):
        created.add(block_schema.checksum)
        return await post_schema(client, block_schema)

    client.create_block_type, client.create_block_schema = note_type, note_schema
    try:
        await block.register_type_and_schema(client=client)
    finally:
        del client.create_block_type, client.create_block_schema
    name, checksum = block.get_block_type_name(), block._calculate_schema_checksum()
    stored = await client.read_block_schema_by_checksum(checksum)
    own = block._to_block_schema(block_type_id=stored.block_type_id)
    if set(own.capabilities) - set(stored.capabilities):
        await post_schema(client, own)
    known = {True: "new", False: "known"}
    return {"block_type": name, "checksum": checksum, "type": known[name in created], "schema": known[checksum in created]}


async def register_all(get_client, classes):
    """Register `classes` one after the other."""
    async with get_client() as client:
        return [await register(client, block) for block in classes]


def main():
    """The result, as the module's docstring has it."""
    try:
        blocks = importlib.import_module("prefect.blocks")
        core = importlib.import_module("prefect.blocks.core")
        get_client = importlib.import_module("prefect.client").get_client
    except Exception as error:
        return {"error": f"prefect cannot be imported there: {type(error).__name__}: {error}"}
    try:
        return {"blocks": asyncio.run(register_all(get_client, block_classes(blocks, core)))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    with open(sys.argv[1], "w") as file:
        json.dump(main(), file)
