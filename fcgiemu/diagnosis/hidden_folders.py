"""Pages of folders that a fallback takes away: the URL of a folder is that of no file, so a rule
for what is not a file takes it before its default document is looked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial

from ..catalogue import filled
from ..catalogue.findings import Finding
from ..files import UNWATCHED
from ..modules.default_document import documents
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from .decisions import decided
from .file_handlers import listed
from .rule_kinds import is_universal
from .tried_remedies import Remedy, first_that_works

#: Folders that are looked at, at most.
_MOST = 500
#: Folders with pages that no visitor asks for by their name.
_SOURCES = re.compile(
    r"(?i)/(?:src|source|public|dist|build|out|app|views?|templates?|layouts?|partials?|components?"
    r"|tests?|spec|coverage|vendor|packages|bower_components|lib|bin|obj|resources|storage|config"
    r"|app_data|app_code|client|server|wwwroot|www|web|e2e|examples?|includes?|cgi-bin)(?=/|$)"
)
#: A page that stands for the whole site.
_PAGE = re.compile(r"(?i)[\w./-]*\.(?:html?|php|aspx)$")
_NO_FOLDER = '<add input="{REQUEST_FILENAME}" matchType="IsDirectory" negate="true" />'


def findings(site: Site) -> Iterator[Finding]:
    """Fallbacks that take the URLs of folders with a page of their own; one finding a rule."""
    hidden: dict[str, tuple[Rule, list[str]]] = {}
    for folder in _folders(site):
        effective = site.effective(folder)
        rules = [rule for rule in effective.view(inbound).rules if _may_hide(rule)]
        page = next(filter(site.find, (folder + name for name in documents(effective))), "")
        if not rules or not page:
            continue
        decision = decided(site, folder)
        applied = decision.rules[-1:] if decision is not None else ()
        rule = next((rule for rule in rules if (rule.name,) == applied), None)
        if rule is not None and not _leads_to(rule, page):
            hidden.setdefault(str(rule.span), (rule, []))[1].append(folder)
    for rule, folders in hidden.values():
        yield _hides(site, rule, folders)


def _may_hide(rule: Rule) -> bool:
    """Whether a rule is a fallback to one page that looks for files alone."""
    tests = [one for one in rule.conditions if one.match_type != "Pattern" and one.negate]
    url = rule.action.url.source if rule.action.url is not None else ""
    return (
        rule.action.type == "Rewrite"
        and is_universal(rule)
        and not rule.match_any
        and {one.match_type for one in tests} == {"IsFile"}
        and _PAGE.match(url.partition("?")[0].partition("/{")[0]) is not None
    )


def _leads_to(rule: Rule, page: str) -> bool:
    url = rule.action.url.source if rule.action.url is not None else ""
    return (url if url.startswith("/") else f"{rule.base}/{url}").lower() == page.lower()


def _hides(site: Site, rule: Rule, folders: Sequence[str]) -> Finding:
    """A rule that hides the pages of folders, with the remedy that has the first of them shown."""
    change = f"inside(conditions)={_NO_FOLDER}"
    remedies = [
        Remedy("rewrite-hides-folder", {}, ((change, rule.span),)),
        Remedy("rewrite-hides-folder/other"),
    ]
    chosen = first_that_works(site, remedies, partial(_is_left, folders[0], rule))
    return filled(chosen.form, {"rule": rule.name, "folders": listed(folders)}, rule.span)


def _is_left(folder: str, rule: Rule, site: Site) -> bool:
    """Whether a rule leaves the URL of a folder alone."""
    decision = decided(site, folder)
    return decision is not None and rule.name not in decision.rules


def _folders(site: Site) -> Iterator[str]:
    """The URL paths of the site's folders, each with a slash at its end; _MOST at most."""
    count = 0
    for directory in site.layout.directories:
        root = str(directory.view.root)
        for place, names, _ in os.walk(root):
            path = directory.path + place[len(root) :].replace(os.sep, "/")
            names[:] = sorted(
                name
                for name in names
                if name.lower() not in UNWATCHED
                and name[0] not in "._"
                and not _SOURCES.match(f"/{name}")
            )
            count += 1
            if count > _MOST:
                return
            if place != root:
                yield f"{path}/"
