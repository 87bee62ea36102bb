"""What is wrong with a file that is not XML, in words: expat says a place and little more.

Three things tell. What the file is as a whole: a page of HTML, Apache's .htaccess, JSON. Which
elements are open where reading stopped. And the text before that place, back to the last ``<``: it
shows whether a tag is not closed, a blank or a quotation mark is missing, a sign stands for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from xml.parsers import expat

from ..catalogue import hint
from ..catalogue.findings import Finding
from ..files import read_bounded

#: (how a file begins that is something else, form of the remedy), the first that fits counts.
_WHOLE = (
    (r"```", "fence"),
    (r"(?:diff --git |---? a/|--- \S+\n\+\+\+ )", "diff"),
    (r"---", "front"),
    (r"[{\[]\s*(?:[\"'{}\]]|$)", "json"),
    (
        r"(?i)(?:#.*\n|\s)*(?:RewriteEngine|RewriteRule|RewriteCond|<IfModule|Options\s|Header\s)",
        "apache",
    ),
    (r"(?i)<!doctype html|<html\b|<head\b|<body\b|(?s:<!--.*?-->\s*)<html\b", "page"),
)
#: (pattern of the line at which reading stopped, form of the remedy), the first that fits counts.
_LINE = (
    (r"^\s*(?:<{7}|={7}|>{7})", "merge"),
    (r"&(?!#?\w+;)", "ampersand"),
    (r"&(?!amp;|lt;|gt;|quot;|apos;|#)\w+;", "entity"),
    (r"<!--.*--.*-->|^[^<>]*-{3,}", "hyphens"),
    (r"<\?xml(?! version=)", "version"),
)
#: (pattern of the tag up to the place at which reading stopped, pattern of what follows, form).
_TAG = (
    (r"<[^>]*", r"<!--", "inside"),
    (r"<", r"\s", "blank"),
    (r"<[^>]*[\"']", r"[\w:]", "together"),
    (r"<[^>]*[\"']\s*", r"[,;]", "comma"),
    (r"<[^>]*/", r"\s", "slash"),
    (r"<[^>]*=?\s*", r"\\", "backslash"),
    (r"<[^>]*\s[\w:.]+\s*", r"[\"']", "equals"),
    (r"<[^>]*=\s*", r"[^\"'\s]", "unquoted"),
)


def explained(finding: Finding, path: Path, unsaved: bytes | None = None) -> Finding:
    """A finding of a file that is not a configuration, with a remedy in words where the mistake is
    known. ``unsaved`` is what an editor has in the place of the file.
    """
    if finding.code not in ("config-malformed-xml", "config-doctype") or finding.span is None:
        return finding
    try:
        data = read_bounded(path) if unsaved is None else unsaved
    except OSError:
        return finding
    if finding.code == "config-doctype":
        is_page = re.search(rb"(?i)<!doctype\s+html", data) is not None
        return replace(finding, hint=_said("page")) if is_page else finding
    if finding.hint == _said("declaration"):
        return finding
    remedy = _remedy(data, finding.span.line, finding.span.column, finding.hint)
    return replace(finding, hint=remedy) if remedy else finding


def _said(form: str, **values: object) -> str:
    return hint(f"config-malformed-xml/{form}", **values)


def _remedy(data: bytes, line: int, column: int, reason: str) -> str:
    """What to do about the place at which reading stopped; "" where that is not known."""
    if not data.strip():
        return _said("empty")
    text = _decoded(data)
    if text is None:
        return _said("bytes")
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if is_wide and re.search(r"encoding=[\"']utf-8", text[:200], re.IGNORECASE):
        return _said("wide")
    if "encoding" in reason:
        return _said("narrow")
    begin = text.lstrip()
    for pattern, form in _WHOLE:
        if re.match(pattern, begin):
            return _said(form)
    if not begin.startswith("<"):
        return _said("before" if "<configuration" in text else "text")
    lines = re.split(r"\r\n|\r|\n", text)  # as XML has them
    return _of_structure(text, lines, line, column, reason) or _of_place(lines, line, column)


def _decoded(data: bytes) -> str | None:
    """The text of a file; None where its bytes are none, or not in the encoding that it names."""
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    named = re.match(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", data)
    encoding = "utf-16" if is_wide else "utf-8-sig"
    if named is not None and not is_wide and not named[1].lower().startswith(b"utf"):
        encoding = named[1].decode("ascii")
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


# -- by what expat says, and the elements that are open --------------------------------------------


@dataclass(frozen=True, slots=True)
class _Open:
    """An element that is open where reading stopped."""

    tag: str
    line: int


def _open_elements(text: str) -> list[_Open]:
    found: list[_Open] = []
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = lambda tag, _: found.append(_Open(tag, parser.CurrentLineNumber))
    parser.EndElementHandler = lambda _: found.pop()
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, ValueError, LookupError):
        pass
    return found


def _of_structure(text: str, lines: list[str], line: int, column: int, reason: str) -> str:
    here = lines[line - 1] if line <= len(lines) else ""
    if "mismatched tag" in reason:
        return _mismatched(text, here, column)
    if "no element found" in reason:
        left = _open_elements(text)
        return _said("end", tag=left[-1].tag, line=left[-1].line) if left else _said("nothing")
    if "junk after" in reason:
        rest = here[column - 1 :]
        form = "late-declaration" if rest.startswith("<?xml") else "roots"
        return _said(form if rest.startswith("<") else "after")
    if "duplicate attribute" in reason:
        names = re.findall(
            r"\s([\w:.]+)\s*=", here[: column - 1] + here[column - 1 :].split("=")[0] + "="
        )
        return _said("twice", name=names[-1] if names else "…")
    if "unclosed token" in reason:
        token = here[column - 1 :]
        tag = re.split(r"[\s>]", token[1:])[0]
        return _said("comment" if token.startswith("<!--") else "open", tag=tag, line=line)
    if "unbound prefix" in reason:
        prefix = re.search(r"[\s<](\w+):\w+", here[column - 1 :])
        return _said("prefix", prefix=prefix[1] if prefix else "xdt")
    before = "\n".join([*lines[: line - 1], here[: column - 1]]).rstrip()
    if before.endswith(">") and not _open_elements(text) and before.count("<") > before.count("<?"):
        if not here[column - 1 :].startswith("<"):
            return _said("after")
    return ""


def _surplus(tag: str, text: str) -> str:
    """What to do about a closing tag of an element that is not open."""
    is_there = re.search(rf"<{re.escape(tag)}(?=[\s>])", text) is not None
    return _said("surplus" if is_there else "begin", tag=tag)


def _mismatched(text: str, here: str, column: int) -> str:
    """What to do about a closing tag that is not that of the innermost element."""
    left = _open_elements(text)
    closing = re.match(r"[</]*([\w:.-]+)", here[max(column - 3, 0) :])
    tag = closing[1] if closing else ""
    if not left:
        return ""
    inner = left[-1]
    if tag.lower() == inner.tag.lower() and tag != inner.tag:
        return _said("case", tag=inner.tag, written=tag, line=inner.line)
    if tag and all(tag != element.tag for element in left):
        return _surplus(tag, text)
    return _said("unclosed", tag=inner.tag, line=inner.line)


# -- by the text at the place ----------------------------------------------------------------------


def _of_place(lines: list[str], number: int, column: int) -> str:
    line = lines[number - 1] if number <= len(lines) else ""
    if re.search(r"=\s*[\u2018-\u201f]", line):
        return _said("curly")
    if 0 < column <= len(line) and ord(line[column - 1]) < 32:
        return _said("control", code=f"{ord(line[column - 1]):04X}")
    said = _in_line(line)
    begin, before = _since_tag(lines, number, column)
    quotes = before.count('"')
    if said or not before:
        return said
    follows = line[column - 1 :]
    if before == "<" and follows.startswith("/"):
        return _surplus(re.split(r"[\s>]", follows[1:])[0], "\n".join(lines))
    if quotes % 2 == 0 and follows.startswith("<") and not follows.startswith("<!--"):
        return _said("open", tag=re.split(r"[\s>]", before[1:])[0], line=begin)
    if quotes % 2 and follows.startswith("<") and "\n" not in before:
        return _said("less")
    for place in (number, number - 1):
        if 0 < place <= len(lines) and lines[place - 1].count('"') % 2:
            return _said("quote", line=place)
    for tag, next_one, form in _TAG:
        if re.fullmatch(tag, before, re.DOTALL) and re.match(next_one, follows):
            if form == "together" and re.search(r"=\s*\"[^\"]*\"\Z", before) is None:
                continue
            is_nested = form in ("together", "equals") and line.count('"') > 2 and '""' in line
            return _said("nested" if is_nested else form)
    return ""


def _in_line(line: str) -> str:
    return next((_said(form) for pattern, form in _LINE if re.search(pattern, line)), "")


def _since_tag(lines: list[str], number: int, column: int) -> tuple[int, str]:
    """The text from the last ``<`` on to a place, and the line of that ``<``."""
    before = lines[number - 1][: column - 1] if number <= len(lines) else ""
    while "<" not in before and number > 1:
        number -= 1
        before = f"{lines[number - 1]}\n{before}"
    if "<" not in before:
        return number, ""
    return number, before[before.rindex("<") :]
