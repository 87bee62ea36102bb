"""What requests for a rule's URLs come to: a folder that IIS hides, the text of a script that
nothing runs, a file with a slash behind its name, the fallback where no such file is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..decision import Redirect, ServeFile
from ..files import FileEntry, read_bounded
from ..http.request import make_request
from ..modules import handlers as handler_mappings
from ..modules import iisnode
from ..rewrite import targets
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from . import configuration_files, order_remedies, sample_requests
from .rule_kinds import (
    goes_to,
    is_fallback,
    is_for_maintenance,
    is_left_before,
    is_universal,
    stops,
)
from .rule_order import never_reached

_FILTERING = "system.webServer/security/requestFiltering"
#: A script of Node that listens, which is not a script of a page.
_LISTENS = re.compile(r"\.listen\s*\(|\bcreateServer\s*\(")
#: A script larger than this is a bundle.
_MAX_SCRIPT = 1 << 20


def findings(site: Site, effective: Effective, own: Sequence[Rule]) -> Iterator[Finding]:
    """Findings about the rules ``own`` of a file."""
    has_files = configuration_files.holds_files(site.path)
    for rule in own:
        yield from _behind_fallback(site, effective, rule) if has_files else ()
        url = rule.action.url.source if rule.action.url is not None else ""
        path = url.partition("?")[0]
        if rule.action.type == "Rewrite" and path and not targets.is_foreign(url):
            yield from _hidden(effective, rule, path)
            yield from _source(site, effective, rule, path)
        elif rule.action.type == "Redirect" and re.search(r"\{R:[01]\}/$", url):
            yield from _slash(site, effective, rule)


#: A pattern that is the URL of one file, or of a few: ^sitemap\\.xml$, ^(robots|ads)\\.txt$
_OF_ONE_FILE = re.compile(r"\^?(?:[\w/-]|\\[/-]|\([\w|-]+\))+\\\.(?:\w+|\([\w|]+\))\$?")


def _behind_fallback(site: Site, effective: Effective, rule: Rule) -> Iterator[Finding]:
    """A rule for the URL of a file that is not there, which a fallback takes for that reason."""
    url = rule.action.url.source if rule.action.url is not None else ""
    is_of_file = _OF_ONE_FILE.fullmatch((rule.pattern or "").strip()) and not rule.negate
    is_tested = any(condition.match_type != "Pattern" for condition in rule.conditions)
    if not is_of_file or is_tested or rule.action.type not in ("Rewrite", "Redirect"):
        return
    request = next(sample_requests.requests(rule), None)
    if request is None or site.find(request.target.path) is not None:
        return
    names = site.decide(request).rules
    order = effective.view(inbound).rules
    for earlier in order[: order.index(rule)]:
        takes = earlier.name in names[-1:] and is_universal(earlier) and is_fallback(earlier)
        if takes and stops(earlier) and not is_for_maintenance(earlier):
            if goes_to(earlier) != goes_to(rule) or not url:
                is_own = earlier.span.file == rule.span.file
                found = order_remedies.before(rule, earlier)
                remedy = found if is_own else order_remedies.removed([earlier])
                yield never_reached(rule, earlier, "/files", remedy)
            return


def _hidden(effective: Effective, rule: Rule, path: str) -> Iterator[Finding]:
    """A target in a folder whose URLs request filtering refuses after rewriting too."""
    names = {part.lower() for part in path.split("/")}
    for item in effective.section(_FILTERING).child("hiddenSegments").items:
        segment = item.text("segment")
        if segment.lower() in names:
            is_own = item.file is not None and not item.file.is_host
            yield finding(
                f"rewrite-to-hidden{'/own' if is_own else ''}",
                rule.span,
                rule=rule.name,
                url=path,
                segment=segment,
                where=item.span,
            )


def _source(site: Site, effective: Effective, rule: Rule, path: str) -> Iterator[Finding]:
    """A target that is a script of Node and is sent as a file."""
    if not re.fullmatch(r"(?i)[\w./-]+\.[cm]?js", path):
        return
    url = path if path.startswith("/") else f"{rule.base}/{path}"
    entry = site.find(url)
    if entry is None or entry.is_directory or not _listens(entry):
        return
    file = path.lstrip("/")
    handlers = effective.section(handler_mappings.SECTION).items
    of_node = [item for item in handlers if item.text("modules") == iisnode.MODULE]
    if any(item.text("path").replace("\\", "/").lstrip("~./") == file for item in of_node):
        return  # what is wrong with the path of that handler is said there
    if isinstance(site.decide(make_request(url)).action, ServeFile):
        unused = next((item for item in of_node if not _is_there(site, item.text("path"))), None)
        names = {item.text("name").lower() for item in handlers}
        free = next(name for name in ("iisnode", "node", file) if name.lower() not in names)
        yield finding(
            f"rewrite-to-source{'/path' if unused else ''}",
            rule.span,
            rule=rule.name,
            file=file,
            name=unused.text("name") if unused else free,
        )


def _is_there(site: Site, path: str) -> bool:
    """Whether a script of a handler's path may exist."""
    return "*" in path or site.find("/" + path.lstrip("/")) is not None


def _listens(entry: FileEntry) -> bool:
    try:
        script = read_bounded(entry.path, _MAX_SCRIPT).decode("utf-8", "replace")
    except OSError:
        return False
    return _LISTENS.search(script) is not None


def _slash(site: Site, effective: Effective, rule: Rule) -> Iterator[Finding]:
    """A redirect that adds a slash, to the URLs of files as well."""
    if any(condition.match_type == "IsFile" for condition in rule.conditions):
        return
    if is_left_before(rule, effective.view(inbound).rules, "IsFile"):
        return
    path = f"{rule.base}/a/page-1.css"
    decision = site.decide(make_request(path))
    if (
        isinstance(decision.action, Redirect)
        and decision.rules[-1:] == (rule.name,)
        and decision.action.location.partition("?")[0].endswith(f"{path}/")
    ):
        form = "/any" if rule.match_any else ""
        yield finding(f"redirect-file-slash{form}", rule.span, rule=rule.name)
