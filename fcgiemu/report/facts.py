"""Facts about IIS that code and tests rely on, each with its grade, from ``facts.toml``, and the
switches for what nobody knows: text, Markdown (docs/facts.md) and JSON.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import Any

from ..rewrite.inferred_behaviours import POLICY

#: From the strongest to the weakest; a fact counts under the strongest that its grade names.
GRADES = ("measured", "documented", "seen in code", "inferred")

_ABOUT = """\
# Facts about IIS

What the tests and the code rely on, in our own words, with the grade of each: **measured** on a
real server (by people who published what they asked and what came back, or in failed-request
traces), **documented** by Microsoft (documentation, its developers' articles, the schema files
that IIS loads), **seen in code** (public code of Microsoft or others that works with IIS),
**inferred** from the others. A measured fact wins over a documented one. An inferred fact about
URL Rewrite is a switch, at the end of this page; elsewhere the grade stands in a comment where
the fact is used. The last column counts what a fact was compared with and agrees with: genuine
failed-request traces, requests that somebody asked a real server and published or that the
documentation answers (cases), and public reports of what IIS did to a site.
`fcgiemu support --facts [TEXT]` shows the same.

Found something else on your server? A failed-request trace of one request (`fcgiemu freb FILE
--site SITE`) settles most of these.
"""
_SWITCHES = """
## Switches of URL Rewrite

| switch | value | decides | settled by |
| --- | --- | --- | --- |
"""
_END = """
The rest of a topic stands beside what it does: [pipeline](pipeline.md), [URL
Rewrite](url-rewrite.md), [FastCGI](fastcgi.md), [modules](modules.md), [serve](serve.md).
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact under its topic; ``grade`` names one or more of GRADES. ``evidence`` says with how
    many genuine traces, published measurements (cases) and public reports it agrees: "1 trace, 4
    cases"; empty where that was not counted.
    """

    topic: str
    text: str
    grade: str
    evidence: str = ""

    @property
    def strongest(self) -> str:
        """The strongest grade that it has."""
        return next(grade for grade in GRADES if grade in self.grade)


@dataclass(frozen=True, slots=True)
class Switch:
    """An inferred behaviour of URL Rewrite, its value, and the evidence that would settle it."""

    name: str
    value: str
    decides: str
    settled_by: str


def facts() -> Iterator[Fact]:
    """Every fact in the order of the file."""
    text = (resources.files(__package__) / "facts.toml").read_text(encoding="utf-8")
    for topic in tomllib.loads(text)["topic"]:
        for fact in topic["facts"]:
            yield Fact(topic["title"], *fact)


def switches() -> Iterator[Switch]:
    """Every switch of RewritePolicy."""
    for field in fields(POLICY):
        value = getattr(POLICY, field.name)
        shown = ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)
        yield Switch(field.name, shown, field.metadata["decides"], field.metadata["settled_by"])


def counts() -> dict[str, int]:
    """Grade -> facts that have it as their strongest."""
    found = Counter(fact.strongest for fact in facts())
    return {grade: found[grade] for grade in GRADES}


def text(query: str = "") -> str:
    """The facts and switches that hold ``wanted``, in any case, below the counts of all."""
    held = query.lower()
    lines = [", ".join(f"{number} {grade}" for grade, number in counts().items())]
    topic = ""
    for fact in facts():
        if held in f"{fact.topic} {fact.text} {fact.grade}".lower():
            if fact.topic != topic:
                topic = fact.topic
                lines += ["", topic]
            lines.append(f"  {fact.text} [{': '.join(filter(None, (fact.grade, fact.evidence)))}]")
    shown = [one for one in switches() if held in f"{one.name} {one.decides}".lower()]
    if shown:
        lines += ["", "Switches of URL Rewrite: inferred"]
    for one in shown:
        lines.append(f"  {one.name} = {one.value}: {one.decides}")
        lines.append(f"    settled by: {one.settled_by}")
    return "\n".join(lines)


def markdown() -> str:
    """docs/facts.md."""
    lines = [_ABOUT]
    topic = ""
    for fact in facts():
        if fact.topic != topic:
            topic = fact.topic
            lines.append(f"\n## {topic}\n\n| fact | grade | agrees with |\n| --- | --- | --- |\n")
        lines.append(f"| {fact.text} | {fact.grade} | {fact.evidence} |\n")
    lines.append(_SWITCHES)
    for one in switches():
        lines.append(f"| `{one.name}` | `{one.value}` | {one.decides} | {one.settled_by} |\n")
    return "".join([*lines, _END])


def as_json() -> dict[str, Any]:
    """The counts, facts and switches."""
    return {
        "counts": counts(),
        "facts": [{**asdict(fact), "strongest": fact.strongest} for fact in facts()],
        "switches": [asdict(one) for one in switches()],
    }
