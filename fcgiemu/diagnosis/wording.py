"""Remedies that need more than the place which found the mistake knows: XML's own mistakes in
words, and the names that are near.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from ..catalogue import hint
from ..config.diagnostics import Finding

#: (pattern of the line at which reading stopped, what to do), the first that fits counts.
_XML = (
    (r"^(?:<{7}|={7}|>{7})", "Remove the markers of a merge (<<<<<<<, =======, >>>>>>>)."),
    (r"&(?!#?\w+;)", "Write &amp; for each & (also in the values of attributes)."),
    (r"&(?!amp;|lt;|gt;|quot;|apos;|#)\w+;", "XML has no such entity: write its character itself."),
    (r"=\s*[^\"'\s>]+[\s>/]", "Write the values of attributes in quotation marks."),
    (r"\"[^\"=<>]*<[^\"]*\"", "Write &lt; for < in the values of attributes."),
    (r"<!--.*--.*-->|^[^<>]*-{3,}", "Write no -- inside a comment."),
    (r"<\?xml(?! version=)", 'Write <?xml version="1.0" encoding="utf-8"?>.'),
)


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
    if not remedy and "junk after" in finding.hint:
        remedy = "A file has one root element: put everything into one <configuration>."
    return replace(finding, hint=remedy) if remedy else finding


def _remedy(data: bytes, number: int) -> str:
    """What to do about the line at which reading stopped; "" where that is not known."""
    if data.startswith(b"---"):
        return "Remove the front matter (the lines between ---) at the top of the file."
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return "Save the file as UTF-8, or name its encoding in the XML declaration."
    if is_wide and re.search(r"encoding=[\"']utf-8", text[:200], re.IGNORECASE):
        return "The file is UTF-16 and says UTF-8: save it as UTF-8."
    lines = text.splitlines()
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    for place in (number, number - 1):
        if 0 < place <= len(lines) and lines[place - 1].count('"') % 2:
            return f"A quotation mark is missing on line {place}, or there is one too many."
    return next((remedy for pattern, remedy in _XML if re.search(pattern, line)), "")


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
