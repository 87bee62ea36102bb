"""Outputs held against the JSON Schemas that the package has.

The published schemas let unknown keys pass, so that a new key breaks nobody; here they are closed:
a key that no schema describes is a failure.
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from fcgiemu import schemas

#: Objects whose further keys are values: those of an event.
_OPEN = {"event"}


def closed(name: str) -> Draft202012Validator:
    """The schema of a command, with nothing allowed that it does not name."""
    found = schemas.schema(name)
    _close(found)
    for definition, value in found.get("$defs", {}).items():
        if definition in _OPEN:
            value.pop("additionalProperties", None)
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def _close(value: Any) -> None:
    if isinstance(value, dict):
        if "properties" in value:
            value.setdefault("additionalProperties", False)
        for part in value.values():
            _close(part)
    elif isinstance(value, list):
        for part in value:
            _close(part)


def hold(name: str, output: str) -> Any:
    """The value of an output, which fits the schema of its command."""
    value = json.loads(output)
    problems = [f"{error.json_path}: {error.message}" for error in closed(name).iter_errors(value)]
    assert not problems, problems[:5]
    return value
