"""iisnode.yml as iisnode reads it, which is not YAML (seen in its source and tests).

A line is ``key: value``. The first ``#`` of a line begins a comment, also inside a value. Only
spaces are blanks: a tab belongs to the key or the value that it stands in. A key has no case. A
line that is not empty needs a colon with a key in front of it, and no blank inside that key; one
that has not breaks the whole file. A setting without a value stays as it is, and a key that
iisnode does not know is ignored. Quotation marks are a part of the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: Bytes of the file that are read.  # our own
MAX_BYTES = 1 << 20
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
#: The port range of the debugger has another name here than in web.config.
_RENAMED = {"debugportrange": "debuggerPortRange"}


class YmlLine(NamedTuple):
    """A setting of the file: the key and the value as written, and the line, from 1 on."""

    key: str
    value: str
    number: int


class YmlProblem(NamedTuple):
    """What breaks the file: ``form`` is the form of the finding iisnode-yml-broken."""

    form: str
    text: str
    number: int


@dataclass(frozen=True, slots=True)
class Yml:
    """The lines of the file that say something, and what breaks it."""

    lines: tuple[YmlLine, ...]
    problems: tuple[YmlProblem, ...]


def read(data: bytes) -> Yml:
    """The file as lines; see the text at the top. Bytes that are not UTF-8 are taken one by one."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    found = list(_parsed(text))
    return Yml(
        tuple(part for part in found if isinstance(part, YmlLine)),
        tuple(part for part in found if isinstance(part, YmlProblem)),
    )


def _parsed(text: str) -> Iterator[YmlLine | YmlProblem]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        said = line.partition("#")[0].strip(" ")
        if not said:
            continue
        key, colon, value = said.partition(":")
        key = key.rstrip(" ")
        if not colon:
            yield YmlProblem("colon", said, number)
        elif not key or " " in key:
            yield YmlProblem("key", said, number)
        elif value := value.strip(" "):
            yield YmlLine(key, value, number)


def attribute_name(key: str) -> str:
    """The attribute of <iisnode> that a key means, in lower case."""
    return _RENAMED.get(key.lower(), key).lower()


def flag(text: str) -> bool | None:
    """A yes or no of the file; None for what breaks it."""
    lower = text.lower()
    return True if lower in _TRUE else False if lower in _FALSE else None


def number(text: str) -> int:
    """A number of the file: it is read as far as its digits go, 0 where there are none."""
    match = re.match(r"\s*([0-9]{1,10})", text)
    return min(int(match[1]), 0xFFFFFFFF) if match else 0
