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
from .rule_kinds import goes_to, is_fallback, is_universal

#: A target that is a file, as {R:1}.php: a made-up URL names none, and one that is not here may be
#: made by a build. handler.fcgi/{R:0} is the URL of a program.
_NAMED_FILE = re.compile(r"[^?]*\.\w+(?:\?|$)")


#: Texts that no rule for certain URLs is for.
_ANY = ("sample", "a/b/c.d")


def findings(site: Site, effective: Effective, own: Sequence[Rule]) -> Iterator[Finding]:
    """Rules of a file whose result a later one replaces that is for every URL: a fallback takes it
    for the URL of no file, or it is a file, and the conditions of the other hold for it too. Where
    the later one has no condition, ``rules`` has said so; one for every URL prepares it for the
    fallback.
    """
    later_ones = {
        rule.name: rule
        for rule in effective.view(inbound).rules
        if rule.action.type == "Rewrite" and rule.conditions and _is_for_any(rule)
    }
    for rule in own if later_ones else ():
        is_prepared = is_universal(rule) or rule.page_rule is not None
        if rule.action.type != "Rewrite" or rule.stop_processing or is_prepared:
            continue
        url = rule.action.url.source if rule.action.url is not None else ""
        file = _file(site, rule, url)
        in_folder = not file and _may_be_a_file(site, rule, url)
        if not file and not in_folder and _NAMED_FILE.match(url):
            continue
        request = next(sample_requests.requests(rule), None)
        applied = site.decide(request).rules if request is not None else ()
        later = later_ones.get(applied[-1]) if rule.name in applied[:-1] else None
        if later is None:
            continue
        if in_folder:
            form = "folder" if _takes_files(later) else ""
        else:
            form = "file" if file else "fallback"
            form = form if file and _replaces(site, later, file) or is_fallback(later) else ""
        if not form:
            continue
        yield finding(
            f"rewrite-overwritten/{form}",
            rule.span,
            rule=rule.name,
            later=later.name,
            where=later.span,
            url=url,
        )


def _is_for_any(rule: Rule) -> bool:
    """Whether a rule's pattern takes URLs that have nothing in common."""
    matcher = rule.matcher
    return matcher is None or all((matcher(text) is not None) != rule.negate for text in _ANY)


def _file(site: Site, rule: Rule, url: str) -> str:
    """The URL path of the file that a target is; "" for another target."""
    path = url.partition("?")[0]
    full = path if path.startswith("/") else f"{rule.base}/{path}"
    entry = site.find(full) if "{" not in path else None
    return full if entry is not None and not entry.is_directory else ""


#: A target that is the rest of a URL below a folder: public/{R:0}.
_BELOW = re.compile(r"([\w./-]+)\{(?:R:\d|REQUEST_URI|URL|PATH_INFO)\}")


def _may_be_a_file(site: Site, rule: Rule, url: str) -> bool:
    """Whether a target is in a folder that is there: files in it are found, and others are left to
    the fallback.
    """
    below = _BELOW.fullmatch(url)
    folder = below[1].rstrip("/") if below else ""
    entry = site.find(folder if folder.startswith("/") else f"{rule.base}/{folder}")
    return bool(folder) and entry is not None and entry.is_directory


#: A target that is a program, which gets what is behind its name.
_PROGRAM = re.compile(r"[\w./-]+\.\w+(?:/?\{[\w:]+\})?(?:\?.*)?")


def _takes_files(later: Rule) -> bool:
    """Whether a rule gives every URL to a program or a page, those of existing files as well."""
    is_tested = any(condition.match_type != "Pattern" for condition in later.conditions)
    return not is_tested and _PROGRAM.fullmatch(goes_to(later)) is not None


def _replaces(site: Site, later: Rule, file: str) -> bool:
    """Whether the target of a later rule is another file, whatever the URL is."""
    url = later.action.url.source if later.action.url is not None else ""
    return _file(site, later, url) not in ("", file)
