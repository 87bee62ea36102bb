"""Existing files that rewrite rules take away from the static file handler."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ..catalogue import filled
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..decision import CallIisnode, Decision, Handler, Redirect, Respond, ServeFile
from ..files import UNWATCHED, read_bounded
from ..http.request import make_request
from ..http.url import UrlRefused, encode_path
from ..modules import handlers as handler_mappings
from ..modules import http_platform, static_file
from ..programs import iisnode
from ..rewrite import targets
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from . import file_handlers, folder_rules
from .consequences import is_impossible
from .rewrite_conditions import is_always
from .rewrite_targets import is_inverted
from .rule_kinds import DOWN, goes_to, is_universal, leads_into, page_of, stops
from .rule_patterns import anchored
from .tried_remedies import Remedy, first_that_works

#: Files that people link to; a rule that takes them away is worth a word.
_LINKED = re.compile(
    r"(?:image|font|video|audio)/|text/(?:css|html|javascript)|application/(?:javascript|x-javascript|font)"
)
#: Files looked at in one site at most.
MAX_FILES = 2000


def findings(site: Site) -> Iterator[Finding]:
    """Rules that take an existing file, of a kind that pages link to, away from the static file
    handler; handlers that do, and files that have none.
    """
    hidden: dict[str, tuple[Rule, list[str]]] = {}
    redirected: dict[str, tuple[Rule, list[str]]] = {}
    taken: dict[str, tuple[str, Effective, list[str]]] = {}
    without = []
    for path in linked_files(site):
        try:
            request = make_request(encode_path(path))
        except UrlRefused:
            continue
        effective = site.effective(path)
        chosen = effective.view(handler_mappings.table).choose(path, "GET", None)
        if chosen is None:
            without.append(path)
        elif "StaticFileModule" not in chosen[0].modules:
            # without any rule it would not be served as a file either
            if (
                chosen[0].path == "*"
                and chosen[0].origin
                and not _sends_files(chosen[0])
                and not (_OF_NODE.match(path) and _runs_node(effective, chosen[0]))
            ):
                taken.setdefault(chosen[0].name, (chosen[0].origin, effective, []))[2].append(path)
        else:
            decision = site.decide(request)
            if rule := _hiding(site, path, decision):
                hidden.setdefault(str(rule.span), (rule, []))[1].append(path)
            elif rule := _redirecting(site, path, decision):
                redirected.setdefault(str(rule.span), (rule, []))[1].append(path)
    for number, (rule, paths) in enumerate(hidden.values()):
        if not is_impossible(rule):
            yield _hides(site, rule, paths, number)
    for rule, paths in redirected.values():
        values = {
            "rule": rule.name,
            "pattern": rule.pattern,
            "files": file_handlers.listed(paths),
            "meant": _meant(rule),
        }
        yield filled("rewrite-takes-files", values, rule.span)
    for name, (origin, effective, paths) in taken.items():
        yield from file_handlers.taken(site, name, origin, effective, paths)
    yield from file_handlers.without(site, without)


def _sends_files(handler: Handler) -> bool:
    """Whether what a handler runs sends the files by itself: ASP.NET Core does, from wwwroot."""
    return any(module.startswith("AspNetCoreModule") for module in handler.modules)


def _runs_node(effective: Effective, handler: Handler) -> bool:
    """Whether what a handler runs is Node, whose programs send the files of their folders."""
    program = effective.section(http_platform.SECTION).text("processPath")
    return "httpPlatformHandler" in handler.modules and bool(
        re.search(r"(?i)(?:^|[\\/])node(?:\.exe)?$", program)
    )


#: Names of scripts that are to be run: where one is sent as a file, that is what has to be said.
_SCRIPTS = (".js", ".mjs", ".cjs", ".py", ".php")


def _hiding(site: Site, path: str, decision: Decision) -> Rule | None:
    """The rule that a file is not served for, where that is not meant."""
    action = decision.action
    if (
        isinstance(action, ServeFile)
        and (_is_meant(path, action.entry.path) or action.entry.path.endswith(_SCRIPTS))
        or not decision.rules
        or action.kind == "redirect"
        or isinstance(action, Respond)
        and action.status >= 500
        or _is_served_elsewhere(site, path)
        or path.lower().endswith((".ts", ".mts"))  # TypeScript, which has the type of a video
        or _begins_with_a_folder(site, path, decision.rules)
        or _is_page_of_another(site, path, decision.rules[0])
        or isinstance(action, CallIisnode)
        and _is_of_node(site, path, action)
    ):
        return None
    rule = _named(site, path, decision.rules[-1])
    if rule is None or not _may_hide(rule) or _is_for_another(site, rule, path):
        return None
    if rule.base and _is_served_elsewhere(site, path, rule.base):
        return None
    if folder_rules.doubles_folder(site, rule):
        return None  # said, with what is meant
    return rule


#: A pattern that begins with the letters of a word.
_WORD = re.compile(r"[A-Za-z][\w-]*")


#: A word that is looked for everywhere, in so many words.
_INNER = re.compile(r"\^?(?:\.\*|\(\.\*\))([A-Za-z]{3,})(?:\.\*|\(\.\*\))?\$?")


def _redirecting(site: Site, path: str, decision: Decision) -> Rule | None:
    """The rule that redirects a file because its pattern is found further inside of the path; with
    .* before it, inside of another word.
    """
    rule = _named(site, path, decision.rules[-1]) if decision.rules else None
    if rule is None or not isinstance(decision.action, Redirect) or rule.matcher is None:
        return None
    word = _WORD.match(rule.pattern or "")
    below = path[len(rule.base) + 1 :]
    is_inside = word is not None and not below.lower().startswith(word[0].lower())
    if word is None and (inner := _INNER.fullmatch(rule.pattern or "")):
        is_inside = re.search(rf"(?i)(?<![a-z]){inner[1]}", below) is None
    return rule if is_inside and rule.pattern_syntax == "ECMAScript" and not rule.negate else None


def _meant(rule: Rule) -> str:
    """The pattern of a rule that takes files because it is looked for everywhere, at the start."""
    pattern = rule.pattern or ""
    inner = _INNER.fullmatch(pattern)
    return f"^{inner[1]}(?:/.*)?$" if inner else anchored(rule) or f"^{pattern}"


def _is_for_another(site: Site, rule: Rule, path: str) -> bool:
    """Whether a later rule is for the very URL, or leads to the file: that it is never reached has
    been said. Or whether an earlier one leads to the file, which has another URL for visitors.
    """
    rules = site.effective(path).view(inbound).rules
    earlier = (one for one in rules[: rules.index(rule)] if goes_to(one) and not is_universal(one))
    return any(_leads_into(one, path) for one in earlier) or any(
        later.matcher is not None
        and not later.negate
        and later.matcher(path[len(later.base) + 1 :]) is not None
        or _leads_into(later, path)
        for later in rules[rules.index(rule) + 1 :]
        if stops(rule) and not is_universal(later) and not rule.conditions
    )


def _leads_into(rule: Rule, path: str) -> bool:
    """Whether the target of a rule is all that is in a folder of ``path``."""
    url = rule.action.url.source if rule.action.url is not None else ""
    folder, reference, _ = url.partition("{")
    return bool(reference and folder.strip("/")) and path.startswith(
        f"{rule.base}/{folder.strip('/')}/"
    )


#: Folders of a Node application that no visitor asks for by their name.
_OF_NODE = re.compile(
    r"(?i)/(?:public|dist|build|client|www|wwwroot|views|routes|src|lib|bin|scripts|server)/"
)
#: Bytes of a script that are read.
_MAX_SCRIPT = 1 << 20
#: A script that is a server itself, and what sends files in it, or in a script that it loads:
#: middleware of Express, Koa, Fastify, or Next.js.
_WHOLE = re.compile(r"\bcreateServer\s*\(|\.listen\s*\(")
_SENDS = re.compile(
    r"(?i)static|sendfile|sirv|\bnext\b|nuxt|readfile|createreadstream|['\"]\.{1,2}/"
)


def _is_of_node(site: Site, path: str, action: CallIisnode) -> bool:
    """Whether a file that a Node process is asked for is its own affair: its sources, its log, or a
    file that it sends itself.
    """
    if _is_of_its_log(site, path, action) or _OF_NODE.match(path):
        return True
    if re.search(r"(?i)\.(?:[cm]?js|html?)$", path):
        return True  # its sources and pages: served as files, they would be published
    try:
        script = read_bounded(site.local_path(action.script), _MAX_SCRIPT)
    except OSError:
        return True
    text = script.decode("utf-8", "replace")
    return _WHOLE.search(text) is None or _SENDS.search(text) is not None


def _hides(site: Site, rule: Rule, paths: Sequence[str], earlier: int) -> Finding:
    """A rule that hides files, with the remedy that has the first of them served; ``earlier`` is
    how many such rules there were before.
    """
    path = paths[0]
    works = partial(file_handlers.is_served, path)
    chosen = first_that_works(site, _remedies(site, rule, path), works, earlier)
    values = {"rule": rule.name, "files": file_handlers.listed(paths), **chosen.values}
    return filled(chosen.form, values, rule.span)


#: The test that leaves files to the static file handler.
_NO_FILE = '<add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true" />'
#: A rule that stops for files.
_FIRST = (
    '<rule name="Existing files" stopProcessing="true"><match url=".*" /><conditions><add'
    ' input="{REQUEST_FILENAME}" matchType="IsFile" /></conditions><action type="None" /></rule>'
)


def _remedies(site: Site, rule: Rule, path: str) -> list[Remedy]:
    """What may have a file served that a rule takes, the least change first."""
    code, add, group = (
        "rewrite-hides-file",
        f"inside(conditions)={_NO_FILE}",
        "conditions/@logicalGrouping=MatchAll",
    )
    tests = [condition for condition in rule.conditions if condition.match_type == "IsFile"]
    found = []
    if any(condition.negate for condition in tests):
        found.append(Remedy(f"{code}/any", {}, ((group, rule.span),)))
    for condition in tests:
        if not condition.negate:
            folders = [
                other
                for other in rule.conditions
                if other.match_type == "IsDirectory" and not other.negate
            ]
            turned = [("@negate=true", other.span) for other in (condition, *folders)]
            form = "both" if folders else "inverted"
            found.append(Remedy(f"{code}/{form}", {}, (*turned, (group, rule.span))))
    if not rule.match_any and not any(condition.negate for condition in tests):
        found.append(Remedy(code, {}, ((add, rule.span),)))
    names = site.decide(make_request(encode_path(path))).rules
    first = _named(site, path, names[0]) if len(names) > 1 else None
    if first is not None and not first.match_any:
        values = {"earlier": first.name, "where": first.span}
        found.append(Remedy(f"{code}/earlier", values, ((add, first.span),)))
    before = first or rule
    values = {"element": _FIRST, "before": before.name}
    found.append(Remedy(f"{code}/before", values, ((f"before()={_FIRST}", before.span),)))
    return [*found, Remedy(f"{code}/other")]


def _is_served_elsewhere(site: Site, path: str, base: str = "") -> bool:
    """Whether another URL below ``base`` serves the file: a rule leads to its folder, as
    public{REQUEST_URI}.
    """
    entry, parts = site.find(path), path[len(base) + 1 :].split("/")
    for start in range(1, len(parts)):
        url = f"{base}/{'/'.join(parts[start:])}"
        other = site.decide(make_request(encode_path(url))).action
        if isinstance(other, ServeFile) and entry is not None and other.entry.path == entry.path:
            return True
    return False


#: A target that is the whole URL below a folder: public{REQUEST_URI}.
_BELOW = re.compile(r"(?i)([\w./\\ -]+)\{(?:REQUEST_URI|PATH_INFO|URL|R:[01])\}$")


def _begins_with_a_folder(site: Site, path: str, names: Sequence[str]) -> bool:
    """Whether rules first lead every URL into the folder of what is public, or to a page of it:
    files beside it are hidden on purpose.
    """
    rules = site.effective(path).view(inbound).rules
    last = _named(site, path, names[-1])
    if last is not None and page_of(last) in set(filter(None, map(leads_into, rules))):
        return True
    first = _named(site, path, names[0]) if len(names) > 1 else None
    if first is None or first.conditions or first.action.url is None:
        return False
    into = _BELOW.match(first.action.url.source)
    folder = into[1].replace("\\", "/").strip("/") if into else ""
    entry = site.find(f"{first.base}/{folder}") if folder else None
    return bool(folder) and is_universal(first) or entry is not None and entry.is_directory


def _is_page_of_another(site: Site, path: str, name: str) -> bool:
    """Whether a file is the first page of a folder whose rules have the first page of a folder
    below it in its place: public/index.php for index.html, which is a source then.
    """
    rule, parent = _named(site, path, name), path.rpartition("/")[0]
    into = _BELOW.match(rule.action.url.source) if rule and rule.action.url else None
    if rule is None or into is None or _stem(path) != "index" or parent != rule.base:
        return False
    first = site.decide(make_request(encode_path(f"{parent}/")))
    below = f"{rule.base}/{into[1].strip('/')}/"
    return bool(first.rules) and first.path.startswith(below)


def _is_of_its_log(site: Site, path: str, action: CallIisnode) -> bool:
    """Whether iisnode has written a file: its log is not meant for visitors."""
    return Path(site.local_path(path)).is_relative_to(iisnode.log_folder(site, action))


#: A page, which never stands for a style sheet, a script or a picture.
_PAGE = re.compile(r"(?i)\.(?:x?html?|php|aspx?)$")


def _is_meant(path: str, served: str) -> bool:
    """Whether a file is served in the place of another that is meant to stand for it: of the same
    name, in another folder or format.
    """
    is_page_for_part = _PAGE.search(served) and not _PAGE.search(path)
    return _stem(path) == _stem(served) and not is_page_for_part


def _stem(path: str) -> str:
    return os.path.basename(path).partition(".")[0].lower()


def _may_hide(rule: Rule) -> bool:
    """Whether a rule gives its URLs to something that is not meant to stand for the file."""
    if (
        is_inverted(rule)
        or is_always(rule)
        or DOWN.search(rule.action.url.source if rule.action.url else "")
    ):
        return False  # said already, or on purpose
    is_foreign = rule.action.url and targets.is_foreign(rule.action.url.source)
    by_client = any(
        re.search(r"(?i)\{(?:HTTP_|REMOTE_)", condition.input.source)
        for condition in rule.conditions
    )
    return rule.action.type == "Rewrite" and not is_foreign and not by_client


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
