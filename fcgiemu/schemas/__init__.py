"""What other programs may rely on: JSON Schemas of what commands print with ``--json``, and an XML
Schema of web.config.

A JSON Schema is a file of the folder ``json``, named after its command. Its ``$id`` ends in a
version, which rises when a key goes away or changes its meaning; a new key does not raise it, so
the schemas let unknown keys pass. Tests close them and hold every output against them: what a
command prints is described, key by key.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def names() -> tuple[str, ...]:
    """The commands that have a schema, in alphabetical order."""
    folder = resources.files(__package__) / "json"
    return tuple(
        sorted(
            entry.name.removesuffix(".json")
            for entry in folder.iterdir()
            if entry.name.endswith(".json")
        )
    )


def text(name: str) -> str:
    """The JSON Schema (draft 2020-12) called ``name``, as its file has it."""
    return (resources.files(__package__) / "json" / f"{name}.json").read_text("utf-8")


def schema(name: str) -> dict[str, Any]:
    """The same as a dictionary."""
    found: dict[str, Any] = json.loads(text(name))
    return found
