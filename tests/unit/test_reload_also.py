"""Globs of files that restart workers here and not on IIS."""

from __future__ import annotations

import pytest

from fcgiemu.reload import RELOAD_ALSO, also_pattern

#: Globs, a path relative to the application, whether it is meant.
CASES: list[tuple[tuple[str, ...], str, bool]] = [
    (RELOAD_ALSO, "templates/a.html", True),
    (RELOAD_ALSO, "shop/Templates/mail/a.txt", True),
    (RELOAD_ALSO, "mytemplates/a.html", False),
    (RELOAD_ALSO, "templates", False),
    (RELOAD_ALSO, "static/a.css", False),
    (("*.json",), "a.json", True),
    (("*.json",), "data/a.json", False),
    (("/data/*.json", "x?.txt"), "data/a.json", True),
    (("/data/*.json", "x?.txt"), "x1.txt", True),
    (("a+b.txt",), "a+b.txt", True),
    (("a+b.txt",), "aab.txt", False),
]


@pytest.mark.parametrize(("globs", "path", "is_meant"), CASES)
def test_globs(globs: tuple[str, ...], path: str, is_meant: bool) -> None:
    pattern = also_pattern(globs)
    assert pattern is not None
    assert (pattern.match(path) is not None) == is_meant


@pytest.mark.parametrize("globs", [(), ("",), (" ",)])
def test_none(globs: tuple[str, ...]) -> None:
    assert also_pattern(globs) is None
