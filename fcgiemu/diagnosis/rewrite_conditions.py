"""Conditions of rewrite rules that cannot fit what they test: a query never begins with a question
mark, a host name holds no slash, a file is not found by its URL.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from difflib import get_close_matches

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..rewrite import targets
from ..rewrite.rule import Condition, Rule
from . import condition_remedies, rewrite_patterns, sample_requests
from .rule_kinds import target
from .rule_patterns import decoded

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
_VARIABLE = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")
#: Empty in rules, which run before anybody is authenticated.
_USERS = frozenset({"REMOTE_USER", "LOGON_USER", "AUTH_USER", "AUTH_TYPE", "UNMAPPED_REMOTE_USER"})
_URLS = frozenset({"URL", "REQUEST_URI", "PATH_INFO", "SCRIPT_NAME", "UNENCODED_URL"})
#: Those of them that hold the query.
_WITH_QUERY = frozenset({"REQUEST_URI", "UNENCODED_URL"})
_QUERY = frozenset({"QUERY_STRING"})


def findings(rule: Rule, known: Container[str]) -> Iterator[Finding]:
    """Findings about the conditions of a rule; ``known`` are the variables that rules set."""
    for text, span in _texts(rule):
        yield from _variables(rule, text, span, known)
    for condition in rule.conditions:
        found = _VARIABLE.fullmatch(condition.input.source.strip())
        name = found[1].upper() if found else ""
        if condition.match_type != "Pattern":
            yield from _file_test(rule, condition)
        elif _HOST_AND_PATH.fullmatch(condition.input.source.strip().upper()):
            yield from _host_and_path(rule, condition)
        elif name.startswith("HTTP_X_MS_CLIENT_PRINCIPAL"):
            yield finding("rewrite-client-principal", condition.span, rule=rule.name, variable=name)
        elif name in _USERS:
            yield finding("rewrite-user-variable", condition.span, rule=rule.name, variable=name)
        else:
            yield from _impossible(name, condition, rule.pattern_syntax, rule.name)
            yield from _any_port(name, rule, condition)
    yield from _users(rule)
    yield from _names(rule)
    yield from _any_of_negated(rule)
    yield from _any_of_exclusions(rule)


#: The host and the path behind it, as one input.
_HOST_AND_PATH = re.compile(
    r"\{(?:HTTP_HOST|SERVER_NAME)\}\{(?:REQUEST_URI|URL|PATH_INFO|UNENCODED_URL)\}"
)


def _host_and_path(rule: Rule, condition: Condition) -> Iterator[Finding]:
    """A pattern for host and path in one that begins with a scheme, or ends with the host."""
    pattern = condition.pattern.strip()
    is_host = pattern[:1] + pattern[-1:] == "^$" and re.fullmatch(r"\^(?:[\w-]|\\?\.)+\$", pattern)
    scheme = re.match(r"\^?(?:https?\??|\(https?\|https?\)|\(https\?\)):", pattern)
    if is_host or scheme:
        form = "host-alone" if is_host else "scheme"
        made = condition_remedies.meant(form, condition, rule.pattern_syntax)
        yield finding(
            f"rewrite-impossible-condition/{form}",
            condition.span,
            rule=rule.name,
            pattern=condition.pattern,
            variable=condition.input.source.strip(),
            meant=f"{pattern[:-1]}/" if is_host else made,
            effect="always holds" if condition.negate else "never holds",
        )


#: Any port at the end of a host, which a pattern demands.
_PORT = re.compile(r"(\(?):(\(?)(?:\[0-9\]|\\d)(?:\+|\{[\d,]+\})(\)?)(\)?)(?=\$?$)")


def _any_port(name: str, rule: Rule, condition: Condition) -> Iterator[Finding]:
    """A host that has to come with its port, which clients leave out where it is the default one. A
    redirect may be there to remove it.
    """
    port = _PORT.search(condition.pattern.strip())
    is_sure = name == "HTTP_HOST" and rule.action.type == "Rewrite" and not condition.negate
    if port is None or not is_sure or rule.match_any or rule.pattern_syntax != "ECMAScript":
        return
    start, rest = condition.pattern.strip()[: port.start()], condition.pattern.strip()[port.end() :]
    start = re.sub(r"\.([*+])(\)?)$", r".\1?\2", start)  # else it would hold the port
    demanded = port[0] if port[0].startswith("(") and port[0].endswith(")") else f"(?:{port[0]})"
    yield finding(
        "rewrite-impossible-condition/any-port",
        condition.span,
        rule=rule.name,
        pattern=condition.pattern,
        meant=condition_remedies.attributes(pattern=f"{start}{demanded}?{rest}"),
    )


def outbound(name: str, condition: Condition) -> Iterator[Finding]:
    """As ``findings``, about a condition of the outbound rule or preCondition called ``name``."""
    found = _VARIABLE.fullmatch(condition.input.source.strip())
    if found is None or condition.match_type != "Pattern":
        return
    syntax = "ECMAScript" if rewrite_patterns.is_regex(condition.pattern) else "Wildcard"
    yield from _impossible(found[1].upper(), condition, syntax, name)


def _impossible(name: str, condition: Condition, syntax: str, rule: str) -> Iterator[Finding]:
    """A condition on the variable ``name`` that never fits it."""
    misfit = _misfit(name, condition, syntax) if name and condition.matcher is not None else None
    if misfit is not None:
        yield finding(
            f"rewrite-impossible-condition/{misfit[0]}",
            condition.span,
            rule=rule,
            pattern=condition.pattern,
            variable=name,
            meant=misfit[1] or condition_remedies.meant(misfit[0], condition, syntax),
            effect="always holds" if condition.negate else "never holds",
        )


def _made(rule: Rule) -> list[tuple[str, Span]]:
    """The texts that a rule makes, and where they stand: variables that it sets, its target."""
    texts = [(variable.value.source, variable.span) for variable in rule.variables]
    return texts + ([(rule.action.url.source, rule.span)] if rule.action.url is not None else [])


def _texts(rule: Rule) -> list[tuple[str, Span]]:
    """The texts of a rule that may hold variables, and where they stand."""
    inputs = [(condition.input.source, condition.span) for condition in rule.conditions]
    return inputs + _made(rule)


def _users(rule: Rule) -> Iterator[Finding]:
    """Variables about the user in targets and in variables that the rule sets."""
    form = "redirect" if rule.action.type == "Redirect" else "sent"
    if rule.action.type == "Rewrite" and targets.is_foreign(target(rule)):
        form = "front"
    code = f"rewrite-user-variable/{form}"
    for text, span in _made(rule):
        for name in _VARIABLE.findall(text):
            if name.upper() in _USERS:
                yield finding(code, span, rule=rule.name, variable=name.upper())


#: Variables that people write without their braces.
_BARE = re.compile(
    r"(?<![\w{%.:-])(?:HTTP_[A-Z_]+|REQUEST_URI|QUERY_STRING|SERVER_NAME|REMOTE_ADDR|PATH_INFO)(?![\w}])"
)


def _names(rule: Rule) -> Iterator[Finding]:
    """Names of variables in the texts that a rule makes, as text."""
    for variable in rule.variables:
        if _BARE.fullmatch(variable.value.source.strip()):
            yield _bare(rule, "value", variable.value.source, variable.span)
    url = rule.action.url.source if rule.action.url is not None else ""
    if _BARE.search(url):
        yield _bare(rule, "target", url, rule.span)


def _bare(rule: Rule, form: str, text: str, span: Span) -> Finding:
    meant = _BARE.sub(lambda found: f"{{{found[0]}}}", text)
    return finding(f"rewrite-literal-variable/{form}", span, rule=rule.name, text=text, meant=meant)


#: What the test of a file may look at: variables and parts that hold a path of the disk.
_DISK = re.compile(
    r"(?i)\{(?:REQUEST_FILENAME|DOCUMENT_ROOT|APPL_PHYSICAL_PATH|PATH_TRANSLATED|SCRIPT_FILENAME"
    r"|SCRIPT_TRANSLATED)\}|[a-z]:|\\\\|%"
)


def _file_test(rule: Rule, condition: Condition) -> Iterator[Finding]:
    """IsFile and IsDirectory of what is not a path of the disk, and with a pattern."""
    if condition.pattern.strip("^$.*() "):
        yield finding(
            "rewrite-pattern-ignored",
            condition.span,
            rule=rule.name,
            test=condition.match_type,
            pattern=condition.pattern,
        )
    source = condition.input.source.strip()
    found = re.match(rf"(?i)/?\{{(R:\d+|{'|'.join(_URLS)})\}}", source)
    if other := re.fullmatch(
        r"(?i)\{(HTTP_\w+|HTTPS|SERVER_NAME|QUERY_STRING|REQUEST_METHOD)\}", source
    ):
        yield finding(
            "rewrite-file-test-of-url/other",
            condition.span,
            rule=rule.name,
            variable=other[1].upper(),
            test=condition.match_type,
            meant="{REQUEST_FILENAME}",
        )
    if found is None or _DISK.match(source):
        return
    below = re.sub(r"^/?\{[\w:]+\}", "", source)
    meant = "{APPL_PHYSICAL_PATH}{R:0}" + below if below else "{REQUEST_FILENAME}"
    yield finding(
        f"rewrite-file-test-of-url{'/below' if below else ''}",
        condition.span,
        rule=rule.name,
        variable=found[1].upper(),
        test=condition.match_type,
        meant=meant,
    )


#: A host name at the start of a pattern on the URL.
_HOST = re.compile(
    r"\^?(?:\.\*|\(\.\*\))?\(?(?:\?:)?(?:www\\?\.|localhost(?::\S+)?(?:\$?$|/)|127\\?\.0\\?\.0\\?\.1"
    r"|(?:[\w-]+\\?\.)+(?:com|org|net|edu|gov|io|info|biz|dev|de|uk|eu|fr|nl|ca|au|ch|at|dk|se|es|pl)"
    r"(?:/|\$|\)|\(?\.\*|$))"
)
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")
#: Variables that have few values -> these values.
_VALUES = {"HTTPS": ("on", "off"), "SERVER_PORT_SECURE": ("1", "0")}
#: What {SERVER_PROTOCOL} holds.
_PROTOCOLS = ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0", "HTTP/3", "HTTP/3.0")
#: What people write for them.
_YES = frozenset({"on", "1", "true", "yes", "https", "ssl", "enabled", "443", "secure"})
_NO = frozenset({"off", "0", "false", "no", "http", "disabled", "80", ""})


def _misfit(name: str, condition: Condition, syntax: str) -> tuple[str, str] | None:
    """The form of ``rewrite-impossible-condition`` that a pattern is, and the pattern that was
    meant; None for one that can match.
    """
    written = condition.pattern.strip()
    if syntax != "ECMAScript" and rewrite_patterns.is_regex(written):
        return None  # that has been said
    pattern = rewrite_patterns.as_regex(written, syntax)
    is_regex = syntax == "ECMAScript"
    first = rewrite_patterns.begins(pattern)
    if name in _VALUES:
        return _switch(name, condition, is_regex)
    if name == "QUERY_STRING" and rewrite_patterns.needs(pattern, " "):
        return "query-decoded", written.replace(" ", r"(?:%20|\+)" if is_regex else "%20")
    if name == "QUERY_STRING" and (first == {"?"} or rewrite_patterns.needs(pattern, "?")):
        meant = (
            rewrite_patterns.without_first(written, "?") if is_regex else written.partition("?")[2]
        )
        rest = re.sub(r"^(\^?).*\\\?", r"\1", meant) if is_regex else meant
        return "query", rest
    if name == "QUERY_STRING" and is_regex and first == {"&"}:
        return "query-between", re.sub(r"^\^&", "(?:^|&)", written)
    if name in _URLS | _QUERY and "&amp;" in written:
        return "entity", written.replace("&amp;", "&")
    if name == "QUERY_STRING" and is_regex and (meant := _from_first(condition, written)):
        return "query-first", meant
    asked = _MARK_BEFORE_QUERY.search(written) if is_regex and name in _URLS | _QUERY else None
    if asked and (marked := _with_mark(condition, written, asked, name)):
        return marked
    if name in _URLS:
        if re.search(r"(?i)https?\??:|://", written) or _HOST.match(written):
            return "url-host", ""
        if name != "UNENCODED_URL" and (meant := decoded(written.partition("?")[0])):
            return "encoded", meant
        if first and "/" not in first:
            return "path", rewrite_patterns.with_first(written, "/") if is_regex else f"/{written}"
        return (
            ("no-query", "")
            if name not in _WITH_QUERY and rewrite_patterns.needs(pattern, "?")
            else None
        )
    if name in ("HTTP_HOST", "SERVER_NAME") and _has_capitals(condition, written):
        return "host-case", written.lower()
    if name in ("HTTP_HOST", "SERVER_NAME") and rewrite_patterns.needs(pattern, "/"):
        return "host", ""
    if name in ("HTTP_HOST", "SERVER_NAME") and re.search(r":(?:80|443)\$?$", pattern):
        return "default-port", ""
    if name == "REMOTE_ADDR" and re.fullmatch(r"\^?[g-z][a-z-]*\$?", written.lower()):
        return "address-name", ""
    if name == "REMOTE_ADDR" and rewrite_patterns.needs(pattern, "/"):
        return "address", ""
    if name == "HTTP_REFERER" and first and not first & set("hH") and "android" not in pattern:
        return "referer", ""
    if name == "SERVER_PORT" and re.fullmatch(
        r"\^?\(?(?:https?|ssl|on|off)\)?\$?", written.lower()
    ):
        port = "443" if _polarity(written) else "80"
        return "port", f"^{port}$" if is_regex else port
    if name == "SERVER_PROTOCOL" and not any(map(condition.matcher, _PROTOCOLS)):  # type: ignore[arg-type]
        return "protocol", ""
    words = re.findall(r"[A-Za-z]+", written)
    if name == "REQUEST_METHOD" and len(words) > 1 and {*map(str.upper, words)} <= {*_METHODS}:
        if (
            condition.matcher
            and not any(map(condition.matcher, _METHODS))
            and condition.ignore_case
        ):
            return "method-list", f"^(?:{'|'.join(words).upper()})$"
    if name == "REQUEST_METHOD" and condition.matcher and not condition.ignore_case:
        fits = any(condition.matcher(method) for method in _METHODS)
        lower = any(condition.matcher(method.lower()) for method in _METHODS)
        return ("method", written.upper()) if lower and not fits else None
    if name == "REQUEST_FILENAME" and rewrite_patterns.needs(pattern, "/"):
        return "filename", ""
    return None


#: A question mark or an ampersand: what a parameter stands behind in a whole URL.
_SEPARATOR = re.compile(
    r"\^?(?:\[(?=[^\]]*\?)(?=[^\]]*&)(?:\\?[?&|;/])+\]"
    r"|(\((?:\?:)?)(?:\^?(?:\\\?|\[\?\])\|\[?&\]?|&\|(?:\\\?|\[\?\]))\))(?![?*{])"
)


def _from_first(condition: Condition, pattern: str) -> str:
    """A pattern that looks for a parameter behind a question mark or an ampersand, as one that also
    finds it at the start of a query; "" for another pattern, and for one that finds it already.
    """
    meant = _SEPARATOR.sub(lambda found: f"{found[1] or '(?:'}^|&)", pattern)
    meant = meant.replace("((?:^|&))", "(^|&)")
    query = re.sub(r"^\^?(?:\.\*\??|\(\.\*\??\))", "", meant)
    text = sample_requests.example(query, "x") if meant != pattern else None
    is_new = text is not None and condition.matcher is not None and not condition.matcher(text)
    return meant if is_new else ""


def _has_capitals(condition: Condition, pattern: str) -> bool:
    """Whether a pattern for a host fits one in capitals alone."""
    if condition.ignore_case or condition.matcher is None or not re.search("[A-Z]", pattern):
        return False
    text = sample_requests.example(pattern, "x") if not re.search(r"\\[A-Z]", pattern) else None
    return text is not None and condition.matcher(text.lower()) is None


#: A question mark behind a path and before a parameter, or behind the extension of a script and
#: before a word.
_MARK_BEFORE_QUERY = re.compile(
    r"(?<=[\w/)*+\]])\?(?=\(?\[?[\w.-]+\]?[*+]?=)|(?<=\.php|html|aspx|\.jsp|\.asp|\.cgi)\?(?=[\w(])"
)


def _with_mark(
    condition: Condition, pattern: str, found: re.Match[str], name: str
) -> tuple[str, str] | None:
    """As ``_misfit``, for a pattern whose question mark, ``found``, says that the character before
    it may be missing; None where it matches a URL with a query all the same.
    """
    meant = f"{pattern[: found.start()]}\\{pattern[found.start() :]}"
    text = sample_requests.example(meant, "x")
    if text is None or condition.matcher is None or condition.matcher(text):
        return None
    if name == "QUERY_STRING":
        if not re.search(r"/$|\.\w+$", pattern[: found.start()]):
            return None  # two spellings of a parameter
        return "query", "^" * pattern.startswith("^") + pattern[found.end() :]
    return "query-mark" if name in _WITH_QUERY else "path-query", meant


def _switch(name: str, condition: Condition, is_regex: bool) -> tuple[str, str] | None:
    """As ``_misfit``, for a variable of two values."""
    assert condition.matcher is not None
    if any(condition.matcher(value) for value in _VALUES[name]):
        return None
    is_yes = _polarity(condition.pattern)
    if is_yes is None:
        return None
    meant = _VALUES[name][0 if is_yes else 1]
    word = meant
    meant = f"^{meant}$" if is_regex else meant
    if name == "HTTPS":
        return ("case" if word in condition.pattern.lower() else "https"), meant
    return "secure", meant


def _polarity(pattern: str) -> bool | None:
    """Whether the words of a pattern mean yes, or no; None for others, and for both."""
    words = set(re.sub(r"[\^$()\[\]?:]", "", pattern).strip().lower().split("|"))
    return True if words <= _YES else False if words <= _NO else None


#: Request headers that rules look at, as variables.
_HEADERS = frozenset(
    """HTTP_HOST HTTP_USER_AGENT HTTP_REFERER HTTP_COOKIE HTTP_ACCEPT HTTP_ACCEPT_ENCODING
    HTTP_ACCEPT_LANGUAGE HTTP_AUTHORIZATION HTTP_ORIGIN HTTP_UPGRADE HTTP_CONNECTION HTTP_URL
    HTTP_METHOD HTTP_VERSION HTTP_VIA HTTP_RANGE HTTP_FORWARDED HTTP_TRUE_CLIENT_IP HTTP_DNT
    HTTP_CF_CONNECTING_IP HTTP_CF_VISITOR HTTP_CLIENT_IP HTTP_CONTENT_TYPE HTTP_CACHE_CONTROL
    HTTP_FRONT_END_HTTPS HTTP_IF_MODIFIED_SINCE HTTP_PRAGMA HTTP_PURPOSE""".split()
)
#: Names from other servers and languages -> those of IIS.
_MISNOMERS = {
    "HOST": "HTTP_HOST",
    "HOST_NAME": "HTTP_HOST",
    "REQUEST_HOST": "HTTP_HOST",
    "PATH": "URL",
    "REQUEST_PROTOCOL": "HTTPS",
    "PROTOCOL": "HTTPS",
    "PORT": "SERVER_PORT",
    "REQUEST_PORT": "SERVER_PORT",
    "IP": "REMOTE_ADDR",
    "REMOTE_ADDRESS": "REMOTE_ADDR",
    "HTTP_REMOTE_ADDR": "REMOTE_ADDR",
    "HTTP_REQUEST_METHOD": "REQUEST_METHOD",
    "HTTP_REQUEST_URI": "REQUEST_URI",
    "HTTP_QUERY_STRING": "QUERY_STRING",
    "FILENAME": "REQUEST_FILENAME",
    "REQUEST_FILE": "REQUEST_FILENAME",
    "HOSTNAME": "HTTP_HOST",
    "HTTP_HOSTNAME": "HTTP_HOST",
    "SERVER_HOST": "HTTP_HOST",
    "DOMAIN": "HTTP_HOST",
    "URI": "REQUEST_URI",
    "REQUEST_URL": "REQUEST_URI",
    "THE_REQUEST": "REQUEST_URI",
    "REQUEST_PATH": "URL",
    "QUERY": "QUERY_STRING",
    "REQUEST_QUERY": "QUERY_STRING",
    "METHOD": "REQUEST_METHOD",
    "SCHEME": "HTTPS",
    "REQUEST_SCHEME": "HTTPS",
    "SSL": "HTTPS",
    "HTTP_HTTPS": "HTTPS",
    "REMOTE_IP": "REMOTE_ADDR",
    "CLIENT_IP": "REMOTE_ADDR",
    "USER_AGENT": "HTTP_USER_AGENT",
    "HTTP_USERAGENT": "HTTP_USER_AGENT",
    "REFERER": "HTTP_REFERER",
    "REFERRER": "HTTP_REFERER",
    "HTTP_REFERRER": "HTTP_REFERER",
    "COOKIE": "HTTP_COOKIE",
    "HTTP_COOKIES": "HTTP_COOKIE",
    "HTTP_X_FORWARD_FOR": "HTTP_X_FORWARDED_FOR",
    "HTTP_FORWARDED_PROTO": "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARD_PROTO": "HTTP_X_FORWARDED_PROTO",
}


def _near(name: str, known: Container[str]) -> str:
    """The variable that is meant by a name which none has; "" for a name that may exist."""
    if name in VARIABLES or name in known:
        return ""
    if name in _MISNOMERS:
        return _MISNOMERS[name]
    underlined = name.replace("-", "_")
    if underlined.startswith("X_") or f"HTTP_{underlined}" in _HEADERS:
        return f"HTTP_{underlined}"
    if underlined != name and (underlined in VARIABLES or underlined.startswith("HTTP_")):
        return underlined
    if name.startswith("HTTP_") and not name.startswith("HTTP_X_") and name not in _HEADERS:
        return "".join(get_close_matches(name, _HEADERS, 1, 0.87))
    if name.startswith(("HTTP_", "HEADER_", "CERT_", "RESPONSE_")):
        return ""
    return "".join(get_close_matches(name, VARIABLES, 1, 0.8))


def _with_variable(rule: Rule, url: str, name: str, near: str) -> str:
    """A target with the variable that was meant: one slash before the path, the query once."""
    head, _, tail = url.partition(f"{{{name}}}")
    if near == "HTTPS" and not head and tail.startswith("://"):
        return f"https{tail}"  # it is on or off, and no scheme
    if near in _WITH_QUERY and rule.action.append_query_string and "?" not in head:
        near = "URL"
    if near in _URLS and head.endswith("/") and not head.endswith("//"):
        head = head[:-1]
    return f"{head}{{{near}}}{tail}"


#: What the names of variables begin with that nobody has listed.
_OPEN = (
    *("HTTP_", "HEADER_", "CERT_", "RESPONSE_", "GEOIP_", "IIS_", "MANAGED_"),
    *("APP_POOL", "APPSETTING_"),
)


def _variables(rule: Rule, text: str, span: Span, known: Container[str]) -> Iterator[Finding]:
    """Names that no server variable has, where one is near."""
    for name in _VARIABLE.findall(text):
        if near := _near(name.upper(), known):
            is_target = rule.action.url is not None and text == rule.action.url.source
            yield finding(
                f"rewrite-unknown-variable{'/target' if is_target else ''}",
                span,
                rule=rule.name,
                variable=name,
                near=near,
                url=text,
                meant=_with_variable(rule, text, name, near) if is_target else "",
            )
        elif not name.upper().startswith(_OPEN) and name.upper() not in VARIABLES:
            if name.upper() not in known and not name.isdecimal():
                yield finding(
                    "rewrite-unknown-variable/none",
                    span,
                    severity="info",
                    rule=rule.name,
                    variable=name,
                )


def is_always(rule: Rule) -> bool:
    """Whether a rule has two negated file tests of which one always holds."""
    tests = {
        condition.match_type
        for condition in rule.conditions
        if condition.negate and condition.match_type != "Pattern"
    }
    return rule.match_any and tests == {"IsFile", "IsDirectory"}


def _any_of_negated(rule: Rule) -> Iterator[Finding]:
    if is_always(rule):
        yield finding("rewrite-any-of-negated", rule.span, rule=rule.name)


#: What says whether a request came to the right address: a redirect that is for any that did not,
#: by its scheme or its host, is right.
_OF_ADDRESS = frozenset(
    """{HTTPS} {HTTP_HOST} {SERVER_NAME} {SERVER_PORT} {SERVER_PORT_SECURE} {HTTP_X_FORWARDED_PROTO}
    {HTTP_X_FORWARDED_HOST}""".split()
)


def _any_of_exclusions(rule: Rule) -> Iterator[Finding]:
    """Exceptions of a rule under MatchAny: a request has to be all of them to be left alone."""
    inputs = {condition.input.source.strip().upper() for condition in rule.conditions}
    patterns = any(condition.match_type == "Pattern" for condition in rule.conditions)
    if (
        rule.match_any
        and patterns
        and len(inputs) > 1
        and all(condition.negate for condition in rule.conditions)
        and not (rule.action.type == "Redirect" and inputs <= _OF_ADDRESS)
        and not is_always(rule)
    ):
        yield finding("rewrite-any-of-negated/exceptions", rule.span, rule=rule.name)
