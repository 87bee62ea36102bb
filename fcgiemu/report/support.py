"""What each section and attribute of IIS's schema does here, from the schema's own table: text,
Markdown and JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..config import schema
from ..config.schema import ElementSchema

#: What the three words mean, as the command and the docs page say it.
MEANING = {
    "emulated": "acts as on IIS",
    "accepted": "checked as on IIS, then without effect",
    "refused": "checked as on IIS; what it is for is answered with an error that says so",
}

#: Where the package runs, and how far that has been tried.
SYSTEMS = {
    "Linux": "all of it; every change is tested there",
    "macOS": "all of it; tested by the workflow of the repository",
    "Windows, but for `serve`": (
        "`explain`, `check`, `test`, `diff`, `init`, `xdt`, `freb` and `iis_site`; tested in an"
        " interpreter that has lost what Windows lacks, and by the workflow of the repository"
    ),
    "Windows, `serve`": (
        "**untested on Windows**; written with Job Objects and TCP, and tested against a stand-in"
        " for kernel32. Without stand-by interpreters, iisnode, `--worker wfastcgi` and FastCGI"
        " programs other than php-cgi"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSupport:
    """An attribute: ``element`` is its path below the section ("" = the section itself), ``type``
    as the schema has it.
    """

    section: str
    element: str
    attribute: str
    type: str
    default: str | None
    support: str
    lock: str


def entries() -> Iterator[AttributeSupport]:
    """Every attribute of every section, in the table's order."""
    for path, section in _sections():
        for element, attribute in _attributes(section, ""):
            support = section.support if section.support != "emulated" else attribute.support
            shown = (
                f"{attribute.type}({'|'.join(attribute.values)})"
                if attribute.values
                else attribute.type
            )
            yield AttributeSupport(
                section=path,
                element=element,
                attribute=attribute.name,
                type=shown,
                default=attribute.default,
                support=support,
                lock=lock(path),
            )


def _sections() -> Iterator[tuple[str, ElementSchema]]:
    """Every section, and behind it how it is on a server with another module."""
    for path, section in schema.sections().items():
        yield path, section
        for module, table in schema.variants().items():
            if path in table:
                yield f"{path} with {module}", table[path]


def _attributes(element: ElementSchema, path: str) -> Iterator[tuple[str, schema.Attribute]]:
    for attribute in element.attributes.values():
        yield path, attribute
    children = [
        *element.children.values(),
        *(collection.entry for collection in element.collections.values()),
    ]
    for child in children:
        yield from _attributes(child, f"{path}/{child.name}".lstrip("/"))


def lock(section: str) -> str:
    """Where a section may stand: "server" (applicationHost.config only), "locked" (by default),
    "application", or "".
    """
    if section in schema.HOST_ONLY:
        return "server"
    if section in schema.LOCKED:
        return "locked"
    return "application" if section in schema.APPLICATION_ROOT_ONLY else ""


def sections() -> dict[str, list[AttributeSupport]]:
    """The entries by section."""
    found: dict[str, list[AttributeSupport]] = {}
    for entry in entries():
        found.setdefault(entry.section, []).append(entry)
    return found


def text(query: str = "") -> str:
    """One line a section, then its attributes by what they do; only sections whose path holds
    ``wanted``.
    """
    lines = [f"{word:<10}{meaning}" for word, meaning in MEANING.items()]
    for path, found in sections().items():
        if query.lower() not in path.lower():
            continue
        lines += ["", path + (f"  [{found[0].lock}]" if found[0].lock else "")]
        for word in MEANING:
            names = [_name(entry) for entry in found if entry.support == word]
            if names:
                lines.append(f"  {word:<10}{', '.join(names)}")
    return "\n".join(lines)


def _name(entry: AttributeSupport) -> str:
    return f"{entry.element}@{entry.attribute}" if entry.element else f"@{entry.attribute}"


def markdown() -> str:
    """The page docs/support.md."""
    lines = [
        "# What is supported",
        "",
        (
            "Made by `fcgiemu support --format markdown` from the table that the configuration is "
            "checked with; do not edit."
        ),
        "",
    ]
    lines += [f"- **{word}**: {meaning}" for word, meaning in MEANING.items()]
    lines += [
        "",
        (
            "*server*: in applicationHost.config only; *locked*: by default, which warns here and"
            " is an error with `--strict-locks`; *application*: in the root folder of an"
            " application only."
        ),
    ]
    lines += ["", "## Systems", "", "| system | here |", "| --- | --- |"]
    lines += [f"| {system} | {here} |" for system, here in SYSTEMS.items()]
    for path, found in sections().items():
        lines += [
            "",
            f"## {path}" + (f" ({found[0].lock})" if found[0].lock else ""),
            "",
            "| attribute | type | default | here |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            "| "
            + " | ".join(map(_cell, (_name(entry), entry.type, entry.default or "", entry.support)))
            + " |"
            for entry in found
        ]
    return "\n".join(lines) + "\n"


def _cell(value: str) -> str:
    return value.replace("|", "\\|")


def as_json() -> list[dict[str, Any]]:
    """The entries as JSON objects."""
    return [asdict(entry) for entry in entries()]
