"""The JSON Schema of files, made from the marshmallow schemas as the API document is.

`python -m tests.file_schema` writes the published one.
"""

import json
from importlib.resources import files

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from app.api.http.openapi import attributes, component_name
from app.schemas.files import File

PUBLISHED = files("app.schemas").joinpath("files.schema.json")


def made():
    """The schema."""
    plugin = MarshmallowPlugin(component_name)
    spec = APISpec("files", "1", "3.1.0", plugins=[plugin])
    plugin.converter.add_attribute_function(attributes)
    spec.components.schema("File", schema=File)
    found = json.loads(json.dumps(spec.to_dict()["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/"))
    top = found.pop("File")
    described = {"title": "A file of Mintaka", "description": File.__doc__, "examples": [File.example]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | described | top | {"$defs": found}


if __name__ == "__main__":
    PUBLISHED.write_text(json.dumps(made(), indent=2) + "\n", encoding="utf-8")
