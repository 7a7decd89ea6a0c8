"""Saves a block with a secret in it and one that stores flows, loads both, and makes the second the default. Prints what it found."""

import asyncio
import json
import sys

from prefect.blocks.storage import LocalStorageBlock, S3StorageBlock
from prefect.client import get_client


async def save(client, name, block):
    await block.register_type_and_schema(client=client)
    document = block._to_block_document(name=name, block_schema_id=block._block_schema_id, block_type_id=block._block_type_id)
    return await client.create_block_document(document)


async def main(folder):
    async with get_client() as client:
        await save(client, "secretive", S3StorageBlock(bucket="flows", aws_secret_access_key="hunter2", region_name="eu-west-1"))
        local = await save(client, "local", LocalStorageBlock(storage_path=folder))
        await client.set_default_storage_block_document(local.id)
        default = await client.get_default_storage_block_document()
    secretive = await S3StorageBlock.load("secretive")
    loaded = await LocalStorageBlock.load("local")
    key = await loaded.write(b"stored")
    print(
        json.dumps(
            {
                "secret": secretive.aws_secret_access_key,
                "path": loaded.storage_path,
                "default": default.name,
                "read": (await loaded.read(key)).decode(),
            }
        )
    )


asyncio.run(main(sys.argv[1]))
