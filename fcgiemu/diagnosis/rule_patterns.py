"""What is wrong with the patterns of rules: those that never match, those in the syntax of another
kind, and those that match where they are not meant to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import unquote, urlsplit

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..rewrite.pattern_errors import with_slashes
from ..rewrite.rule import Condition, Rule
from . import pattern_remedies, rewrite_patterns
from .reference_remedies import texts
from .rule_kinds import UNIVERSAL, is_for_start

_REGEX_SIGNS = re.compile(r"[\[\](){}+?|^$\\]|\.\*")


def findings(rule: Rule) -> Iterator[Finding]:
    """Findings about the patterns of a rule and of its conditions."""
    pattern = (rule.pattern or "").strip()
    is_regex = rule.pattern_syntax == "ECMAScript"
    wants_slash = rewrite_patterns.begins(pattern) == {"/"} if is_regex else pattern.startswith("/")
    if wants_slash and not rule.negate:
        meant = rewrite_patterns.without_first(pattern, "/") if is_regex else pattern.lstrip("/")
        meant = "^.*$" if meant in ("^*", "*") and is_regex else meant
        folder = _ALL_BELOW.fullmatch(meant) if is_regex else None
        if folder:
            meant = pattern_remedies.below(rule, folder[1])
        yield finding(
            f"rewrite-leading-slash{'/star' if folder else ''}",
            rule.span,
            rule=rule.name,
            pattern=pattern,
            meant=meant,
        )
    if is_for_start(rule):
        yield finding("rewrite-start-page", rule.span, rule=rule.name, pattern=pattern)
    needs_mark = is_regex and rewrite_patterns.needs(pattern, "?")
    if not rule.negate and (needs_mark or _MORE.search(pattern)):
        yield _more_than_path(rule, pattern)
    if not rule.negate and (meant := decoded(pattern)):
        yield finding(
            "rewrite-encoded-pattern", rule.span, rule=rule.name, pattern=pattern, meant=meant
        )
    if is_regex and (meant := with_slashes(pattern)) and _BACKSLASH.search(pattern):
        yield finding("rewrite-backslash", rule.span, rule=rule.name, pattern=pattern, meant=meant)
    if rule.negate and (rule.pattern or "").strip() in UNIVERSAL | {"*"}:
        yield finding("rewrite-negated-all", rule.span, rule=rule.name, pattern=pattern)
    if re.search(r"(?<!\[)#", pattern) and not rule.negate and is_regex:
        yield finding("rewrite-fragment", rule.span, rule=rule.name, pattern=pattern)
    if is_regex and _is_wildcard(pattern):
        meant = f"^{as_regex(pattern.lstrip('/'), _uses_groups(rule, 'R'))}$"
        if not pattern.startswith("/"):  # it takes the folder itself as well now
            meant = re.sub(r"(?<=\w)/\.\*\$$", "(?:/.*)?$", meant)
        takes_all = pattern == "/*" and not rule.negate
        form = "/all" if takes_all else "/slash" if pattern.startswith("/") else ""
        yield finding(
            f"rewrite-wildcard-as-regex{form}",
            rule.span,
            severity="info" if takes_all else "",
            rule=rule.name,
            pattern=pattern,
            meant=meant,
            plain=pattern.lstrip("/"),
        )
    yield from _syntax(rule, pattern)


#: All that is below a folder, as a wildcard pattern has it behind an anchor.
_ALL_BELOW = re.compile(r"\^([\w-]+(?:/[\w-]+)*)\\?/\*\$?")
#: A query or a scheme in a pattern.
_MORE = re.compile(r"\\\?[\w-]+=|\[\\?[?&]\\?[?&]\][\w-]+=|^\^?(?:\((?:\?:)?)*https?\??\)?:")


def _more_than_path(rule: Rule, pattern: str) -> Finding:
    """A pattern that holds a query or a host."""
    meant = pattern_remedies.in_conditions(rule, pattern)
    code = f"rewrite-query-in-pattern{'' if meant else '/other'}"
    return finding(code, rule.span, rule=rule.name, pattern=pattern, meant=meant)


def _is_wildcard(pattern: str) -> bool:
    """Whether a regular expression was meant as a wildcard pattern."""
    is_plain = _REGEX_SIGNS.search(pattern) is None
    return is_plain and re.search(r"(?:^|[\w/.-]{2}|/)\*", pattern) is not None


def as_regex(wildcard: str, with_groups: bool = False) -> str:
    """The regular expression for a wildcard pattern, without anchors, each star of which is a group
    there too where that is asked for.
    """
    return wildcard.replace(".", "\\.").replace("*", "(.*)" if with_groups else ".*")


def _uses_groups(rule: Rule, kind: str) -> bool:
    """Whether a rule uses {R:1} or {C:1}, and further ones."""
    return any(f"{{{kind}:{n}}}" in text for text, _ in texts(rule) for n in range(1, 10))


def decoded(pattern: str) -> str:
    """A pattern with encoded characters, such as %20, as the decoded path that it meets has them;
    "" for one without.
    """
    text = re.sub(r"(?:%[0-9A-Fa-f]{2})+", lambda found: unquote(found[0]), pattern)
    return "" if text == pattern or "\ufffd" in text or "%" in text else text


#: A backslash that is no part of a regular expression anybody means: before a line's end or a
#: control character, or before a word that folders are called.
_BACKSLASH = re.compile(
    r"(?<=[\w-]{2})\\(?=[bcfnrtuvwx][a-z]|(?:static|scripts?|styles?|src|sites?|server|shop|search"
    r"|services?|docs?|data|dist|downloads?|dev|demos?|default|dashboard)\b)"
)


#: Top-level domains that no file name ends with.
_DOMAINS = "com|org|net|edu|gov|io|info|eu|de|uk|fr|nl|us|ca|au|it|ch|at|biz|dev|app|local"
#: A host name at the start of a pattern.
_HOST = re.compile(
    rf"\^?(?:\((?:\?:)?www\\?\.\)\??)?(?:[\w-]+(?:\\?\.[\w-]+)*\\?\.(?:{_DOMAINS})|www\\?\.[\w-]+(?:\\?\.[\w-]+)+)(?:/|\$|$)"
)
#: Variables that hold a part of the URL.
_OF_URLS = frozenset(
    {"{HTTP_HOST}", "{SERVER_NAME}", "{URL}", "{PATH_INFO}", "{REQUEST_URI}", "{UNENCODED_URL}"}
)
#: Those of them that hold the query as well.
_WITH_QUERY = frozenset({"{REQUEST_URI}", "{UNENCODED_URL}"})
#: A dot that is most likely meant as one: in a host name, or before the extension of a file.
_HOST_DOT = re.compile(r"(?<=[\w)?])(?<!\\)\.(?=[A-Za-z]{2,}(?:\.|\$|/|$))|(?<=www)\.(?=[\w(])")
_FILE_DOT = re.compile(
    r"(?<=^\^)\.(?=well-known|git\b|env\b)"
    r"|(?<=[\w)\]*+(|])\.(?=(?:\((?:\?:)?)?(?:html?|php\d?|aspx?|jsp|css|js|xml|txt|json|py|cgi|png"
    r"|jpe?g|gif|svg|ico)(?:[|)$]|$))"
)


#: A word at the start of a pattern that is looked for everywhere, with a slash behind it or nothing
#: that names a file.
_WORD = re.compile(r"([A-Za-z][\w-]+)(?:/|(?=\(|\.\*|\$|\?$|$))")


def _syntax(rule: Rule, pattern: str) -> Iterator[Finding]:
    """Patterns in the syntax of another kind, or of another input."""
    texts = [(condition.pattern, condition.span) for condition in rule.conditions]
    if rule.pattern_syntax != "ECMAScript":
        if not rule.negate and _HOST.match(f"{pattern.partition('*')[0].partition('/')[0]}/"):
            yield _more_than_path(rule, pattern)
        yield from _other_syntax(rule, [(pattern, rule.span), *texts])
        return
    yield from _wildcards(rule)
    hosts = [
        (condition.pattern, condition.span, _HOST_DOT, _is_inside(condition, rule))
        for condition in rule.conditions
        if condition.input.source.strip().upper() in ("{HTTP_HOST}", "{SERVER_NAME}")
    ]
    for text, span, dot, is_inside in [(pattern, rule.span, _FILE_DOT, False), *hosts]:
        if dot.search(text):
            meant = dot.sub(r"\\.", text)
            meant = f"^{meant.strip('^$')}$" if is_inside else meant
            yield finding("rewrite-unescaped-dot", span, rule=rule.name, pattern=text, meant=meant)
    if not rule.negate:
        yield from _unanchored(rule, pattern)
    for text, span in [(pattern, rule.span), *texts]:
        yield from _branches(rule, text.strip(), span)
        yield from _anchors(rule, text.strip(), span)


def _other_syntax(rule: Rule, texts: Sequence[tuple[str, Span]]) -> Iterator[Finding]:
    """Regular expressions in a rule of another syntax: one finding a rule, whose remedy is right
    for all of its patterns.
    """
    is_exact = rule.pattern_syntax != "Wildcard"
    found = [
        (text, span)
        for text, span in texts
        if rewrite_patterns.is_regex(text) or is_exact and "*" in text
    ]
    if not found:
        return
    wild = [text for text, _ in texts if "*" in text and text not in dict(found)]
    has_form = all(rewrite_patterns.has_wildcard(text) for text, _ in found)
    mixed = [text for text, _ in found if _STAR.search(text)]
    if is_exact:
        form, meant = "/exact", ""
    elif mixed and not has_form:
        form, meant = "/none", _in_place_of([*mixed, *wild], _anchored)
    elif not wild:
        form = "" if has_form and len(found) == 1 else "/removed"
        meant = rewrite_patterns.as_wildcard(found[0][0])
    elif has_form:
        form, meant = "/kept", _in_place_of(dict(found), rewrite_patterns.as_wildcard)
    else:
        form, meant = "/none", _in_place_of(wild, _anchored)
    yield finding(
        f"rewrite-regex-as-wildcard{form}",
        found[0][1],
        rule=rule.name,
        patterns=_listed([f"'{text}'" for text, _ in found]),
        meant=meant,
    )


#: A star that stands for any text, in a pattern that has parts of a regular expression as well.
_STAR = re.compile(r"(?:(?<=/)|(?<=^)|(?<=\^))\*(?=\\?\.\(?\w|/|\$|$)")


def _anchored(wildcard: str) -> str:
    """The regular expression for a wildcard pattern, or for one that is both."""
    if _STAR.search(wildcard) and rewrite_patterns.is_regex(wildcard):
        dots = re.sub(r"(?<!\\)\.(?=\(?\w)", r"\.", wildcard.strip("^$"))
        return f"^{_STAR.sub('(.*)', dots)}$"
    return ".*" if wildcard == "*" else f"^{as_regex(wildcard)}$"


def _in_place_of(texts: Iterable[str], meant: Callable[[str], str]) -> str:
    """What to write in place of each of some texts."""
    return _listed([f"'{meant(text)}' in place of '{text}'" for text in dict.fromkeys(texts)])


def _listed(parts: list[str]) -> str:
    """Parts of a sentence as a list with "and"."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _is_inside(condition: Condition, rule: Rule) -> bool:
    """Whether the pattern of a host also fits the host that the rule redirects to."""
    url = rule.action.url.source if rule.action.url is not None else ""
    host = "" if "{" in urlsplit(url).netloc else urlsplit(url).hostname or ""
    fits = condition.matcher is not None and condition.matcher(host) is not None
    is_plain = re.fullmatch(r"\^?[\w.\\-]+\$?", condition.pattern) is not None
    return bool(host) and fits and is_plain and not condition.negate


def _wildcards(rule: Rule) -> Iterator[Finding]:
    """Conditions on parts of a URL that were meant as wildcard patterns."""
    for condition in rule.conditions:
        text, name = condition.pattern, condition.input.source.strip().upper()
        if condition.match_type == "Pattern" and name in _OF_URLS and _is_wildcard(text):
            start = "^/" if name not in ("{HTTP_HOST}", "{SERVER_NAME}") else "^"
            meant = f"{start}{as_regex(text.lstrip('/'), _uses_groups(rule, 'C'))}$"
            ends = "(?:[/?].*)?$" if name in _WITH_QUERY else "(?:/.*)?$"
            meant = re.sub(r"(?<=\w)/\.\*\$$", ends, meant)  # it takes the folder itself now
            yield finding(
                "rewrite-wildcard-as-regex",
                condition.span,
                rule=rule.name,
                pattern=text,
                meant=meant,
            )


def _unanchored(rule: Rule, pattern: str) -> Iterator[Finding]:
    """Patterns that match where they are not meant to."""
    if _is_wildcard(pattern):
        return  # said, with the slash
    if re.match(r"\\?/[\w-]+/", pattern) or re.fullmatch(r"\\?/(?:[\w-]+)?\$?", pattern):
        rest = pattern.lstrip("\\")[1:].rstrip("$")
        meant = f"^{pattern[pattern.index('/') + 1 :]}" if rest else "^$"
        yield finding(
            "rewrite-slash-inside", rule.span, rule=rule.name, pattern=pattern, meant=meant
        )
    elif _HOST.match(pattern) or re.search(r"[?&][\w-]+=", pattern):
        yield _more_than_path(rule, pattern)
    elif word := _WORD.match(pattern):
        form, text = ("", word[0]) if word[0].endswith("/") else ("/word", word[1])
        yield finding(
            f"rewrite-unanchored{form}",
            rule.span,
            rule=rule.name,
            pattern=pattern,
            text=text,
            meant=anchored(rule),
        )


def with_dots(rule: Rule) -> str:
    """The pattern that was meant by one with a dot before an extension that is not escaped; "" for
    another.
    """
    pattern = (rule.pattern or "").strip()
    is_plain = rule.pattern_syntax == "ECMAScript" and not rule.negate
    return _FILE_DOT.sub(r"\\.", pattern) if is_plain and _FILE_DOT.search(pattern) else ""


def anchored(rule: Rule) -> str:
    """The pattern that was meant by one that begins with a word and is looked for everywhere; ""
    for another. A word alone that leads to one URL is the whole path.
    """
    pattern = (rule.pattern or "").strip()
    if rule.pattern_syntax != "ECMAScript" or not _WORD.match(pattern):
        return ""
    url = rule.action.url.source if rule.action.url is not None else "{"
    is_whole = (
        rule.action.type == "Redirect" and "{" not in url and re.fullmatch(r"[\w-]+", pattern)
    )
    if not is_whole:
        return f"^{pattern}"
    is_own = urlsplit(url).path.strip("/").lower() == pattern.lower()
    return f"^{pattern}$" if is_own else f"^{pattern}/?$"


def _anchors(rule: Rule, pattern: str, span: Span) -> Iterator[Finding]:
    """A pattern with an anchor inside, which matches nothing."""
    meant = rewrite_patterns.with_anchors(pattern)
    if meant and rewrite_patterns.misses_anchors(pattern):
        yield finding("rewrite-anchor-inside", span, rule=rule.name, pattern=pattern, meant=meant)


def _branches(rule: Rule, pattern: str, span: Span) -> Iterator[Finding]:
    """Alternatives of which an anchor is for the first or the last alone."""
    branches = rewrite_patterns.branches(pattern)
    begun = [branch.startswith("^") for branch in branches]
    ended = [branch.endswith("$") and not branch.endswith("\\$") for branch in branches]
    if len(branches) < 2 or "" in branches or "^$" in branches:
        return
    if begun[0] and not any(begun[1:]) or ended[-1] and not any(ended[:-1] + begun):
        inner = "|".join(branches).removeprefix("^")
        inner = inner.removesuffix("$") if ended[-1] else inner
        meant = f"{'^' * begun[0]}(?:{inner}){'$' * ended[-1]}"
        yield finding("rewrite-anchor", span, rule=rule.name, pattern=pattern, meant=meant)
