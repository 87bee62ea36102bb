"""Rules of a folder's own file, and of a <location>, that speak as if they stood in the root, or
the other way round.

A rule's pattern sees the path below the folder of its file, and a relative target counts from
there; variables such as {URL} hold the whole path, whatever file the rule stands in (measured). A
<location> decides for which URLs the rules act and changes nothing of that (measured; Microsoft's
reference says otherwise).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence

from ..catalogue import filled, finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..config.tree import Effective
from ..hosting import Hosting
from ..rewrite.compiler import inbound
from ..rewrite.rule import Condition, Rule
from . import folder_names, rewrite_patterns, sample_requests
from .condition_remedies import attributes
from .rule_kinds import is_universal, leads_into

#: Variables that hold the whole path.
_PATHS = frozenset(
    {"{URL}", "{REQUEST_URI}", "{PATH_INFO}", "{SCRIPT_NAME}", "{UNENCODED_URL}", "{HTTP_URL}"}
)


def findings(
    site: Hosting,
    effective: Effective,
    file: ConfigFile,
    own: Sequence[Rule],
    outside: Container[Span],
) -> Iterator[Finding]:
    """Findings about the rules ``own`` of ``file``, as they are in ``effective``; ``outside`` are
    those that it has from the file's folder. A folder that a rule of the root leads every URL into
    is the root for its visitors.
    """
    place = _location(effective, file)
    rules = [*above(site, file), *effective.view(inbound).rules] if own else []
    led = set(map(leads_into, rules))
    for rule in own:
        if rule.base.lower() not in led:
            yield from _of_rule(site, rule)
        if place and rule.span not in outside:
            yield from _of_location(rule, place)


def above(site: Hosting, file: ConfigFile) -> Sequence[Rule]:
    """The rules of the folder above that of a file."""
    if not file.directory:
        return ()
    return site.effective(file.directory.rpartition("/")[0] or "/").view(inbound).rules


def outside(site: Hosting, effective: Effective, file: ConfigFile) -> Container[Span]:
    """The places of the rules that a <location> of a file inherits from the file's folder; none
    where ``effective`` is that of the folder.
    """
    if not _location(effective, file):
        return ()
    return {rule.span for rule in site.effective(file.directory or "/").view(inbound).rules}


def _location(effective: Effective, file: ConfigFile) -> str:
    """The path of the <location> of ``file`` whose configuration this is; "" for none."""
    level = effective.levels[-1]
    return level.locations[-1].strip("/.") if level.file is file and level.locations else ""


def _of_rule(site: Hosting, rule: Rule) -> Iterator[Finding]:
    is_folder = bool(rule.base) and site.tree.file_of("") is not None
    if is_folder or rule.base and _is_of_a_site(site, rule):  # else the folder may be the site
        yield from _of_folder(site, rule, is_folder)
    for condition in rule.conditions if is_folder else ():
        yield from _condition(rule, condition)


#: Folders that a build fills, or that a server has as its root: the page beside them is a source.
BUILT = re.compile(r"(?i)(?:dist|build|public|www|wwwroot|out|static|web|htdocs|src|deploy)")
#: Names of folders that URLs of an application begin with as well.
_OF_APPLICATIONS = re.compile(r"(?i)(?:api|app|server|client|backend|frontend)s?")
#: Pages that a site has at its root.
_PAGES = ("index.html", "index.htm", "default.html", "default.htm", "index.php", "default.aspx")


def _is_of_a_site(site: Hosting, rule: Rule) -> bool:
    """Whether the folder of a rule lies in a site that has a page of its own."""
    folder = rule.base.rpartition("/")[2]
    has_page = any(site.find(f"/{page}") is not None for page in _PAGES)
    return has_page and not BUILT.fullmatch(folder)


def _of_folder(site: Hosting, rule: Rule, is_sure: bool) -> Iterator[Finding]:
    """``is_sure`` = the folder is not a site by itself, whatever its name is."""
    url, folder = _target(rule), rule.base.rpartition("/")[2]
    may_be_named = is_sure or not _OF_APPLICATIONS.fullmatch(folder)
    named = _named(rule, rule.base.strip("/")) if may_be_named else None
    if named is not None:
        if site.find(f"{rule.base}/{folder}") is None:
            yield _with_name(rule, named)
    elif rule.action.type == "Rewrite":
        yield from _leaves(site, rule, url)
    elif rule.action.type == "Redirect" and re.match(
        rf"(?:https?://{'[^/]+' if _is_to_https(rule) else _SAME_HOST})?/\{{R:[01]\}}", url
    ):
        form = "/host" if "://" in url else ""
        meant = url.replace("/{R:", f"{rule.base}/{{R:", 1)
        yield finding(
            f"rewrite-leaves-folder{form}",
            rule.span,
            rule=rule.name,
            url=url,
            folder=rule.base,
            meant=meant,
        )


def _with_name(rule: Rule, named: folder_names.FolderName) -> Finding:
    """A pattern that begins with the name of its file's folder."""
    pattern, url = folder_names.without(named, rule, rule.base.strip("/"))
    form = "" if not url else "/target"
    changed = f"{attributes(url=pattern)} in <match> and {attributes(url=url)} in <action>"
    return finding(
        f"rewrite-folder-in-pattern{form if pattern else '/other'}",
        rule.span,
        rule=rule.name,
        pattern=rule.pattern,
        meant=changed if url else pattern,
    )


def _target(rule: Rule) -> str:
    return rule.action.url.source if rule.action.url is not None else ""


def _leaves(site: Hosting, rule: Rule, url: str) -> Iterator[Finding]:
    """Rewrites that end outside the folder, or in a folder of its name below it."""
    values = {"rule": rule.name, "url": url, "folder": rule.base, "meant": f"{rule.base}{url}"}
    page = url.partition("?")[0].partition("{")[0].rstrip("/")
    form = ""
    if doubled := doubles_folder(site, rule):
        written = (rule.pattern or "").strip()
        pattern = written if is_universal(rule) else rewrite_patterns.whole(written)
        form = "twice" if pattern == written else "twice-part"
        values |= {"made": f"{doubled}{rule.base}/", "meant": f"{doubled}/{{R:0}}"}
        values |= {"target": attributes(url=values["meant"]), "whole": attributes(url=pattern)}
    elif url == "/":
        form = "root" if _has_page(site, rule, "/index.html") else ""
    elif url.startswith("/") and _is_here(site, rule.base, url):
        form = "file"
    elif page.startswith("/") and _has_page(site, rule, page) and _is_file(site, page):
        form = "both"
    if form:
        yield filled(f"rewrite-leaves-folder/{form}", values, rule.span)


#: A folder and the whole path of the URL behind it.
_WHOLE = re.compile(
    r"(?i)([\w./-]*[\w-])/?\{(?:REQUEST_URI|URL|PATH_INFO|SCRIPT_NAME|UNENCODED_URL)\}"
)


def doubles_folder(site: Hosting, rule: Rule) -> str:
    """The folder of a target that holds the whole path, with that of the rule's file, where no such
    folder is below it; "" for none.
    """
    whole = _WHOLE.match(_target(rule)) if rule.base and rule.action.type == "Rewrite" else None
    if whole is None:
        return ""
    place = whole[1] if whole[1].startswith("/") else f"{rule.base}/{whole[1]}"
    entry = site.find(place)
    is_folder = entry is not None and entry.is_directory
    return whole[1] if is_folder and site.find(f"{place}{rule.base}") is None else ""


#: The host of the request.
_SAME_HOST = r"\{(?:HTTP_HOST|SERVER_NAME)\}"


def _is_to_https(rule: Rule) -> bool:
    """Whether a rule is about the scheme, so that its target is meant to be the same URL."""
    return any(one.input.source.strip().upper() == "{HTTPS}" for one in rule.conditions)


def _named(rule: Rule, folder: str) -> folder_names.FolderName | None:
    """The path of a folder, or its last name, at the start of a rule's pattern."""
    if rule.negate or rule.pattern is None:
        return None
    return folder_names.start(rule.pattern.strip(), folder, rule.pattern_syntax)


def _has_page(site: Hosting, rule: Rule, page: str) -> bool:
    """Whether a rule for all that is not a file stands in a folder with a page of that name."""
    tests = [condition for condition in rule.conditions if condition.match_type == "IsFile"]
    return (
        is_universal(rule)
        and any(condition.negate for condition in tests)
        and _is_file(site, f"{rule.base}{page}")
    )


def _is_file(site: Hosting, path: str) -> bool:
    entry = site.find(path)
    return entry is not None and not entry.is_directory


def _is_here(site: Hosting, base: str, url: str) -> bool:
    """Whether a path from the root of the site is that of no file, and of one below ``base``."""
    path = url.partition("?")[0]
    is_path = "{" not in path and path != "/"
    return is_path and site.find(path) is None and site.find(f"{base}{path}") is not None


def _condition(rule: Rule, condition: Condition) -> Iterator[Finding]:
    """A condition on the whole path that no path of the folder fulfils."""
    pattern, matcher = condition.pattern.strip(), condition.matcher
    if (
        condition.input.source.strip().upper() not in _PATHS
        or condition.match_type != "Pattern"
        or matcher is None
        or rule.pattern_syntax != "ECMAScript"
        or rewrite_patterns.begins(pattern) != {"/"}
    ):
        return
    if any(map(matcher, _below(rule.base, pattern))):
        return
    meant = re.sub(r"(\^\(?)(?=\\?/)", rf"\g<1>{rule.base}", pattern, count=1)
    yield finding(
        "rewrite-impossible-condition/folder",
        condition.span,
        rule=rule.name,
        variable=condition.input.source.strip().strip("{}").upper(),
        pattern=condition.pattern,
        folder=rule.base,
        meant=meant,
        effect="always holds" if condition.negate else "never holds",
    )


def _below(base: str, pattern: str) -> Iterator[str]:
    """Paths of a folder that a pattern may be for."""
    for end in ("", "/", "/x", "/x.html", "/x/y"):
        yield base + end
    for turn, word in enumerate(("x", "1", "x/y.html", "sample")):
        text = sample_requests.example(pattern, word, turn)
        if text is not None:
            yield f"{base}/{text.lstrip('/')}"
            yield text if text.lower().startswith(f"{base}/".lower()) else f"{base}{text}"


def _of_location(rule: Rule, path: str) -> Iterator[Finding]:
    """A pattern that does not begin with the path of its <location>; and, as a note, one that
    does.
    """
    pattern, matcher = (rule.pattern or "").strip(), rule.matcher
    if matcher is None or rule.negate or rule.pattern_syntax != "ECMAScript":
        return
    if _named(rule, path):
        yield finding(
            "rewrite-location-named",
            rule.span,
            rule=rule.name,
            pattern=pattern,
            path=path,
        )
    elif rewrite_patterns.begins(pattern) and not any(map(matcher, _below(path, pattern))):
        meant = re.sub(r"^\^", f"^{re.escape(path)}/", pattern)
        yield finding(
            "rewrite-location-pattern",
            rule.span,
            rule=rule.name,
            pattern=pattern,
            path=path,
            meant=meant,
        )
