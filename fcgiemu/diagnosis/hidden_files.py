"""Existing files that rewrite rules take away from the static file handler."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..decision import CallIisnode, Respond, ServeFile
from ..files import UNWATCHED
from ..http.request import make_request
from ..http.url import UrlRefused, encode_path
from ..modules import handlers as handler_mappings
from ..modules import static_file
from ..programs import iisnode
from ..rewrite import targets
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from ..trace import Trace
from .rewrite_conditions import is_always
from .rewrite_targets import is_inverted

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
    taken: dict[str, tuple[str, Effective, list[str]]] = {}
    for path in linked_files(site):
        try:
            request = make_request(encode_path(path))
        except UrlRefused:
            continue
        effective = site.effective(path)
        chosen = effective.view(handler_mappings.table).choose(path, "GET", None)
        if chosen is None or "StaticFileModule" not in chosen[0].modules:
            if chosen is not None and chosen[0].path == "*" and chosen[0].origin:
                taken.setdefault(chosen[0].name, (chosen[0].origin, effective, []))[2].append(path)
            continue  # without any rule it would not be served as a file either
        trace = Trace()
        decision = site.decide(request, trace)
        if (
            isinstance(decision.action, ServeFile)
            and _is_meant(path, decision.action.entry.path)
            or not decision.rules
            or decision.action.kind == "redirect"
            or isinstance(decision.action, Respond)
            and decision.action.status >= 500
            or _is_served_elsewhere(site, path)
            or path.lower().endswith((".ts", ".mts"))  # TypeScript, which has the type of a video
            or _begins_with_a_folder(site, path, decision.rules)
            or isinstance(decision.action, CallIisnode)
            and _is_of_its_log(site, path, decision.action)
        ):
            continue
        rule = _named(site, path, decision.rules[-1])
        if rule is not None and _may_hide(rule):
            hidden.setdefault(str(rule.span), (rule, []))[1].append(path)
    for rule, names in hidden.values():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield finding(
            f"rewrite-hides-file/{_form(rule)}" if _form(rule) else "rewrite-hides-file",
            rule.span,
            rule=rule.name,
            files=f"{names[0]}{more}",
        )

    for name, (origin, effective, paths) in taken.items():
        yield from _taken(name, origin, effective, paths)


def _taken(name: str, origin: str, effective: Effective, paths: list[str]) -> Iterator[Finding]:
    """That a handler for every path also gets the requests for files."""
    for item in effective.section(handler_mappings.SECTION).items:
        if item.text("name") == name and str(item.span) == origin:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            yield finding(
                "handler-takes-files",
                item.span,
                handler=name,
                path=item.text("path"),
                files=f"{paths[0]}{more}",
                remove=f"<remove name={quoteattr(name)} />",
            )


def _is_served_elsewhere(site: Site, path: str) -> bool:
    """Whether another URL serves the file: a rule leads to its folder, as public{REQUEST_URI}."""
    entry, parts = site.find(path), path.strip("/").split("/")
    for start in range(1, len(parts)):
        other = site.decide(make_request(encode_path("/" + "/".join(parts[start:])))).action
        if isinstance(other, ServeFile) and entry is not None and other.entry.path == entry.path:
            return True
    return False


#: A target that is the whole URL below a folder: public{REQUEST_URI}.
_BELOW = re.compile(r"(?i)/?[\w-]+/?\{(?:REQUEST_URI|PATH_INFO|URL|R:[01])\}$")


def _begins_with_a_folder(site: Site, path: str, names: Sequence[str]) -> bool:
    """Whether rules first lead every URL into the folder of what is public: files beside it are
    hidden on purpose.
    """
    first = _named(site, path, names[0])
    return (
        len(names) > 1
        and first is not None
        and not first.conditions
        and first.action.url is not None
        and _BELOW.match(first.action.url.source) is not None
    )


def _is_of_its_log(site: Site, path: str, action: CallIisnode) -> bool:
    """Whether iisnode has written a file: its log is not meant for visitors."""
    return Path(site.local_path(path)).is_relative_to(iisnode.log_folder(site, action))


#: Pages that stand for a whole site while it is down.
_DOWN = re.compile(r"(?i)maint|offline|down|wartung|construct|soon|503|closed|unavailable")


def _is_meant(path: str, served: str) -> bool:
    """Whether a file is served in the place of another that is meant to stand for it: of the same
    name, in another folder or format.
    """
    return _stem(path) == _stem(served)


def _stem(path: str) -> str:
    return os.path.basename(path).partition(".")[0].lower()


def _may_hide(rule: Rule) -> bool:
    """Whether a rule gives its URLs to something that is not meant to stand for the file."""
    if (
        is_inverted(rule)
        or is_always(rule)
        or _DOWN.search(rule.action.url.source if rule.action.url else "")
    ):
        return False  # said already, or on purpose
    is_foreign = rule.action.url and targets.is_foreign(rule.action.url.source)
    by_client = any(
        re.search(r"(?i)\{(?:HTTP_|REMOTE_)", condition.input.source)
        for condition in rule.conditions
    )
    return rule.action.type == "Rewrite" and not is_foreign and not by_client


def _form(rule: Rule) -> str:
    """The form of the remedy: a condition that is there already need not be added."""
    tests = [condition for condition in rule.conditions if condition.match_type == "IsFile"]
    if any(condition.negate for condition in tests):
        return "any" if rule.match_any else "earlier"
    return "inverted" if tests else ""


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
                mime_type = site.effective(path).view(static_file.static_content).mime_type(file)
                if mime_type and _LINKED.match(mime_type):
                    count += 1
                    if count > MAX_FILES:
                        return
                    yield path
