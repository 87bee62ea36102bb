"""One mistake, one finding: what follows from it is not said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import rules, write

PAGE = {"index.html": "", "css/site.css": ""}


def rule(conditions: str, action: str) -> str:
    return (
        '<rule name="r" stopProcessing="true"><match url="(.*)" />'
        f"<conditions>{conditions}</conditions><action {action} /></rule>"
    )


REWRITE, SECURE = (
    'type="Rewrite" url="/index.html"',
    'type="Redirect" url="https://{HTTP_HOST}/{R:1}"',
)
FILE = '<add input="{REQUEST_FILENAME}" matchType="IsFile" />'

#: Files, a rule, and all codes that it gets.
ALONE: dict[str, tuple[Mapping[str, str], str, list[str]]] = {
    "a condition that always holds, and a loop": (
        {},
        rule('<add input="{HTTPS}" pattern="^ON$" ignoreCase="false" negate="true" />', SECURE),
        ["rewrite-impossible-condition"],
    ),
    "a file and a folder at once, and an inverted test": (
        PAGE,
        rule(FILE + FILE.replace("IsFile", "IsDirectory"), REWRITE),
        ["rewrite-impossible-condition"],
    ),
    "a path of the disk, and hidden files": (
        PAGE,
        rule('<add input="{REQUEST_FILENAME}" pattern="/css/" negate="true" />', REWRITE),
        ["rewrite-impossible-condition"],
    ),
    "a pattern that is refused, its dot and its star": (
        {},
        rule('<add input="{HTTP_HOST}" pattern="*.example.com" />', SECURE),
        ["rewrite-bad-pattern"],
    ),
    "a pattern of a rule that is refused": (
        {},
        '<rule name="r"><match url="*.php" /><action type="Redirect" url="/b" /></rule>',
        ["rewrite-bad-pattern"],
    ),
    "hidden files alone": (PAGE, rule("", REWRITE), ["rewrite-hides-file"]),
    "an inverted test alone": (PAGE, rule(FILE, REWRITE), ["rewrite-inverted-test"]),
    "a loop alone": (
        {},
        rule('<add input="{HTTPS}" pattern="^on$" />', SECURE),
        ["redirect-loop"],
    ),
    "a dot alone": (
        {},
        rule(
            '<add input="{HTTP_HOST}" pattern="^a.example.com$" />',
            'type="Redirect" url="https://b.example/"',
        ),
        ["rewrite-unescaped-dot"],
    ),
}


@pytest.mark.parametrize(("files", "inner", "codes"), ALONE.values(), ids=list(ALONE))
def test_one_mistake_is_one_finding(
    tmp_path: Path, files: Mapping[str, str], inner: str, codes: list[str]
) -> None:
    write(tmp_path, {**files, "web.config": rules(inner)})
    assert [one.code for one in check(Site(tmp_path))] == codes
