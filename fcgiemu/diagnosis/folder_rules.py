"""Rules of a folder's own file, and of a <location>, that speak as if they stood in the root, or
the other way round.

A rule's pattern sees the path below the folder of its file, and a relative target counts from
there; variables such as {URL} hold the whole path, whatever file the rule stands in (measured). A
<location> decides for which URLs the rules act and changes nothing of that (measured; Microsoft's
reference says otherwise).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.tree import Effective
from ..hosting import Hosting
from ..rewrite.compiler import inbound
from ..rewrite.rule import Condition, Rule
from . import rewrite_patterns, sample_requests
from .rule_kinds import is_universal

#: Variables that hold the whole path.
_PATHS = frozenset(
    {"{URL}", "{REQUEST_URI}", "{PATH_INFO}", "{SCRIPT_NAME}", "{UNENCODED_URL}", "{HTTP_URL}"}
)


def findings(
    site: Hosting, effective: Effective, file: ConfigFile, own: Sequence[Rule]
) -> Iterator[Finding]:
    """Findings about the rules ``own`` of ``file``, as they are in ``effective``."""
    place = _location(site, effective, file)
    outside = {rule.span for rule in _rules_of(site, file)} if place else ()
    for rule in own:
        yield from _of_rule(site, rule)
        if place and rule.span not in outside:
            yield from _of_location(rule, place)


def _location(site: Hosting, effective: Effective, file: ConfigFile) -> str:
    """The path of the <location> of ``file`` whose configuration this is; "" for none."""
    level = effective.levels[-1]
    return level.locations[-1].strip("/.") if level.file is file and level.locations else ""


def _rules_of(site: Hosting, file: ConfigFile) -> Sequence[Rule]:
    """The rules that act in the folder of a file."""
    return site.effective(file.directory or "/").view(inbound).rules


def _of_rule(site: Hosting, rule: Rule) -> Iterator[Finding]:
    if rule.base and site.tree.file_of("") is not None:  # else the folder may be the site
        yield from _of_folder(site, rule)
        for condition in rule.conditions:
            yield from _condition(rule, condition)
    elif rule.base and _is_of_a_site(site, rule):
        yield from _leaves_for_the_root(site, rule)


#: Folders that a build fills, or that a server has as its root: the page beside them is a source.
_BUILT = re.compile(r"(?i)(?:dist|build|public|www|wwwroot|out|static|web|htdocs|src|deploy)")


def _is_of_a_site(site: Hosting, rule: Rule) -> bool:
    """Whether the folder of a rule lies in a site that has a page of its own."""
    folder = rule.base.rpartition("/")[2]
    return site.find("/index.html") is not None and not _BUILT.fullmatch(folder)


def _leaves_for_the_root(site: Hosting, rule: Rule) -> Iterator[Finding]:
    """A folder's rule for all that is not a file, with the page of the root as its target."""
    url = rule.action.url.source if rule.action.url is not None else ""
    if rule.action.type == "Rewrite" and url == "/" and _has_page(site, rule):
        meant = f"{rule.base}/"
        yield finding(
            "rewrite-leaves-folder/root", rule.span, rule=rule.name, folder=rule.base, meant=meant
        )


def _of_folder(site: Hosting, rule: Rule) -> Iterator[Finding]:
    url = rule.action.url.source if rule.action.url is not None else ""
    if _names(rule, rule.base.strip("/")):
        yield finding("rewrite-folder-in-pattern", rule.span, rule=rule.name, pattern=rule.pattern)
    elif rule.action.type not in ("Rewrite", "Redirect"):
        return
    elif rule.action.type == "Rewrite" and url == "/":
        yield from _leaves_for_the_root(site, rule)
    elif url.startswith("/") and _is_here(site, rule.base, url):
        yield finding(
            "rewrite-leaves-folder/file", rule.span, rule=rule.name, url=url, folder=rule.base
        )
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


#: The host of the request.
_SAME_HOST = r"\{(?:HTTP_HOST|SERVER_NAME)\}"


def _is_to_https(rule: Rule) -> bool:
    """Whether a rule is about the scheme, so that its target is meant to be the same URL."""
    return any(one.input.source.strip().upper() == "{HTTPS}" for one in rule.conditions)


def _names(rule: Rule, folder: str) -> bool:
    """Whether a rule's pattern begins with the path of a folder, or with its last name."""
    last = re.escape(folder.rpartition("/")[2])
    starts = rf"\^?(?:/\?)?\(?(?:{re.escape(folder)}|{last})\)?(?:\\?/|\(|\$|\*|\?|\.\*)"
    return re.match(starts, rule.pattern or "") is not None and not rule.negate


def _has_page(site: Hosting, rule: Rule) -> bool:
    """Whether a rule for all that is not a file stands in a folder with a page of its own."""
    tests = [condition for condition in rule.conditions if condition.match_type == "IsFile"]
    return (
        is_universal(rule)
        and any(condition.negate for condition in tests)
        and site.find(f"{rule.base}/index.html") is not None
    )


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
    if _names(rule, path):
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
