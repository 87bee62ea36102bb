"""Existing files that rewrite rules take away from the static file handler."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..catalogue import finding
from ..config.diagnostics import Finding
from ..decision import ServeFile
from ..files import UNWATCHED
from ..http.request import make_request
from ..http.url import UrlRefused, encode_path
from ..modules import handlers as handler_mappings
from ..modules import static_file
from ..rewrite import compose
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from ..trace import Trace

#: Files that people link to; a rule that takes them away is worth a word.
_LINKED = re.compile(
    r"(?:image|font|video|audio)/|text/(?:css|html|javascript)|application/(?:javascript|x-javascript|font)"
)
#: Files looked at in one site at most.
MAX_FILES = 2000


def findings(site: Site) -> Iterator[Finding]:
    """Rules that take an existing file, of a kind that pages link to, away from the static file
    handler.
    """
    hidden: dict[str, tuple[Rule, list[str]]] = {}
    for path in linked_files(site):
        try:
            request = make_request(encode_path(path))
        except UrlRefused:
            continue
        effective = site.effective(path)
        chosen = effective.view(handler_mappings.table).choose(path, "GET", None)
        if chosen is None or "StaticFileModule" not in chosen[0].modules:
            continue  # without any rule it would not be served as a file either
        trace = Trace()
        decision = site.decide(request, trace)
        if (
            isinstance(decision.action, ServeFile)
            or not decision.rules
            or decision.action.kind == "redirect"
        ):
            continue
        rule = _named(site, path, decision.rules[-1])
        if rule is not None and not (
            rule.action.url and compose.is_foreign(rule.action.url.source)
        ):
            hidden.setdefault(str(rule.span), (rule, []))[1].append(path)
    for rule, names in hidden.values():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield finding(
            "rewrite-hides-file",
            rule.span,
            rule=rule.name,
            files=f"{names[0]}{more}",
        )


def _named(site: Site, path: str, name: str) -> Rule | None:
    return next(
        (rule for rule in site.effective(path).view(inbound).rules if rule.name == name), None
    )


def linked_files(site: Site) -> Iterator[str]:
    """The URL paths of a site's files of those kinds, MAX_FILES at most."""
    count = 0
    for directory in site.layout.directories:
        for folder, names, files in os.walk(directory.view.root):
            names[:] = sorted(
                name
                for name in names
                if name.lower() not in UNWATCHED | {"templates"} and not name.startswith(".")
            )
            base = directory.path + folder[len(directory.view.root) :].replace(os.sep, "/")
            for file in sorted(files):
                path = f"{base}/{file}"
                mime_type = site.effective(path).view(static_file.compiled).mime_type(file)
                if mime_type and _LINKED.match(mime_type):
                    count += 1
                    if count > MAX_FILES:
                        return
                    yield path
