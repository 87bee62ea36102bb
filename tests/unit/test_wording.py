"""XML's own mistakes, said in words; the names that are near."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu import catalogue
from fcgiemu.cli import main
from fcgiemu.cli.command_groups import COMMANDS
from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import rules, web_config, write

MISTAKES = [
    ('<configuration>\n<a b="x&y" />\n</configuration>', "Write &amp;"),
    ('<configuration>\n<a b="&nbsp;" />\n</configuration>', "no such entity"),
    ("<configuration>\n<<<<<<< HEAD\n<a />\n=======\n</configuration>", "markers of a merge"),
    ("<configuration>\n<a b=c />\n</configuration>", "in quotation marks"),
    ('<configuration>\n<a b="c />\n<d />\n</configuration>', "quotation mark is missing on line 2"),
    ('<configuration>\n<a b="c"" />\n</configuration>', "one too many"),
    ("<configuration>\n<!-- a -- b -->\n</configuration>", "no -- inside a comment"),
    ("<configuration>\n<!--\n-----\nx -->\n</configuration>", "no -- inside a comment"),
    ('<?xml versions="1.0"?>\n<configuration />', '<?xml version="1.0"'),
    ("<configuration />\n<configuration />", "one root element"),
    ("", "The file is empty"),
    ("---\ntitle: x\n---\n<configuration />", "front matter"),
    ('# my site\n<?xml version="1.0"?>\n<configuration />', "text before the first <"),
    (b"<configuration>\n<!-- caf\xe9 -->\n</configuration>", "Save the file as UTF-8"),
]


@pytest.mark.parametrize(("config", "words"), MISTAKES)
def test_xml(tmp_path: Path, config: str | bytes, words: str) -> None:
    (found,) = check(Site(write(tmp_path, {"web.config": config})))
    assert found.code == "config-malformed-xml" and words in found.hint


def test_maps_and_global_rules(tmp_path: Path) -> None:
    rule = (
        '<rule name="r"><match url="(.*)" /><conditions><add input="{Pagse:{URL}}" pattern="(.+)" />'
        '</conditions><action type="Rewrite" url="{C:1}" /></rule>'
    )
    maps = '<rewriteMaps><rewriteMap name="Pages"><add key="/a" value="/b" /></rewriteMap></rewriteMaps>'
    config = rules(rule).replace("</rules>", f"</rules>{maps}")
    (found,) = check(Site(write(tmp_path, {"web.config": config})))
    assert found.code == "rewrite-bad-template" and found.hint == "Did you mean Pages?"
    config = web_config("<rewrite><globalRules /></rewrite>")
    (found,) = check(Site(write(tmp_path, {"web.config": config})))
    assert found.code == "config-host-only" and found.hint.startswith("Write <rules>")


#: Idioms of ours that readers had to guess at; each has a plain word.
IDIOMS = re.compile(
    r"\b(anew|to be had|unasked|taken for|of its own making|had a say|to blame for|mid-request|"
    r"has it the other way|lies (in|below|there)|stands in for it|Where people write|Beside a server|"
    r"for want of|in vain|wants|believes|mends?|mended|[Aa] defect of fcgiemu|without a sign|"
    r"leads nowhere|(is|are) no (XML|text|Python|page|file of))\b"
)


def _help() -> Iterator[str]:
    yield CliRunner().invoke(main, ["--help"]).output
    for name in COMMANDS:
        yield CliRunner().invoke(main, [name, "--help"]).output


def _catalogue() -> Iterator[str]:
    for code in catalogue.codes():
        kind = catalogue.kind(code)
        yield kind.summary
        for form in kind.forms.values():
            yield from (form.message, form.hint)


def _messages() -> Iterator[str]:
    """The texts in the code that are sentences, or parts of some, without docstrings."""
    for path in sorted(Path(catalogue.__file__).parents[1].rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        statements = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if " " in node.value and node not in statements:
                    yield node.value


@pytest.mark.parametrize("texts", [_help, _catalogue, _messages])
def test_plain_words(texts: Callable[[], Iterator[str]]) -> None:
    found = [text for text in texts() if IDIOMS.search(" ".join(text.split()))]
    assert found == []
