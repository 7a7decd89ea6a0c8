"""Holds what the API answers against the API document."""

import json
import re

import jsonschema_rs
from werkzeug.exceptions import HTTPException

# What a server may answer whatever the route: among others to a GET with a body that is too large
ANYWHERE = (405, 413, 421, 500)


class Answers:
    """What the API document of an application says of the answers of its routes."""

    def __init__(self, app):
        self.urls = app.url_map.bind("localhost")
        self.document = app.extensions["flask-smorest"]["apis"][""]["ext_obj"].document()
        self._validators = {}

    def operation(self, path, method):
        """Return the path in the document and the operation that answer a request, or None where none does."""
        try:
            rule, _ = self.urls.match(path, method, return_rule=True)
        except HTTPException:
            return None
        name = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        operation = self.document["paths"].get(name, {}).get(method.lower())
        return operation and (name, operation)

    def validator(self, path, method, status):
        """Return what validates the answers with a status, or None where they have no body."""
        key = (path, method, status)
        if key not in self._validators:
            answer = self.document["paths"][path][method.lower()]["responses"][str(status)]
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            whole = schema and {**schema, "components": self.document["components"]}
            self._validators[key] = whole and jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._validators[key]

    def check(self, path, method, response):
        """Raise AssertionError if the document does not know such an answer of a route."""
        status = response.status_code
        found = self.operation(path, method)
        if found is None or method in ("HEAD", "OPTIONS") or status in ANYWHERE:
            return
        name, operation = found
        assert str(status) in operation["responses"], f"{method} {name} answers {status}, which is not documented"
        if status >= 300:
            return
        validator = self.validator(name, method, status)
        if validator is None:
            assert not response.data, f"{method} {name} answers {status} with a body, which is not documented"
            return
        wrong = [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(json.loads(response.data))
        ]
        assert not wrong, f"{method} {name} answers what its schema does not allow: {wrong[:3]}"


_of_applications = {}


def check_answer(app, path, method, response):
    """Hold a response against the API document of `app`. Applications whose settings say the same in the document share one."""
    ours = app.extensions["mintaka"]
    said = (ours.settings.bounds, ours.policy)
    if said not in _of_applications:
        _of_applications[said] = Answers(app)
    _of_applications[said].check(path, method, response)
