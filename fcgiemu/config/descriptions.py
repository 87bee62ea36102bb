"""What IIS does with sections, elements and attributes, in a sentence each (descriptions.toml)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from .schema import WEB_SERVER


@cache
def table() -> dict[str, dict[str, str]]:
    """Section -> "about", element, element@attribute or @attribute -> sentence."""
    text = resources.files(__package__).joinpath("descriptions.toml").read_text("utf-8")
    return tomllib.loads(text)


def of_section(path: str) -> str:
    """What a section is for; "" where nothing is said of it."""
    return table().get(path.removeprefix(WEB_SERVER), {}).get("about", "")


def of_element(path: str, name: str) -> str:
    """What an element of a section is for; ""."""
    return table().get(path.removeprefix(WEB_SERVER), {}).get(name, "")


def of_attribute(path: str, element: str, name: str) -> str:
    """What an attribute of an element does; ``element`` is "" for the section itself. ""."""
    return of_element(path, f"{element}@{name}")
