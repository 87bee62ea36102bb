"""Rewrites that a later rule replaces: followed with ``decide``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from . import sample_requests
from .rule_kinds import is_fallback, is_universal

#: A target that is a file, as {R:1}.php: a made-up URL names none, and one that is not here may be
#: made by a build. handler.fcgi/{R:0} is the URL of a program.
_NAMED_FILE = re.compile(r"[^?]*\.\w+(?:\?|$)")


def findings(site: Site, effective: Effective, own: Sequence[Rule]) -> Iterator[Finding]:
    """Rules of a file whose result a later fallback takes for the URL of no file. Where the later
    one has no condition, ``rules`` has said so; one for every URL prepares it for the fallback.
    """
    everything = effective.view(inbound).rules
    fallbacks = {rule.name: rule for rule in everything if is_fallback(rule) and is_universal(rule)}
    for rule in own if fallbacks else ():
        is_prepared = is_universal(rule) or rule.page_rule is not None
        if rule.action.url is not None and _NAMED_FILE.match(rule.action.url.source):
            continue
        if rule.action.type != "Rewrite" or rule.stop_processing or is_prepared:
            continue
        request = next(sample_requests.requests(rule), None)
        applied = site.decide(request).rules if request is not None else ()
        if rule.name in applied[:-1] and (later := fallbacks.get(applied[-1])):
            yield finding(
                "rewrite-overwritten/fallback",
                rule.span,
                rule=rule.name,
                later=later.name,
                where=later.span,
            )
