"""What ``check`` finds in texts that are not saved, and where in a text a finding stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.sax.saxutils import unescape

from .. import project
from ..catalogue.findings import Finding
from ..config.merge import Level
from ..config.schema import ElementSchema
from ..config.tree import Effective
from ..diagnosis.check import MAPS, check
from ..errors import SiteError
from ..files import find
from ..settings import Settings
from ..site import Site
from .completing import Elsewhere
from .outline import Outline, Tag

#: What is encoded as its XML declaration says; the parser knows no others for sure.
_ENCODING = re.compile(r"<\?xml[^>]*\bencoding\s*=\s*[\"']([\w.-]+)[\"']")
_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"|<(\w[\w.]*)>|\{(\w+)\}")


@dataclass(slots=True)
class Examined:
    """What is known of a site: findings by file, and what completion takes from other files.
    ``trouble`` is why it could not be opened, "" where it could.
    """

    findings: dict[Path, list[Finding]] = field(default_factory=dict)
    elsewhere: Elsewhere = Elsewhere()
    trouble: str = ""


def site_of(file: Path, folders: Iterable[Path]) -> Path:
    """The folder of the site that a web.config belongs to: the nearest one up that keeps settings
    (fcgiemu.toml), else the highest one with a web.config below a folder that is open in the
    editor, else the file's own.
    """
    own = file.parent
    opened = [folder for folder in folders if own.is_relative_to(folder)]
    top = min(opened, key=lambda folder: len(folder.parts), default=own)
    found = own
    for folder in (own, *own.parents):
        if not folder.is_relative_to(top):
            break
        if (folder / "fcgiemu.toml").is_file():
            return folder
        if find(folder, "web.config") is not None:
            found = folder
    return found


def examine(site: Path, texts: Mapping[Path, str]) -> Examined:
    """Check a site. ``texts`` are read in the place of files, by path."""
    unsaved = {str(path): encoded(text) for path, text in texts.items()}
    try:
        opened = Site(
            site, replace(Settings(**project.read(site)), unsaved=unsaved, easy_auth=None)
        )
        found = Examined()
        for finding in check(opened):
            name = finding.span.file if finding.span is not None else ""
            path = site / name
            if not name or not (path in texts or path.is_file()):
                path = _root_file(site, texts)
            found.findings.setdefault(path, []).append(finding)
    except SiteError as error:
        return Examined(trouble=f"{error}\n{error.hint}".strip())
    except OSError as error:
        return Examined(trouble=f"{error.filename}: {error.strerror}.")
    found.elsewhere = Elsewhere(_maps(opened), _inherited(opened))
    return found


def _root_file(site: Path, texts: Mapping[Path, str]) -> Path:
    """Where findings stand that are about no line of a file of the site."""
    there = find(site, "web.config")
    return there if there is not None else next(iter(texts), site / "web.config")


def _maps(site: Site) -> tuple[str, ...]:
    names = [
        node.text("name")
        for file in site.tree.files()
        for node in site.effective(file.directory or "/").section(MAPS).items
    ]
    return tuple(dict.fromkeys(filter(None, names)))


def _inherited(site: Site) -> dict[ElementSchema, tuple[dict[str, str], ...]]:
    """The keys of the entries that the server's configuration has, by collection."""
    server = Effective(tuple(map(Level, site.tree.host)), {})
    found: dict[ElementSchema, tuple[dict[str, str], ...]] = {}
    waiting = [
        server.section(path) for path in {p for file in site.tree.host for p in file.by_path}
    ]
    while waiting:
        node = waiting.pop()
        waiting += node.children.values()
        for item in node.items:
            names = (name for name, one in item.schema.attributes.items() if one.is_key)
            keys = {name: str(item.value(name)) for name in names}
            found[item.schema] = (*found.get(item.schema, ()), keys)
    return found


def encoded(text: str) -> bytes:
    """A text as it will be in the file, as far as its declaration names an encoding that can hold
    it.
    """
    declared = _ENCODING.match(text)
    try:
        return text.encode(declared[1] if declared is not None else "utf-8", "strict")
    except (LookupError, UnicodeError):
        return text.encode("utf-8", "replace")


# -- places ----------------------------------------------------------------------------------------


def range_of(outline: Outline, finding: Finding) -> tuple[int, int]:
    """Where in a text a finding stands: the attribute or value that its message names, else the
    name of its element, else the rest of its line.
    """
    span = finding.span
    offset = outline.offset(span.line, span.column) if span is not None else 0
    tag = outline.tag_beginning(offset)
    if tag is None or finding.code == "config-malformed-xml":
        begin, end = outline.line(offset)
        blanks = len(outline.text[begin:end]) - len(outline.text[begin:end].lstrip())
        return max(offset, begin + blanks) if offset < end else begin + blanks, end
    return _named(outline, tag, finding.message) or (tag.name_begin, tag.name_end)


def quoted(message: str) -> list[str]:
    """The words that a message puts in quotation marks, angle brackets or braces."""
    return [next(filter(None, groups)) for groups in _QUOTED.findall(message)]


def _named(outline: Outline, tag: Tag, message: str) -> tuple[int, int] | None:
    """The attribute of a tag, or its value, that a message names."""
    for word in quoted(message):
        for attribute in tag.attributes:
            if attribute.name == word:
                is_bad_value = attribute.value is not None and "Unrecognized" not in message
                return attribute.value if is_bad_value else (attribute.begin, attribute.end)
            if attribute.value is not None and unescape(outline.value(attribute)) == word:
                return attribute.value
    return None
