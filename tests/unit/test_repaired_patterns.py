"""Patterns that IIS refuses, and what was meant."""

from __future__ import annotations

import pytest

from fcgiemu.rewrite.regex import PatternError, compile_pattern
from fcgiemu.rewrite.repaired_patterns import repaired, with_reference

#: A pattern that is refused, and what was meant; "" where that is not known.
PATTERNS = [
    ("*", "^(.*)$"),
    ("^*$", "^(.*)$"),
    ("*.php", r"^(.*)\.php$"),
    ("(*)", "(.*)"),
    ("a**", "^a(.*)$"),
    ("^(.**)$", "^(.*)$"),
    ("^(.*$", "^(.*)$"),
    ("^([a-z]+$", "^([a-z]+)$"),
    ("^[a-z$", "^[a-z]$"),
    ("^a)b$", "^ab$"),
    ("(?i)^old$", "^old$"),
    (r"(?<name>\d+)", r"(\d+)"),
    ("^(?P<id>[0-9]+)/$", "^([0-9]+)/$"),
    ("[a-Z]+", "[a-zA-Z]+"),
    (r"^blog\(.*)", "^blog/(.*)"),
    ("^x{id}$", r"^x\{id\}$"),
    ("^(?<!x)y", ""),
    ("^/{C:1}", ""),
]


@pytest.mark.parametrize(("pattern", "meant"), PATTERNS)
def test_what_was_meant(pattern: str, meant: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern, ignore_case=True)
    assert repaired(pattern) == meant


#: A pattern with a reference, and the input and pattern that are meant; None for no such one.
REFERENCES = [
    ("^/{C:1}", ("{C:1}#{URL}", r"^(.+)#/\1")),
    ("^/{R:1}/", ("{R:1}#{URL}", r"^(.+)#/\1/")),
    ("/{C:2}$", ("{C:2}#{URL}", r"^(.+)#.*/\1$")),
    ("^https?://{HTTP_HOST}/", ("{HTTP_HOST}#{URL}", r"^(.+)#https?://\1/")),
    ("^/{C:1}/(.*)$", None),
    ("^/{C:1}/{C:2}", None),
    ("^/{id}$", None),
    ("*", None),
]


@pytest.mark.parametrize(("pattern", "meant"), REFERENCES)
def test_references(pattern: str, meant: tuple[str, str] | None) -> None:
    assert with_reference(pattern, "{URL}") == meant
    assert meant is None or compile_pattern(meant[1], ignore_case=True)
