"""What of a request two configurations look at: the columns of a log that can change a decision.

Requests that agree in these columns are decided once. Where no rule reads the query, a log of a
million URLs with session identifiers has only as many different requests as it has paths. A rule
that reads what no log holds (Accept-Language, say) is named: it is decided as if that were empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..config.tree import Effective, fatal_error
from ..files import UNWATCHED
from ..modules import http_redirection, ip_restriction, request_filtering
from ..rewrite.compiler import InboundRules, inbound
from ..rewrite.pattern import Matcher
from ..rewrite.rule import Condition, Rule
from ..rewrite.template import Template
from ..site import Site
from .entry import OPTIONAL, Wanted

#: Server variable -> the columns that it shows.
_COLUMNS = {
    "QUERY_STRING": ("query",),
    "REQUEST_URI": ("query",),
    "UNENCODED_URL": ("query",),
    "HTTP_URL": ("query",),
    "HTTP_X_ORIGINAL_URL": ("query",),
    "CACHE_URL": ("query", "host"),
    "HTTP_HOST": ("host",),
    "SERVER_NAME": ("host",),
    "HTTP_USER_AGENT": ("agent",),
    "HTTP_REFERER": ("referer",),
    "HTTP_COOKIE": ("cookie",),
    "REMOTE_ADDR": ("client",),
    "REMOTE_HOST": ("client",),
}
#: What the front end of App Service adds, and what it is made of.
_FRONT_END = {
    "HTTP_MAX_FORWARDS": (),
    "HTTP_CLIENT_IP": ("client",),
    "HTTP_DISGUISED_HOST": ("host",),
    "HTTP_X_SITE_DEPLOYMENT_ID": (),
    "HTTP_WAS_DEFAULT_HOSTNAME": (),
    "HTTP_X_FORWARDED_PROTO": (),
    "HTTP_X_APPSERVICE_PROTO": (),
    "HTTP_X_FORWARDED_FOR": ("client",),
    "HTTP_X_WAWS_UNENCODED_URL": ("query",),
    "HTTP_X_CLIENT_IP": ("client",),
    "HTTP_X_ARR_SSL": (),
    "HTTP_X_FORWARDED_TLSVERSION": (),
}
#: Variables that follow from path, method, port and the site.
_ALWAYS = frozenset(
    """URL PATH_INFO SCRIPT_NAME URL_PATH_INFO PATH_TRANSLATED REQUEST_FILENAME SCRIPT_FILENAME
    SCRIPT_TRANSLATED SERVER_PORT SERVER_PORT_SECURE HTTPS REQUEST_METHOD HTTP_METHOD
    APPL_PHYSICAL_PATH DOCUMENT_ROOT APPL_MD_PATH APP_POOL_ID APP_POOL_CONFIG INSTANCE_ID
    INSTANCE_NAME INSTANCE_META_PATH GATEWAY_INTERFACE SERVER_SOFTWARE MANAGED_PIPELINE_MODE
    IIS_WASURLREWRITTEN IIS_URLREWRITEMODULE""".split()
)
_EVERYTHING = frozenset({"ALL_HTTP", "ALL_RAW"})
_HEADERS = {"host": "host", "user-agent": "agent", "referer": "referer", "cookie": "cookie"}
#: A server variable in a template, outside of calls and in them.
VARIABLE = re.compile(r"\{([^{}:]+)\}")
#: Below this length a query that no rule reads can reach no limit that anybody sets.
_LONG_QUERY = 1024


@dataclass(slots=True)
class Inputs:
    """What decides: ``reasons`` has the optional columns, each with what reads it; ``lacking`` what
    is read though no log holds it.
    """

    reasons: dict[str, list[str]] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    long_query: int = _LONG_QUERY
    #: Patterns of conditions on {QUERY_STRING}: where ``tests_tell``, a query decides by which of
    #: them it matches.
    query_tests: list[Matcher] = field(default_factory=list)
    tests_tell: bool = True

    @property
    def wanted(self) -> Wanted:
        """The columns for the readers."""
        return Wanted(frozenset(self.reasons), self.long_query)

    def read(self, column: str, reason: str) -> None:
        """Note that ``reason`` reads a column."""
        self._note(column, reason)
        if column == "query":
            self.tests_tell = False

    def test_query(self, matcher: Matcher, reason: str) -> None:
        """Note that ``reason`` asks whether the query matches a pattern, and nothing else."""
        self._note("query", reason)
        self.query_tests.append(matcher)

    def _note(self, column: str, reason: str) -> None:
        reasons = self.reasons.setdefault(column, [])
        if reason not in reasons:
            reasons.append(reason)

    def lack(self, text: str) -> None:
        """Note that something is read which no log holds."""
        if text not in self.lacking:
            self.lacking.append(text)


def inputs(sites: Iterable[Site]) -> Inputs:
    """What of a request any of ``sites`` looks at."""
    found = Inputs()
    for site in sites:
        for effective in configurations(site):
            if fatal_error(effective) is None:
                _of_configuration(found, effective, site.settings.azure)
    found.lacking.sort()
    found.reasons = {name: found.reasons[name] for name in OPTIONAL if name in found.reasons}
    return found


def configurations(site: Site) -> Iterator[Effective]:
    """Every configuration that a URL of the site can have."""
    seen: set[int] = set()
    for path in configured_paths(site):
        effective = site.effective(path)
        if id(effective) not in seen:
            seen.add(id(effective))
            yield effective


def configured_paths(site: Site) -> Iterator[str]:
    """URL paths with a configuration of their own, in the spelling of folders and locations."""
    yield "/"
    files = site.tree.load_all(lambda name: name.lower() in UNWATCHED or name == ".fcgiemu")
    for file in (*site.tree.host, *files):
        yield file.directory or "/"
        for location in file.locations:  # of the host with the site's name in front
            below = location.partition("/")[2] if file.is_host else location
            yield f"{file.directory}/{below}"


def _of_configuration(found: Inputs, effective: Effective, azure: bool) -> None:
    rules = effective.view(inbound)
    assigned = _assigned(rules)
    for rule in (*rules.global_rules, *rules.rules):
        _of_rule(found, rule, assigned, azure)
    _of_filter(found, effective)
    if effective.view(http_redirection.http_redirection) is not None:
        found.read("host", "httpRedirect")
        found.read("query", "httpRedirect")
    addresses = effective.view(ip_restriction.addresses)
    if addresses is not None:
        found.read("client", "ipSecurity")
        if addresses.proxy_mode and not azure:
            found.lack("ipSecurity reads X-Forwarded-For (enableProxyMode)")


def _assigned(rules: InboundRules) -> frozenset[str]:
    """Variables that rules set: what they hold does not come from the client alone."""
    return frozenset(
        variable.name.upper()
        for rule in (*rules.global_rules, *rules.rules)
        for variable in rule.variables
    )


def _of_rule(found: Inputs, rule: Rule, assigned: frozenset[str], azure: bool) -> None:
    where = f"rule '{rule.name}' ({rule.span})"
    for name in sorted(_variables(rule)):
        columns = _COLUMNS.get(name, _FRONT_END.get(name) if azure else None)
        if name in _EVERYTHING:
            columns = OPTIONAL
            found.lack(f"{where} reads {{{name}}}")
        elif columns is None:
            if name not in _ALWAYS and name not in assigned:
                found.lack(f"{where} reads {{{name}}}")
            continue
        for column in columns:
            found.read(column, where)
    for condition in rule.conditions:
        if condition.matcher is not None and _tests_the_query(rule, condition):
            found.test_query(condition.matcher, where)
    action = rule.action
    if action.type == "Redirect":
        found.read("host", where)
    if action.type == "Rewrite" and action.url is not None and "?" in action.url.source:
        found.tests_tell = False  # other rules test another query then
    if action.url is not None and not action.append_query_string and "?" in action.url.source:
        found.read("query", where)  # equal to what another rule appends, for that query alone


#: A pattern that says how a URL begins, with nothing in it that could match a "?".
_BEGINNING = re.compile(r"\^(?:[A-Za-z0-9/_~-]|\\[./-])*(?:\.\*\$?)?")
_URLS = frozenset({"{REQUEST_URI}", "{UNENCODED_URL}", "{HTTP_URL}"})


def _variables(rule: Rule) -> set[str]:
    """The server variables that a rule reads, in capitals."""
    templates = results(rule)
    templates += [
        one.input
        for one in rule.conditions
        if not (_reads_only_the_path(rule, one) or _tests_the_query(rule, one))
    ]
    names = {name.strip().upper() for one in templates for name in VARIABLE.findall(one.source)}
    return names | {one.name.upper() for one in rule.variables if not one.replace}


def results(rule: Rule) -> list[Template]:
    """What a rule makes texts of."""
    action = rule.action
    texts = [one for one in (action.url, action.reason, action.description) if one is not None]
    return texts + [variable.value for variable in rule.variables]


def _uses_captures(rule: Rule) -> bool:
    """Whether a rule uses what its conditions have captured."""
    templates = [*results(rule), *(condition.input for condition in rule.conditions)]
    return any("{c:" in one.source.lower() for one in templates)


def _tests_the_query(rule: Rule, condition: Condition) -> bool:
    """Whether a condition only asks if the query matches a pattern."""
    return (
        condition.matcher is not None
        and condition.input.source.strip().upper() == "{QUERY_STRING}"
        and not _uses_captures(rule)
    )


def _reads_only_the_path(rule: Rule, condition: Condition) -> bool:
    """Whether a condition asks how the URL begins, so that its query does not matter: the usual
    ``^/static/.*``.
    """
    return (
        rule.pattern_syntax == "ECMAScript"
        and not _uses_captures(rule)
        and condition.match_type == "Pattern"
        and condition.input.source.strip().upper() in _URLS
        and _BEGINNING.fullmatch(condition.pattern) is not None
    )


def _of_filter(found: Inputs, effective: Effective) -> None:
    filtering = effective.view(request_filtering.request_filter)
    found.long_query = min(found.long_query, filtering.max_query // 2)
    if filtering.query_sequences:
        found.read("query", "requestFiltering's denyQueryStringSequences")
    for name in filtering.header_limits:
        _header(found, name, "requestFiltering's headerLimits")
    for rule in filtering.rules:
        where = f"filteringRule '{rule.name}'"
        if rule.scan_query or rule.scan_all:
            found.read("query", where)
        for name in (*rule.headers, *(_HEADERS if rule.scan_all else ())):
            _header(found, name, where)
        if rule.scan_all:
            found.lack(f"{where} reads all headers")


def _header(found: Inputs, name: str, where: str) -> None:
    if name in _HEADERS:
        found.read(_HEADERS[name], where)
    else:
        found.lack(f"{where} reads the header {name}")
