"""The texts of targets, part by part: a host that runs into what follows it, two slashes where one
was meant, a host without its scheme, a query without its question mark.

What a group holds is tried with a text that its pattern matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite import targets
from ..rewrite.pattern import capture_count
from ..rewrite.rule import Condition, Rule
from . import pattern_remedies, sample_requests
from .condition_remedies import attributes
from .rule_kinds import is_universal

#: Variables that begin with a slash.
_SLASHED = "REQUEST_URI|UNENCODED_URL|URL|PATH_INFO|SCRIPT_NAME|HTTP_URL"
#: Those of them, as a condition's input, that hold the query as well.
_WITH_QUERY = frozenset({"{REQUEST_URI}", "{UNENCODED_URL}", "{HTTP_URL}"})
_OF_PATHS = frozenset(f"{{{name}}}" for name in _SLASHED.split("|"))
#: A host that a group follows, up to the end of the path: scheme and host, the group.
_GLUED = re.compile(r"(?i)(https?://[^/?#]*[\w}])(\{([RC]):(\d)\})(?=$|[?#{])")
#: A slash before something that begins with one.
_DOUBLED = re.compile(rf"(?i)/(?=\{{(?:({_SLASHED})|([RC]):(\d))\}})")
#: Top-level domains that the names of files do not end with.
_DOMAINS = "com|org|net|edu|gov|io|info|eu|de|uk|fr|nl|us|ca|au|it|ch|at|biz|dev|app|local"
#: A host where the path is expected: www.example.org/x, localhost:5000, {HTTP_HOST}/x.
_BARE_HOST = re.compile(
    rf"(?i)(?:www\.[\w-]+\.|[\w-]+(?:\.[\w-]+)*\.(?:{_DOMAINS})(?=[/:?{{]|$)|localhost:\d"
    r"|\d+\.\d+\.\d+\.\d+(?=[/:{]|$)|(?:www\.)?\{(?:HTTP_HOST|SERVER_NAME)\})"
)
#: A scheme whose slashes or colon are missing.
_BROKEN_SCHEME = re.compile(r"(?i)^(https?)(?::/(?!/)|//|:(?![/\d])|;//|:///+|:\\\\)")


def findings(rule: Rule, url: str) -> Iterator[Finding]:
    """Findings about the target ``url`` of a rule that rewrites or redirects."""
    yield from _scheme(rule, url)
    yield from _glued(rule, url)
    yield from _slashes(rule, url)
    yield from _query(rule, url)
    yield from _part(rule, url)
    yield from _fixed(rule, url)


def _fixed(rule: Rule, url: str) -> Iterator[Finding]:
    """A rewrite of every URL to one URL of another server."""
    of_paths = any(
        condition.input.source.strip().upper() in _OF_PATHS and not condition.negate
        for condition in rule.conditions
    )
    address = re.fullmatch(r"(?i)https?://[^/?{}]+/?", url)
    if rule.action.type == "Rewrite" and address and is_universal(rule) and not of_paths:
        meant = f"{url.rstrip('/')}/{{R:0}}"
        yield finding("rewrite-target-fixed", rule.span, rule=rule.name, url=url, meant=meant)


#: A target that is the path on a host, as far as a group holds it.
_WHOLE = re.compile(r"(?i)(https?://[^/?]+)/\{R:(\d)\}")


def _part(rule: Rule, url: str) -> Iterator[Finding]:
    """A group that is meant for the whole path, of a pattern that leaves the rest of it out."""
    whole = _WHOLE.fullmatch(url)
    text = sample_requests.example(rule.pattern or "", "x") if rule.matcher else None
    if whole is None or text is None or rule.negate or rule.pattern_syntax != "ECMAScript":
        return
    assert rule.matcher is not None
    longer = f"{text.rstrip('/')}/rest"
    captured, number = rule.matcher(longer), int(whole[2])
    value = captured[number] if captured is not None and number < len(captured) else ""
    if captured and value and captured[0].endswith(value) and not longer.endswith(value):
        yield finding(
            "rewrite-part-of-path",
            rule.span,
            rule=rule.name,
            pattern=rule.pattern,
            number=number,
            path=longer,
            value=value,
            meant=f"{whole[1]}{{URL}}",
            target=attributes(url=f"{whole[1]}{{URL}}"),
        )


def _scheme(rule: Rule, url: str) -> Iterator[Finding]:
    if broken := _BROKEN_SCHEME.match(url):
        meant = f"{broken[1]}://{url[broken.end() :]}"
        yield finding("rewrite-target-scheme", rule.span, rule=rule.name, url=url, meant=meant)
    elif re.match(r"(?i)https?://\{CACHE_URL\}", url):
        meant = re.sub(r"(?i)\{CACHE_URL\}", "{HTTP_HOST}{URL}", url)
        yield finding("rewrite-target-scheme", rule.span, rule=rule.name, url=url, meant=meant)
    elif twice := re.match(r"(?i)https?://(?=https?://)", url):
        meant = url[twice.end() :]
        yield finding("rewrite-target-scheme", rule.span, rule=rule.name, url=url, meant=meant)
    elif _BARE_HOST.match(url):
        scheme = "https" if rule.action.type == "Redirect" else "http"
        meant = f"{scheme}://{url}"
        yield finding("rewrite-target-scheme", rule.span, rule=rule.name, url=url, meant=meant)
    elif rule.action.type == "Redirect" and re.match(r"//\{(?:R:\d|C:\d|URL|PATH_INFO)\}", url):
        meant = re.sub(r"^/+(?=\{R)", "/", url) if "{R" in url[:4] else url.lstrip("/")
        yield finding("rewrite-double-slash", rule.span, rule=rule.name, url=url, meant=meant)
    elif url.startswith("~/"):
        yield finding("rewrite-target-tilde", rule.span, rule=rule.name, url=url, meant=url[1:])


def _glued(rule: Rule, url: str) -> Iterator[Finding]:
    """A host that a group follows without a slash between them."""
    glued = _GLUED.match(url)
    if glued is None:
        return
    values = list(_values(rule, glued[3].upper(), int(glued[4])))
    ends = [value for value in values if value and value[0] not in "/:."]
    if not ends:
        return
    meant = f"{url[: glued.end(1)]}/{url[glued.end(1) :]}"
    made = f"{glued[1]}{ends[0]}"
    slashed = pattern_remedies.with_slash(rule.pattern or "")
    may_begin = _may_begin_with_slash(rule, glued[3].upper(), int(glued[4]))
    form = "" if not may_begin else "/some" if slashed else "/inside"
    yield finding(
        f"rewrite-target-glued{form}",
        rule.span,
        rule=rule.name,
        url=url,
        made=made,
        meant=meant,
        pattern=rule.pattern,
        slashed=attributes(url=slashed),
    )


def _may_begin_with_slash(rule: Rule, kind: str, number: int) -> bool:
    """Whether the group of a rule's pattern may hold the rest of a path with its slash."""
    if kind != "R" or not number or rule.pattern is None or rule.matcher is None:
        return False
    text = sample_requests.example(rule.pattern, "/x")
    captured = rule.matcher(text) if text and not text.startswith("/") else None
    return captured is not None and captured[number : number + 1] == ("/x",)


def _values(rule: Rule, kind: str, number: int) -> Iterator[str]:
    """What {R:n} or {C:n} holds for texts that the pattern behind it matches; none where that
    is not known.
    """
    if kind == "R":
        if rule.matcher is None or rule.negate:
            yield "x"
            return
        for text in sample_requests.paths(rule):
            if captured := rule.matcher(text):
                yield from captured[number : number + 1]
        return
    condition = _filling(rule)
    if condition is None or condition.input.source.strip().upper() not in _OF_PATHS:
        return
    with_query = condition.input.source.strip().upper() in _WITH_QUERY
    for text in ("/x/y?a=1" if with_query else "/x/y", *_examples(condition)):
        assert condition.matcher is not None
        if text.startswith("/") and _is_asked(rule, text):
            if captured := condition.matcher(text):
                yield from captured[number : number + 1]


def _examples(condition: Condition, *words: str) -> Iterator[str]:
    for word in words or ("x", "/x"):
        text = sample_requests.example(condition.pattern, word)
        if text:
            yield text


def _is_asked(rule: Rule, text: str) -> bool:
    """Whether a rule is asked its conditions for a URL, as far as its pattern is concerned."""
    path = text.partition("?")[0][1:]
    return rule.matcher is None or (rule.matcher(path) is not None) != rule.negate


def _filling(rule: Rule) -> Condition | None:
    """The condition that {C:n} is about: the last one with captures; None where several may be."""
    able = _all_filling(rule)
    return able[0][0] if len(able) == 1 else None


def _all_filling(rule: Rule) -> list[tuple[Condition, int]]:
    """The conditions that {C:n} may be about, each with how many groups are counted before its
    own.
    """
    able = [
        condition
        for condition in rule.conditions
        if condition.match_type == "Pattern" and not condition.negate and condition.matcher
    ]
    if rule.match_any or not able:
        return [(condition, 0) for condition in able]
    if not rule.track_all_captures:
        return [(able[-1], 0)]
    counts = [
        capture_count(condition.pattern, rule.pattern_syntax, condition.ignore_case)
        for condition in able
    ]
    return [(condition, sum(counts[:number])) for number, condition in enumerate(able)]


def _slashes(rule: Rule, url: str) -> Iterator[Finding]:
    """A slash before what begins with one, where nobody removes the second."""
    if rule.action.type != "Redirect" and not targets.is_foreign(url):
        return  # IIS makes one slash of two within a path
    path = url.partition("?")[0]
    for doubled in _DOUBLED.finditer(path):
        if path[: doubled.start()].endswith(("/", ":")):
            continue
        begins = bool(doubled[1])
        if doubled[2]:
            values = list(_values(rule, doubled[2].upper(), int(doubled[3])))
            begins = bool(values) and all(value.startswith("/") for value in values)
        if begins:
            meant = url[: doubled.start()] + url[doubled.end() :]
            yield finding("rewrite-double-slash", rule.span, rule=rule.name, url=url, meant=meant)
            return


def holds_query(rule: Rule, url: str) -> bool:
    """Whether a {C:n} of a target holds the URL to its end, with its query: where another group
    follows, that one takes the query.
    """
    numbers = set(map(int, re.findall(r"\{C:(\d)\}", url)))
    return any(
        "?a=1" in captured[number - before]
        for condition, before in (_all_filling(rule) if numbers else ())
        if condition.matcher and condition.input.source.strip().upper() in _WITH_QUERY
        for captured in filter(None, map(condition.matcher, _whole_urls(condition)))
        for number in numbers
        if number == before == 0 or 0 < number - before == len(captured) - 1
    )


def _whole_urls(condition: Condition) -> Iterator[str]:
    """URLs with a query that a condition on the whole URL may hold for."""
    yield "/x/y?a=1"
    for word in ("x?a=1", "/x?a=1"):
        for turn in (0, 1):  # without and with what may be missing
            text = sample_requests.example(condition.pattern, word, turn)
            if text:
                yield text


def _query(rule: Rule, url: str) -> Iterator[Finding]:
    """A query that does not begin with a question mark, and one with two."""
    path, mark, query = url.partition("?")
    if not mark and (found := re.search(r"&(?=[\w-]+=)", path)):
        meant = f"{path[: found.start()]}?{path[found.end() :]}"
        yield finding("rewrite-target-query", rule.span, rule=rule.name, url=url, meant=meant)
    elif mark and "?" in query and not re.search(r"(?i)https?:|%3f|=/", query):
        meant = f"{path}?{query.replace('?', '&')}"
        yield finding("rewrite-target-query/twice", rule.span, rule=rule.name, url=url, meant=meant)
