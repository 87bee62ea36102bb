"""Remedies that need more than the place which found the mistake knows: XML's own mistakes in
words, and the names that are near.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from xml.parsers import expat

from ..catalogue import hint
from ..catalogue.findings import Finding

#: (pattern of the line at which reading stopped, form of the remedy), the first that fits counts.
_XML = (
    (r"^(?:<{7}|={7}|>{7})", "merge"),
    (r"&(?!#?\w+;)", "ampersand"),
    (r"&(?!amp;|lt;|gt;|quot;|apos;|#)\w+;", "entity"),
    (r"=\s*[^\"'\s>]+[\s>/]", "unquoted"),
    (r"\"[^\"=<>]*<[^\"]*\"", "less"),
    (r"<!--.*--.*-->|^[^<>]*-{3,}", "hyphens"),
    (r"<\?xml(?! version=)", "version"),
)


def folder_of_the_site(folder: str) -> str:
    """The command that makes a folder with a file in it: Git leaves out empty ones."""
    return f"mkdir -p {shlex.quote(folder)} && touch {shlex.quote(folder + '/.gitkeep')}"


def _said(form: str, **values: object) -> str:
    return hint(f"config-malformed-xml/{form}", **values)


def explained(finding: Finding, path: Path, unsaved: bytes | None = None) -> Finding:
    """A finding of a file that is not XML, with a remedy in words where the mistake is known.
    ``unsaved`` is what an editor has in the place of the file.
    """
    if finding.code != "config-malformed-xml" or finding.span is None:
        return finding
    try:
        data = path.read_bytes() if unsaved is None else unsaved
    except OSError:
        return finding
    remedy = _remedy(data, finding.span.line)
    if not remedy and "mismatched tag" in finding.hint:
        remedy = _unclosed(data)
    if not remedy and "junk after" in finding.hint:
        remedy = _said("roots")
    return replace(finding, hint=remedy) if remedy else finding


def _remedy(data: bytes, number: int) -> str:
    """What to do about the line at which reading stopped; "" where that is not known."""
    if not data.strip():
        return _said("empty")
    if data.startswith(b"---"):
        return _said("front")
    if re.match(rb"(?:\xef\xbb\xbf)?\s*[#/;\w*]", data) and b"<configuration" in data:
        return _said("before")
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return _said("bytes")
    if is_wide and re.search(r"encoding=[\"']utf-8", text[:200], re.IGNORECASE):
        return _said("wide")
    lines = text.splitlines()
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    if re.search(r"=\s*[\u2018-\u201f]", line):
        return _said("curly")
    for place in (number, number - 1):
        if 0 < place <= len(lines) and lines[place - 1].count('"') % 2:
            return _said("quote", line=place)
    return next((_said(form) for pattern, form in _XML if re.search(pattern, line)), "")


def _unclosed(data: bytes) -> str:
    """What to do about the element that is open where another one ends."""
    open_elements: list[tuple[str, int]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _: open_elements.append(
        (tag, parser.CurrentLineNumber)
    )
    parser.EndElementHandler = lambda _: open_elements.pop()
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError):
        pass
    if not open_elements:
        return ""
    tag, line = open_elements[-1]
    return _said("unclosed", tag=tag, line=line)


def near_map(finding: Finding, names: Iterable[str]) -> Finding:
    """A finding of a rewrite map that does not exist, with the name that is near."""
    missing = re.search(r'map or provider "(.+?)" does not exist', finding.message)
    if finding.code != "rewrite-bad-template" or missing is None:
        return finding
    known = {name.lower(): name for name in names}
    near = get_close_matches(missing[1].lower(), known, 1)
    if near:
        return replace(finding, hint=hint("rewrite-bad-template/near", near=known[near[0]]))
    return replace(finding, hint=hint("rewrite-bad-template/map"))


def of_host_only(finding: Finding) -> Finding:
    """A finding of a section in a web.config that no server unlocks, with the remedy for those that
    people write there: <globalRules>, and ARR's.
    """
    if finding.code != "config-host-only":
        return finding
    if "/globalRules" in finding.message:
        return replace(finding, hint=hint("config-host-only/rules"))
    if "system.webServer/proxy" in finding.message or "webFarms" in finding.message:
        return replace(finding, hint=hint("config-host-only/proxy"))
    return finding
