"""What a script of Node does with its port, and when, as far as its text tells.

No parser: comments are left out, and the forms in which people write these few things are looked
for. A form that is not known is not found; what is found is wrong in iisnode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKENS = re.compile(
    r"""(?P<text>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)"""
    r"""|(?P<comment>//[^\n]*|/\*.*?\*/)""",
    re.DOTALL,
)
_PORT = r"process\.env(?:\.PORT\b|\[\s*['\"`]PORT['\"`]\s*\])"
_WITH_DEFAULT = rf"\(?\s*{_PORT}(?:\s*(?:\|\||\?\?)\s*[\w'\"`.]+)?\s*\)?"
_TO_NUMBER = r"(?:(?:Number\s*\.\s*)?parse(?:Int|Float)|Number)\s*\(\s*"
_MAIN = r"(?:require\.main\s*={2,3}\s*module|module\s*={2,3}\s*require\.main)"
_NO_PARENT = r"(?:!\s*module\.parent\b|module\.parent\s*={2,3}\s*(?:null|undefined))"
_NOT_MAIN = r"(?:require\.main\s*!={1,2}\s*module|module\s*!={1,2}\s*require\.main|module\.parent)"
_LISTENS = re.compile(r"\.listen\s*\(")


class Found(NamedTuple):
    """Something in a script: where it begins in the text, and the part of it that says so."""

    position: int
    text: str


def without_comments(text: str) -> str:
    """A script with blanks in the place of its comments; every position stays."""

    def blank(match: re.Match[str]) -> str:
        if match["comment"] is None:
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])

    return _TOKENS.sub(blank, text)


def requires(code: str) -> Iterator[str]:
    """The files of its own that a script loads, as it names them."""
    for match in re.finditer(
        r"(?:\brequire\s*\(|\bimport\s*\(|\bfrom\s|\bimport\s)\s*['\"](\.{1,2}/[^'\"]+)['\"]", code
    ):
        yield match[1]


# -- the port --------------------------------------------------------------------------------------


def port_as_number(code: str) -> Found | None:
    """Where process.env.PORT is made a number for listening."""
    if re.search(rf"\.listen\s*\(\s*{_WITH_DEFAULT}\s*[,)]", code):
        return None
    names = "|".join(map(re.escape, _names_of_port(code)))
    direct = rf"{_TO_NUMBER}{_WITH_DEFAULT}|(?<=[=(,:?])\s*\+\s*{_WITH_DEFAULT}|{_PORT}\s*\|\s*0\b"
    for match in re.finditer(direct, code):
        before, after = code[: match.start()].rstrip(), code[match.end() :]
        kept = re.match(rf"[^;\n]*\)\s*(?:\|\||\?\?)\s*{_PORT}", after)
        if not kept and not re.search(r"isNaN\s*\($", before):
            return Found(match.start(), match[0].strip())
    given = rf"\.listen\s*\(\s*(?:{_TO_NUMBER}|\+\s*)(?:{names})\b"
    converted = re.search(given, code) if names else None
    return Found(converted.start(), converted[0]) if converted else None


def port_in_object(code: str) -> Found | None:
    """Where process.env.PORT is given to listen as {port: …}."""
    names = [*map(re.escape, _names_of_port(code))]
    values = "|".join([_WITH_DEFAULT, *(rf"{name}\b" for name in names)])
    for match in re.finditer(r"\.listen\s*\(\s*\{([^{}]*)\}", code):
        inner = match[1]
        is_short = "port" in names and re.search(r"(?:^|,)\s*port\s*(?:,|$)", inner)
        if is_short or re.search(rf"\bport\s*:\s*(?:{values})", inner):
            return Found(match.start(), match[0])
    return None


def fixed_port(code: str) -> Found | None:
    """A number that a script listens on; ``text`` is that number."""
    match = re.search(r"\.listen\s*\(\s*(\d{2,5})\s*[,)]", code)
    return Found(match.start(), match[1]) if match else None


def names_port(code: str) -> bool:
    """Whether a script asks for PORT at all."""
    return re.search(r"\bPORT\b|\benv\.port\b|env\[['\"]port['\"]\]", code) is not None


def _names_of_port(code: str) -> list[str]:
    """Variables that hold process.env.PORT as it is."""
    declared = rf"\b(?:const|let|var)\s+(\w+)\s*=\s*{_WITH_DEFAULT}\s*(?:;|,|\n|$)"
    return [match[1] for match in re.finditer(declared, code)]


# -- the main module -------------------------------------------------------------------------------


def listens_as_main_only(code: str) -> Found | None:
    """The condition that a script is the main module, where it listens under no other one."""
    condition = re.search(rf"{_MAIN}|{_NO_PARENT}|{_NOT_MAIN}", code)
    if condition is None:
        return None
    named = re.findall(rf"\b(?:const|let|var)\s+(\w+)\s*=\s*(?:{_MAIN}|{_NO_PARENT})", code)
    guard = "|".join([_MAIN, _NO_PARENT, *(rf"\b{re.escape(name)}\b" for name in named)])
    guarded, rest = _split(code, guard)
    functions, outside = _functions(rest)
    listening = {name for name, body in functions if _LISTENS.search(body)}
    calls = "|".join([r"\.listen", *(rf"\b{re.escape(name)}" for name in sorted(listening))])
    called = re.compile(rf"(?:{calls})\s*\(")
    if any(map(called.search, guarded)) and not called.search(outside):
        return Found(condition.start(), " ".join(condition[0].split()))
    return None


def _split(code: str, guard: str) -> tuple[list[str], str]:
    """What a script does where the guard holds, and all the rest of it."""
    guarded: list[str] = []
    rest, position = "", 0
    forms = rf"\bif\s*\(\s*(?:{guard})\s*\)|(?:{guard})\s*&&|\bif\s*\(\s*(?:{_NOT_MAIN})\s*\)"
    for match in re.finditer(forms, code):
        if match.start() < position:
            continue
        end = _statement(code, match.end())
        if re.fullmatch(rf"if\s*\(\s*(?:{_NOT_MAIN})\s*\)", match[0]):
            other = re.compile(r"\s*else\b").match(code, end)
            if other is None:
                continue
            start, end = other.end(), _statement(code, other.end())
        else:
            start = match.end()
        guarded.append(code[start:end])
        rest, position = rest + code[position:start], end
    return guarded, rest + code[position:]


def _statement(code: str, start: int) -> int:
    """Where the statement or the block that begins at ``start`` ends."""
    begin = start + len(code[start:]) - len(code[start:].lstrip())
    if code[begin : begin + 1] == "{":
        return _block(code, begin)
    depth = 0
    for position in range(begin, len(code)):
        char = code[position]
        depth += (char in "([{") - (char in ")]}")
        if depth < 0 or (char == ";" and not depth):
            return position + 1
        if char == "\n" and not depth and code[begin:position].strip():
            return position
    return len(code)


def _block(code: str, begin: int) -> int:
    """Where a block ends whose brace stands at ``begin``."""
    depth = 0
    for position in range(begin, len(code)):
        depth += (code[position] == "{") - (code[position] == "}")
        if not depth:
            return position + 1
    return len(code)


_FUNCTION = re.compile(
    r"\b(?:function\s+(\w+)\s*\([^)]*\)"
    r"|(?:const|let|var)\s+(\w+)\s*=\s*(?:async\s*)?(?:function\b[^(]*)?\([^)]*\)\s*(?:=>)?)\s*\{"
)


def _functions(code: str) -> tuple[list[tuple[str, str]], str]:
    """The functions that have a name, with their bodies; and the code without them."""
    found: list[tuple[str, str]] = []
    outside, position = "", 0
    for match in _FUNCTION.finditer(code):
        if match.start() < position:
            continue
        end = _block(code, match.end() - 1)
        found.append((match[1] or match[2], code[match.end() - 1 : end]))
        outside, position = outside + code[position : match.start()], end
    return found, outside + code[position:]


# -- other things ----------------------------------------------------------------------------------


def trusts_forwarded_for(code: str) -> Found | None:
    """Where a script believes X-Forwarded-For."""
    match = re.search(r"['\"](?:trust proxy|x-forwarded-for)['\"]|\btrustProxy\s*:", code, re.I)
    return Found(match.start(), match[0]) if match else None


def awaits_at_top(code: str) -> Found | None:
    """An ``await`` outside of every function and block."""
    depth = 0
    for match in re.finditer(r"[{}]|(?:^|[=(;\s])await\s", code):
        if match[0] in "{}":
            depth += 1 if match[0] == "{" else -1
        elif not depth:
            return Found(match.start(), "await")
    return None
