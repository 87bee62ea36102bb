"""Paths of the site that a pattern takes because a dot in it is not escaped: ``.html$`` is found at
the end of ``xhtml`` too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..files import UNWATCHED
from ..rewrite.regex import PatternError, compile_pattern
from ..rewrite.rule import Rule
from ..site import Site
from .decisions import decided
from .rule_patterns import with_dots

#: Files and folders that are looked at, at most.
_MOST = 2000


def findings(site: Site, own: Sequence[Rule]) -> Iterator[Finding]:
    """Findings about the rules ``own`` of a file."""
    doubtful = {id(rule): meant for rule in own if (meant := with_dots(rule))}
    paths = list(islice(_paths(site), _MOST)) if doubtful else []
    for rule in own if paths else ():
        meant = doubtful.get(id(rule), "")
        path = next(_taken(site, rule, meant, paths), None) if meant else None
        if path is not None:
            yield finding(
                "rewrite-takes-files/dot",
                rule.span,
                rule=rule.name,
                pattern=rule.pattern,
                path=path,
                meant=meant,
            )


def _taken(site: Site, rule: Rule, meant: str, paths: Sequence[str]) -> Iterator[str]:
    """The paths that a rule is applied to and that do not match the pattern that was meant."""
    try:
        fits = compile_pattern(meant, rule.ignore_case).search
    except PatternError:
        return
    for path in paths:
        below = path[len(rule.base) + 1 :]
        is_near = path.startswith(f"{rule.base}/") and rule.matcher is not None
        if is_near and rule.matcher and rule.matcher(below) and not fits(below):
            decision = decided(site, path)
            if decision is not None and rule.name in decision.rules:
                yield path


def _paths(site: Site) -> Iterator[str]:
    """The URL paths of the files and folders of the site."""
    root = str(site.path)
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name.lower() not in UNWATCHED)
        base = folder[len(root) :].replace(os.sep, "/")
        for name in (*names, *sorted(files)):
            yield f"{base}/{name}"
