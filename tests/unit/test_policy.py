"""Every inferred behaviour of URL Rewrite is a switch that something asks and that says what would
settle it; every fact has a grade, and the page of facts is made from them.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.report import facts
from fcgiemu.rewrite.inferred_behaviours import RewritePolicy

SOURCE = "".join(
    path.read_text()
    for path in (Path(__file__).parents[2] / "fcgiemu").rglob("*.py")
    if path.name != "inferred_behaviours.py"
)


@pytest.mark.parametrize("name", [field.name for field in fields(RewritePolicy)])
def test_each_policy_is_used(name: str) -> None:
    assert f"POLICY.{name}" in SOURCE


@pytest.mark.parametrize("one", list(facts.switches()), ids=lambda one: one.name)
def test_each_policy_says_what_would_settle_it(one: facts.Switch) -> None:
    assert one.decides.endswith(".")
    assert one.settled_by.endswith(".")


def test_each_fact_has_a_grade() -> None:
    for fact in facts.facts():
        assert any(grade in fact.grade for grade in facts.GRADES), fact
    assert sum(facts.counts().values()) == len(list(facts.facts()))


def test_the_page_is_made_from_them() -> None:
    page = Path(__file__).parents[2] / "docs" / "facts.md"
    assert page.read_text(encoding="utf-8") == facts.markdown(), (
        "fcgiemu support --facts --format markdown > docs/facts.md"
    )


def test_the_command_shows_what_holds_a_text() -> None:
    result = CliRunner().invoke(main, ["support", "--facts", "wildcard_lazy"])
    assert result.exit_code == 0
    assert "settled by:" in result.stdout
    assert "Configuration" not in result.stdout


def test_evidence_counts_what_a_fact_agrees_with() -> None:
    known = [fact.evidence for fact in facts.facts() if fact.evidence]
    form = r"\d+ (trace|case|report)s?(, \d+ (case|report)s?)*"
    assert known and not [text for text in known if not re.fullmatch(form, text)]
    assert not [
        text for text in known if re.search(r"\b1 \w+s\b|\b(?!1 )\d+ (trace|case|report)\b", text)
    ]
