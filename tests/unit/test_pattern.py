"""Wildcard and ExactMatch patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcgiemu.rewrite.pattern import compile_matcher


@pytest.mark.parametrize(
    ("pattern", "text", "captures"),
    [
        ("*/*.html", "contoso/test.html", ("contoso/test.html", "contoso", "test")),
        ("*.*", "logo.jpg", ("logo.jpg", "logo", "jpg")),
        ("*bar*.aspx", "foobargoo.aspx", ("foobargoo.aspx", "foo", "goo")),
        ("*", "", ("", "")),
        ("blog", "blogger", None),
        ("BLOG*", "blog/x", ("blog/x", "/x")),
        ("a?c", "abc", None),
        ("a*a", "a", None),
        ("x**y", "xzy", ("xzy", "", "z")),
        ("*{C:1}*", "a{C:1}b", ("a{C:1}b", "a", "b")),
    ],
)
def test_wildcard(pattern: str, text: str, captures: tuple[str, ...] | None) -> None:
    assert compile_matcher(pattern, "Wildcard", True)(text) == captures


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_wildcard_equals_lazy_groups(pattern: str, text: str) -> None:
    found = re.fullmatch("".join("(.*?)" if char == "*" else char for char in pattern), text)
    assert compile_matcher(pattern, "Wildcard", False)(text) == (
        None if found is None else (found[0], *found.groups())
    )


def test_many_stars_cost_no_more_than_one() -> None:
    assert compile_matcher("*a" * 200 + "*b", "Wildcard", True)("a" * 5000) is None


def test_exact() -> None:
    match = compile_matcher("a.b", "ExactMatch", True)
    assert match("A.B") == ("A.B",) and match("axb") is None and match("a.b/") is None
