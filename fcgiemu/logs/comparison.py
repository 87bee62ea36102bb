"""A comparison of two versions over many requests: what reports show, and what parts exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..errors import SiteError
from ..rewrite.compiler import inbound
from ..site import Site
from .inputs import Inputs, configurations
from .results import Section, Totals, totals
from .store import SECTIONS, Facts

_KIND = "fcgiemu diff part"
_VERSION = 1
_AGAIN = "Write all parts again with the same version of fcgiemu, configurations and options."


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What was compared, and what was found."""

    totals: Totals
    facts: Facts
    #: Optional column that decides -> what reads it.
    reasons: dict[str, list[str]] = field(default_factory=dict)
    #: What is read though no log holds it.
    lacking: list[str] = field(default_factory=list)
    #: Rules of the new version -> where they stand.
    rules: dict[str, str] = field(default_factory=dict)
    #: Notes about the input.
    notes: list[str] = field(default_factory=list)
    #: Whether every request of the logs was decided.
    complete: bool = True

    @property
    def unused(self) -> dict[str, str]:
        """Rules that no request has hit, but those that read what the log lacks."""
        return {
            name: place
            for name, place in self.rules.items()
            if name not in self.totals.new_hits and not self.reads_what_lacks(name)
        }

    @property
    def removable(self) -> dict[str, str]:
        """Rules that were hit though every request goes the same way without them."""
        return {
            name: place
            for name, place in self.rules.items()
            if name in self.totals.new_hits
            and name not in self.totals.needed
            and not self.reads_what_lacks(name)
        }

    def reads_what_lacks(self, name: str) -> bool:
        """Whether a rule reads something that no log holds."""
        return any(lack.startswith(f"rule '{name}' (") for lack in self.lacking)

    @property
    def parity(self) -> tuple[int, int]:
        """Requests whose status is known on both sides, and those where it is alike."""
        values = self.totals.parity.values()
        return sum(pair[0] for pair in values), sum(pair[1] for pair in values)


def rules_of(site: Site) -> dict[str, str]:
    """The inbound rules of a site with their places, in order."""
    found: dict[str, str] = {}
    for effective in configurations(site):
        rules = effective.view(inbound)
        for rule in (*rules.global_rules, *rules.rules):
            found.setdefault(rule.name, str(rule.span))
    return found


# -- parts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Which part this is of how many; ``fingerprint`` says what was compared."""

    number: int
    parts: int
    fingerprint: str


def write_part(path: Path, part: Part, comparison: Comparison, sections: Iterator[Section]) -> None:
    """Write what was found in the logs of a part: JSON Lines, a head and every section."""
    head = {
        "kind": _KIND,
        "version": _VERSION,
        "part": [part.number, part.parts],
        "fingerprint": part.fingerprint,
        "facts": comparison.facts.as_json(),
        "reasons": comparison.reasons,
        "lacking": comparison.lacking,
        "rules": comparison.rules,
        "notes": comparison.notes,
        "complete": comparison.complete,
    }
    partial = path.with_name(path.name + ".tmp")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(head) + "\n")
        for section in sections:
            stream.write(json.dumps(section.as_json()) + "\n")
    partial.replace(path)


def merged(paths: Sequence[Path]) -> Comparison:
    """The parts of several machines together. Raises SiteError."""
    with ExitStack() as stack:
        streams = [stack.enter_context(_opened(path)) for path in paths]
        heads = [_head(path, stream) for path, stream in zip(paths, streams, strict=True)]
        if not heads:
            raise SiteError("There is no part to merge.", "Name the files that --part has written.")
        missing = _check(paths, heads)
        found = totals(
            _together([_section(path, stream) for path, stream in zip(paths, streams, strict=True)])
            for _ in range(SECTIONS)
        )
    facts = Facts()
    notes: list[str] = []
    for head in heads:
        facts.add(Facts.of_json(head["facts"]))
        notes += (note for note in head["notes"] if note not in notes)
    first = heads[0]
    if missing:
        notes.append(f"missing parts: {', '.join(map(str, missing))} of {first['part'][1]}")
    complete = not missing and all(head["complete"] for head in heads)
    return Comparison(
        totals=found,
        facts=facts,
        reasons=first["reasons"],
        lacking=first["lacking"],
        rules=first["rules"],
        notes=sorted(notes),
        complete=complete,
    )


def _opened(path: Path) -> IO[str]:
    try:
        return path.open(encoding="utf-8")
    except OSError as error:
        raise SiteError(f"{path} cannot be read: {error.strerror}.") from error


def _head(path: Path, stream: IO[str]) -> dict[str, Any]:
    try:
        head = json.loads(stream.readline())
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("kind") != _KIND:
        raise SiteError(f"{path} is not a part.", "Name the files that diff --part has written.")
    if head["version"] != _VERSION:
        raise SiteError(f"{path} is of another version of fcgiemu.", _AGAIN)
    return head


def _check(paths: Sequence[Path], heads: Sequence[dict[str, Any]]) -> list[int]:
    """The numbers of parts that are not there. Raises SiteError where parts do not belong
    together.
    """
    known: dict[int, Path] = {}
    for path, head in zip(paths, heads, strict=True):
        number, parts = head["part"]
        if head["fingerprint"] != heads[0]["fingerprint"] or parts != heads[0]["part"][1]:
            raise SiteError(f"{path} compares something else than {paths[0]}.", _AGAIN)
        if number in known:
            raise SiteError(
                f"{path} and {known[number]} are both part {number}.", "Name each part once."
            )
        known[number] = path
    return [number for number in range(1, heads[0]["part"][1] + 1) if number not in known]


def _section(path: Path, stream: IO[str]) -> Section:
    line = stream.readline()
    try:
        return Section.of_json(json.loads(line))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SiteError(f"{path} is cut short or damaged.", "Write this part again.") from error


def _together(sections: Sequence[Section]) -> Section:
    first, *others = sections
    for other in others:
        first.add(other)
    return first


def of_sections(sections: Iterator[Section], facts: Facts, inputs: Inputs, new: Site) -> Comparison:
    """A comparison from its sections, in their order."""
    return Comparison(
        totals=totals(sections),
        facts=facts,
        reasons=inputs.reasons,
        lacking=inputs.lacking,
        rules=rules_of(new),
    )
