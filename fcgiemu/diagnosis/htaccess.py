"""What people bring along from Apache's mod_rewrite, which IIS takes as plain text: $1 and %1 for
groups, %{NAME} for variables, !-f and -d for file tests, ! before a pattern, flags in brackets; and
its lines themselves, in a web.config or in a .htaccess file that IIS does not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..files import content
from ..rewrite.compiler import inbound
from ..rewrite.pattern import capture_count
from ..rewrite.regex import PatternError
from ..rewrite.rule import Rule
from ..site import Site
from .condition_remedies import attributes

#: $1, %1 (but no encoded character), %{NAME}.
_EXPANSION = re.compile(
    r"\$(?P<nginx>http_host|host|request_uri|uri|args|query_string|server_name)\b"
    r"|\$(?P<rule>[0-9])|%(?P<condition>[1-9])(?![0-9A-Fa-f])|%\{(?P<name>\w+)\}"
)
#: A group without its colon or its braces: {R1}, {R.1}, [R:1], (R:1).
_GROUP = re.compile(r"\{([RC])[.;_-]?(\d)\}|[\[(]([RC]):(\d)[\])]")
#: File tests as a pattern -> matchType.
_TESTS = {"-f": "IsFile", "-d": "IsDirectory"}
_FLAGS = re.compile(r"\s*\[(?:NC|OR|L|R(?:=\d+)?|QSA|PT)(?:,\w+(?:=\d+)?)*\]$")


def findings(rule: Rule) -> Iterator[Finding]:
    """Findings about a rule that was translated from a .htaccess file by hand, in part."""
    url = rule.action.url.source if rule.action.url is not None else ""
    meant = _GROUP.sub(_group, url)
    if meant != url:
        yield finding(
            "rewrite-apache-syntax/group", rule.span, rule=rule.name, text=url, meant=meant
        )
    elif (meant := _EXPANSION.sub(_expansion, url)) != url and _is_meant(rule, url):
        yield finding(
            "rewrite-apache-syntax/target", rule.span, rule=rule.name, text=url, meant=meant
        )
    for text, place in ((rule.pattern or "", "match"), (url, "action")):
        if flags := _FLAGS.search(text):
            yield finding(
                "rewrite-apache-syntax/flags",
                rule.span,
                rule=rule.name,
                text=flags[0].strip(),
                meant=f"{attributes(url=text[: flags.start()])} in <{place}>",
            )
    for condition in rule.conditions:
        pattern = condition.pattern.strip()
        test = _TESTS.get(pattern.lstrip("!"))
        if condition.match_type != "Pattern":
            continue
        if test is not None:
            meant = f'matchType="{test}"' + (' negate="true"' if pattern.startswith("!") else "")
            yield finding(
                "rewrite-apache-syntax/test",
                condition.span,
                rule=rule.name,
                text=pattern,
                meant=meant,
            )
        elif re.match(r"![\^(\\\w]", pattern):
            yield finding(
                "rewrite-apache-syntax/negation",
                condition.span,
                rule=rule.name,
                text=pattern,
                meant=pattern[1:],
            )
        elif flags := _FLAGS.search(pattern):
            yield finding(
                "rewrite-apache-syntax/flags",
                condition.span,
                rule=rule.name,
                text=flags[0].strip(),
                meant=attributes(pattern=pattern[: flags.start()]),
            )


#: A line of mod_rewrite, or of nginx, at the start of a text.
_LINE = re.compile(
    r"(?:^|>)[ \t]*((?:Rewrite(?:Engine|Rule|Cond|Base|Map)|RedirectMatch|try_files|rewrite \^)"
    r"[ \t][^\n<]*)",
    re.MULTILINE,
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def lines(name: str, text: str) -> Iterator[Finding]:
    """The first line of another server's rules in the ``text`` of a configuration file."""
    if "Rewrite" not in text and "try_files" not in text and "rewrite ^" not in text:
        return
    bare = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    if found := _LINE.search(bare):
        place = Span.at(name, bare, found.start(1))
        yield finding("rewrite-foreign-rules", place, text=found[1].strip())


#: What a .htaccess file says that is more than switching mod_rewrite on.
_RULE = re.compile(r"(?im)^[ \t]*(RewriteRule[ \t].*)$")


def files(site: Site, configs: Iterable[ConfigFile]) -> Iterator[Finding]:
    """Files .htaccess beside a web.config that has no rules: theirs act on Apache alone."""
    for config in configs:
        folder = Path(site.local_path(config.directory))
        rule = _RULE.search(content(folder, ".htaccess").decode("utf-8", "replace"))
        if rule and not site.effective(config.directory or "/").view(inbound).rules:
            yield finding(
                "rewrite-foreign-rules/file",
                Span(config.name, 1, 1),
                text=" ".join(rule[1].split()),
            )


def _group(found: re.Match[str]) -> str:
    return f"{{{found[1] or found[3]}:{found[2] or found[4]}}}"


#: Variables of nginx -> those of IIS.
_OF_NGINX = {
    "host": "{HTTP_HOST}",
    "http_host": "{HTTP_HOST}",
    "server_name": "{SERVER_NAME}",
    "request_uri": "{REQUEST_URI}",
    "uri": "{URL}",
    "args": "{QUERY_STRING}",
    "query_string": "{QUERY_STRING}",
}


def _expansion(found: re.Match[str]) -> str:
    if found["name"]:
        return f"{{{found['name']}}}"
    if found["nginx"]:
        return _OF_NGINX[found["nginx"]]
    return f"{{R:{found['rule']}}}" if found["rule"] else f"{{C:{found['condition']}}}"


def _is_meant(rule: Rule, url: str) -> bool:
    """Whether $1 in a target may be a group: the pattern has one, and no {R:n} is used."""
    numbers = [int(found["rule"] or 0) for found in _EXPANSION.finditer(url)]
    if "%{" in url or re.search(r"\$[a-z]", url):
        return True
    if "{R:" in url or "{C:" in url:
        return False
    try:
        groups = capture_count(rule.pattern or "", rule.pattern_syntax, rule.ignore_case)
    except PatternError:
        return True
    in_conditions = any(found["condition"] for found in _EXPANSION.finditer(url))
    return max(numbers) <= groups and (bool(groups) or in_conditions and bool(rule.conditions))
