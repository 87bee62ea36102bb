"""The linear engine: it finds what ``re`` finds, and bombs end soon."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcgiemu.rewrite.automaton import Automaton, Inexpressible, OutOfBudget, SearchBudget
from fcgiemu.rewrite.cost import cost
from fcgiemu.rewrite.dialect import END, parse
from fcgiemu.rewrite.inferred_behaviours import POLICY
from fcgiemu.rewrite.pattern_parts import required_prefix
from fcgiemu.rewrite.regex import Pattern, TooComplex

ATOMS = st.sampled_from(
    ["a", "b", "ab", ".", "[ab]", "[^a]", r"\w", "(a)", "(?:ab)", "(a|b)", "(|a)", "(b+)", "-"]
)
ASSERTIONS = st.sampled_from(["^", "$", r"\b", r"\B", "(?=a)", "(?!b)", "(?=(a|b))"])
QUANTIFIERS = st.sampled_from(["", "", "*", "+", "?", "*?", "+?", "{2}", "{1,2}", "{0,2}?"])


@st.composite
def patterns(draw: st.DrawFn) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.integers(0, 4)) == 0:
            parts.append(draw(ASSERTIONS))
        else:
            atom = draw(ATOMS)
            parts.append((f"(?:{atom})" if len(atom) > 1 else atom) + draw(QUANTIFIERS))
    text = "".join(parts)
    return (
        f"(?:{text}){draw(st.sampled_from(['*', '+', '?', '']))}" if draw(st.booleans()) else text
    )


def spans(pattern: str, text: str) -> list[int] | None:
    parsed = parse(pattern)
    found = re.compile(parsed.python.replace(END, "$"), re.ASCII | re.MULTILINE).search(text)
    return None if found is None else [at for n in range(parsed.groups + 1) for at in found.span(n)]


@settings(max_examples=500, deadline=None)
@given(patterns(), st.text("ab-\n", max_size=8))
def test_it_finds_what_re_finds(pattern: str, text: str) -> None:
    parsed = parse(pattern)
    automaton = Automaton(parsed.part, parsed.groups, False)
    wanted = spans(pattern, text)
    try:
        assert automaton.captures(text, SearchBudget(100_000)) == wanted
        if not automaton.has_lookaheads:
            assert automaton.exists(text, SearchBudget(100_000)) == (wanted is not None)
    except OutOfBudget:
        return


BOMBS = [
    "^(a|a)*$",
    "^(a+)+$",
    "(a*)*b",
    "^(a|aa)+$",
    "(.*)*x",
    "(x+x+)+y",
    ".*.*.*.*=x",
    "(?=(a+)+b)",
    "^(?!(a+)+$)",
    "(a|b|ab)*c",
    r"(\w+\s?)+$",
    "(?:(?:a?)*)*b",
    "(a{1,20}){1,20}b",
]


@pytest.mark.parametrize("pattern", BOMBS)
@pytest.mark.parametrize("text", ["a" * 40 + "!", "a" * 2000 + "!"], ids=["short", "long"])
def test_a_bomb_takes_little_work(pattern: str, text: str) -> None:
    """Counted, not timed: the units of work of one search."""
    parsed = parse(pattern)
    automaton = Automaton(parsed.part, parsed.groups, False)
    budget = SearchBudget(POLICY.regex_work)
    if automaton.has_lookaheads:
        automaton.captures(text, budget)
    elif not automaton.exists(text, budget):
        automaton.steps(text, POLICY.regex_step_limit, budget)
    assert budget.left >= 0


@pytest.mark.parametrize(
    ("pattern", "text", "gives_up"),
    [
        ("^(a+)+$", "a" * 24 + "!", False),
        ("^(a+)+$", "a" * 40 + "!", True),
        ("^(a+)+$", "a" * 4000, False),
        ("^(.*)/(.*)/(.*)$", "/".join("abcdefgh" * 40), False),
        ("^([^/]+)/([^/]+)/([^/]+)/?$", "a" * 4000 + "/b/c", False),
        ("^(?!.*admin)(.*)$", "x" * 4000, False),
    ],
)
def test_what_iis_gives_up(pattern: str, text: str, gives_up: bool) -> None:
    if gives_up:
        with pytest.raises(TooComplex):
            Pattern(pattern, False).search(text)
    else:
        Pattern(pattern, False).search(text)


def test_steps_are_what_backtracking_takes() -> None:
    parsed = parse("^(a|a)*$")
    automaton = Automaton(parsed.part, parsed.groups, False)
    ways = sum(2**count for count in range(1, 11))
    assert automaton.steps("a" * 10 + "!", 10**9, SearchBudget(10**6)) == ways


def test_a_pattern_that_never_ends_gets_less(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = Pattern("^(?!(a|ab|b)*c)(a|ab|b)*x", False)
    text = "ab" * 20
    assert pattern.search(text) is None
    monkeypatch.setattr("fcgiemu.rewrite.regex.POLICY", replace(POLICY, regex_work=20))
    for _ in range(10):
        with pytest.raises(TooComplex):
            pattern.search(text)
    monkeypatch.undo()
    monkeypatch.undo()
    assert pattern.search("ab") is None  # what ends in time is answered, and trusted again
    for _ in range(10):
        pattern.search("ab")
    assert pattern.search(text) is None


def test_back_references_are_not_expressible() -> None:
    parsed = parse(r"(a)\1")
    with pytest.raises(Inexpressible):
        Automaton(parsed.part, parsed.groups, False)
    assert Pattern(r"^(a+)+\1$", False).search("a" * 300) is not None


@pytest.mark.parametrize(
    ("pattern", "powers", "linear", "ways"),
    [
        ("^([^/]+)/([^/]+)/(.*)$", 0, 1, 0),
        ("^(.*)/(.*)$", 1, 1, 0),
        ("^a(.*)", 0, 0, 0),
        ("^(a|b)c", 0, 0, 0),
        ("^(a|ab)c", 0, 0, 1),
        ("^(?:[^/]+/)*/x", 0, 1, 0),
    ],
)
def test_cost(pattern: str, powers: int, linear: int, ways: float) -> None:
    found = cost(parse(pattern).part, True)
    assert (found.powers, found.linear, found.ways) == (powers, linear, ways)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("^old/page-1(/.*)?$", "old/page-1"),
        (r"^a\.b/?$", "a.b"),
        ("^ab*", "a"),
        ("^a|b", ""),
        ("ab", ""),
        ("^(a)", ""),
        ("^", ""),
    ],
)
def test_required_prefix(pattern: str, prefix: str) -> None:
    assert required_prefix(parse(pattern).part) == prefix
