"""Conditions of rewrite rules that cannot fit what they test: a query never begins with a question
mark, a host name holds no slash, a file is not found by its URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from ..catalogue import finding
from ..config.diagnostics import Finding
from ..rewrite.rule import Condition, Rule

#: Server variables that people test, of IIS's documented list; HTTP_* are request headers.
VARIABLES = frozenset(
    """ALL_HTTP ALL_RAW APPL_MD_PATH APPL_PHYSICAL_PATH AUTH_PASSWORD AUTH_TYPE AUTH_USER CACHE_URL
    CERT_COOKIE CERT_FLAGS CERT_ISSUER CERT_KEYSIZE CERT_SECRETKEYSIZE CERT_SERIALNUMBER
    CERT_SERVER_ISSUER CERT_SERVER_SUBJECT CERT_SUBJECT CONTENT_LENGTH CONTENT_TYPE
    CRYPT_CIPHER_ALG_ID CRYPT_HASH_ALG_ID CRYPT_KEYEXCHANGE_ALG_ID CRYPT_PROTOCOL
    DOCUMENT_ROOT GATEWAY_INTERFACE HTTPS
    HTTPS_KEYSIZE HTTPS_SECRETKEYSIZE HTTPS_SERVER_ISSUER HTTPS_SERVER_SUBJECT IISNODE_VERSION
    INSTANCE_ID INSTANCE_META_PATH INSTANCE_NAME LOCAL_ADDR LOGON_USER PATH_INFO PATH_TRANSLATED
    QUERY_STRING REMOTE_ADDR REMOTE_HOST REMOTE_PORT REMOTE_USER REQUEST_FILENAME REQUEST_METHOD
    REQUEST_URI SCRIPT_FILENAME SCRIPT_NAME SCRIPT_TRANSLATED SERVER_ADDR SERVER_NAME SERVER_PORT
    SERVER_PORT_SECURE SERVER_PROTOCOL SERVER_SOFTWARE SSI_EXEC_DISABLED UNENCODED_URL
    UNMAPPED_REMOTE_USER URL URL_PATH_INFO WEBSOCKET_VERSION IIS_WASURLREWRITTEN
    APP_POOL_ID APPL_HOST_NAME APP_WARMING_UP""".split()
)
_VARIABLE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
#: Empty in rules, which run before anybody is authenticated.
_USERS = frozenset({"REMOTE_USER", "LOGON_USER", "AUTH_USER", "AUTH_TYPE"})
_URLS = frozenset({"URL", "REQUEST_URI", "PATH_INFO", "SCRIPT_NAME", "UNENCODED_URL"})
#: A set of letters that holds one twice, as nobody writes who means a set.
_SET = re.compile(r"\[\^?([A-Za-z]{3,})\]")


def findings(rule: Rule) -> Iterator[Finding]:
    """Findings about the conditions of a rule."""
    for condition in rule.conditions:
        yield from _variables(rule, condition)
        found = _VARIABLE.fullmatch(condition.input.source.strip())
        name = found[1].upper() if found else ""
        if condition.match_type != "Pattern":
            if name in _URLS:
                yield finding(
                    "rewrite-file-test-of-url",
                    condition.span,
                    rule=rule.name,
                    variable=name,
                    test=condition.match_type,
                )
        elif name in _USERS:
            yield finding("rewrite-user-variable", condition.span, rule=rule.name, variable=name)
        elif name and rule.pattern_syntax == "ECMAScript" and (form := _misfit(name, condition)):
            yield finding(
                f"rewrite-impossible-condition/{form}",
                condition.span,
                rule=rule.name,
                pattern=condition.pattern,
                variable=name,
            )
    yield from _any_of_negated(rule)
    yield from _letters(rule)


def _misfit(name: str, condition: Condition) -> str:
    """The form of ``rewrite-impossible-condition`` that a pattern is; "" for one that can match."""
    pattern = condition.pattern
    if name == "QUERY_STRING" and re.match(r"\^?\(?(?:\\\?|\[\?\])(?![*?])", pattern):
        return "query"
    if name in ("REQUEST_URI", "URL", "PATH_INFO") and re.match(r"\^\(?[A-Za-z0-9_]", pattern):
        return "" if "|" in pattern else "path"
    if name == "HTTP_HOST" and re.search(r"://|(?<!\\)/|\\/", pattern) and "|" not in pattern:
        return "" if re.search(r"[(\[][^)\]]*/", pattern) else "host"
    if name == "HTTPS":
        return _switch(condition)
    if name == "REQUEST_METHOD" and not condition.ignore_case:
        return "method" if re.search(r"[a-z]{3}", pattern) else ""
    if name == "REQUEST_FILENAME" and re.search(r"\w/\w|^\^/\w", pattern):
        return "" if re.search(r"\\\\|\[[^\]]*/", pattern) else "filename"
    return ""


def _switch(condition: Condition) -> str:
    """As ``_misfit``, for {HTTPS}, which is "on" or "off"."""
    word = condition.pattern.strip("^$()")
    if word.lower() in ("true", "false", "1", "0", "yes", "no", "https", "http"):
        return "https"
    is_upper = word.lower() in ("on", "off") and word != word.lower()
    return "case" if is_upper and not condition.ignore_case else ""


def _variables(rule: Rule, condition: Condition) -> Iterator[Finding]:
    """Names that no server variable has, where one is near."""
    for name in _VARIABLE.findall(condition.input.source):
        upper = name.upper()
        if upper in VARIABLES or upper.startswith(("HTTP_", "HEADER_", "CERT_", "RESPONSE_")):
            continue
        if near := get_close_matches(upper, VARIABLES, 1, 0.8):
            yield finding(
                "rewrite-unknown-variable",
                condition.span,
                rule=rule.name,
                variable=name,
                near=near[0],
            )


def _any_of_negated(rule: Rule) -> Iterator[Finding]:
    """Two negated file tests of which one always holds."""
    tests = {
        condition.match_type
        for condition in rule.conditions
        if condition.negate and condition.match_type != "Pattern"
    }
    if rule.match_any and tests == {"IsFile", "IsDirectory"}:
        yield finding("rewrite-any-of-negated", rule.span, rule=rule.name)


def _letters(rule: Rule) -> Iterator[Finding]:
    """Sets of letters that are meant as words, such as [^www]."""
    patterns = [(rule.pattern or "", rule.span)] if rule.pattern_syntax == "ECMAScript" else []
    patterns += [
        (condition.pattern, condition.span)
        for condition in rule.conditions
        if condition.match_type == "Pattern" and rule.pattern_syntax == "ECMAScript"
    ]
    for pattern, span in patterns:
        for found in _SET.finditer(pattern):
            word = found[1].lower()
            if len(set(word)) < len(word):
                yield finding(
                    "rewrite-set-of-letters", span, rule=rule.name, set=found[0], word=found[1]
                )
                return
