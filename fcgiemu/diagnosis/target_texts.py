"""The texts of targets, part by part: a host that runs into what follows it, two slashes where one
was meant, a host without its scheme, a query without its question mark.

What a group holds is tried with a text that its pattern matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite import targets
from ..rewrite.pattern import Matcher, capture_count
from ..rewrite.rule import Condition, Rule
from . import pattern_remedies, sample_requests
from .condition_remedies import attributes, written
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
    yield from _filled_scheme(rule, url)
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


#: A scheme that a condition or a variable is to fill.
_FILLED_SCHEME = re.compile(r"(?i)\{(?:C:(\d)|SERVER_PROTOCOL|HTTP_VERSION|HTTPS)\}(?=://)")
#: Variables that tell something of the connection -> what they hold.
_OF_CONNECTIONS = {
    "{SERVER_PROTOCOL}": ("HTTP/1.1",),
    "{HTTP_VERSION}": ("HTTP/1.1",),
    "{HTTPS}": ("on", "off"),
}


def _filled_scheme(rule: Rule, url: str) -> Iterator[Finding]:
    """A scheme for a target from a variable that holds none."""
    asked = _FILLED_SCHEME.match(url)
    if asked is None:
        return
    name, captured = asked[0].upper(), None
    for condition, before in _all_filling(rule) if asked[1] else ():
        number, source = int(asked[1]) - before, condition.input.source.strip().upper()
        if number < 0 or source not in _OF_CONNECTIONS or condition.matcher is None:
            continue
        for value in _OF_CONNECTIONS[source]:
            groups = condition.matcher(value) or ()
            for text in groups[number : number + 1]:
                if source != "{HTTPS}" or (text or "").lower() not in ("http", "https"):
                    name, captured = source, condition
    if name not in _OF_CONNECTIONS:
        return
    meant = attributes(url=f"https{url[asked.end() :]}")
    yield finding(
        f"rewrite-target-scheme/{'captured' if captured else 'variable'}",
        rule.span,
        rule=rule.name,
        variable=name,
        url=url,
        value=" or ".join(_OF_CONNECTIONS[name]),
        meant=meant,
        tested=written(captured) if captured else "",
    )


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
    kind, number = glued[3].upper(), int(glued[4])
    pattern, _ = _pattern(rule, kind) or ("", None)
    slashed = _changed(rule, kind, pattern_remedies.with_slash)
    form = "" if not _may_begin(rule, kind, number) else "/some" if slashed else "/inside"
    yield finding(
        f"rewrite-target-glued{form}",
        rule.span,
        rule=rule.name,
        url=url,
        made=made,
        meant=meant,
        pattern=pattern,
        slashed=slashed,
    )


def _may_begin(rule: Rule, kind: str, number: int) -> bool:
    """Whether {R:n} or {C:n} may hold the rest of a path with the slash at its start, behind
    something else that the pattern matches.
    """
    source = _pattern(rule, kind)
    text = sample_requests.example(source[0], "/x") if source and number else None
    captured = source[1](text) if source and text and text != "/x" else None
    is_path = text is not None and text.startswith("/") == (kind == "C")
    return is_path and captured is not None and captured[number : number + 1] == ("/x",)


def _changed(rule: Rule, kind: str, change: Callable[[str, str], str]) -> str:
    """The pattern of {R:n} or {C:n} after a change, as a remedy has it: attribute and place. ""
    where it is not to be changed. The change is told what paths and their queries begin with.
    """
    condition = _filling(rule) if kind == "C" else None
    if condition is None:
        meant = change(rule.pattern or "", "/")
        return f"{attributes(url=meant)} in <match>" if meant else ""
    with_query = condition.input.source.strip().upper() in _WITH_QUERY
    meant = change(condition.pattern, "[/?]" if with_query else "/")
    return f"{attributes(pattern=meant)} in the condition {written(condition)}" if meant else ""


def _pattern(rule: Rule, kind: str) -> tuple[str, Matcher] | None:
    """The pattern that {R:n} or {C:n} is about, where that is one of paths."""
    if kind == "R":
        if rule.pattern is None or rule.matcher is None or rule.negate:
            return None
        return rule.pattern, rule.matcher
    condition = _filling(rule)
    if condition is None or condition.input.source.strip().upper() not in _OF_PATHS:
        return None
    return (condition.pattern, condition.matcher) if condition.matcher else None


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
    for text in ("/x/y?a=1" if with_query else "/x/y", *_examples(condition, "x")):
        assert condition.matcher is not None
        path = f"/{text.removeprefix('/')}"  # as every URL begins
        if _is_asked(rule, path):
            if captured := condition.matcher(path):
                yield from captured[number : number + 1]


def _examples(condition: Condition, *words: str) -> Iterator[str]:
    for word in words:
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
        meant = url[: doubled.start()] + url[doubled.end() :]
        if doubled[1]:
            yield finding("rewrite-double-slash", rule.span, rule=rule.name, url=url, meant=meant)
            return
        kind, number = doubled[2].upper(), int(doubled[3])
        values = list(_values(rule, kind, number))
        pattern, _ = _pattern(rule, kind) or ("", None)
        if values and all(value.startswith("/") for value in values):
            form = "" if number <= 1 and _FIRST.match(pattern) else "/group"
            yield finding(
                f"rewrite-double-slash{form}", rule.span, rule=rule.name, url=url, meant=meant
            )
            return
        changed = _changed(rule, kind, pattern_remedies.behind_slash)
        if changed and _may_begin(rule, kind, number):
            yield finding(
                "rewrite-double-slash/some",
                rule.span,
                rule=rule.name,
                pattern=pattern,
                url=url,
                meant=changed,
            )
            return


#: A pattern whose first group begins with the slash that its input begins with.
_FIRST = re.compile(r"\^?\((?:\\?/|\.[*+]\)\$?$)")


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
