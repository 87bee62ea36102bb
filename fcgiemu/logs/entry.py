"""One request of a log, as columns of text, and what becomes of them before a request is decided.

A log shows a request after http.sys has worked on it: the path is decoded, what ARR and modules
append stands in the query, blanks are ``+``. Here that is undone as far as it can be. Every reader
makes the same columns, so that it does not matter which of them has counted a line.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

#: A column that holds nothing.
NONE = "-"
#: What IIS writes in the place of a field of more than 4,096 bytes.
CUT = "..."
#: The query of a request whose query no rule reads: any. As a text it goes through all rules.
ANY_QUERY = "..."
#: How readers write a query that does not decide, so that they have fewer requests to tell apart.
SOME_QUERY = "?"
#: Between the columns of a key; no column holds it, see ``clean``.
SEPARATOR = "\x1f"


class Columns(NamedTuple):
    """The columns of a request, "" for those that the log lacks. ``status`` is not of the
    request.
    """

    method: str = ""
    stem: str = ""
    query: str = ""
    host: str = ""
    port: str = ""
    agent: str = ""
    referer: str = ""
    cookie: str = ""
    client: str = ""
    status: str = ""


#: Columns that are left out of the key where no rule reads them.
OPTIONAL = ("query", "host", "agent", "referer", "cookie", "client")


class Keyed(NamedTuple):
    """A request as it is counted: everything that decides, and nothing else. ``target`` is the
    encoded path.
    """

    method: str
    host: str
    port: str
    target: str
    query: str
    agent: str
    referer: str
    cookie: str
    client: str

    @property
    def text(self) -> str:
        """One text for the whole key. Raises NotARequest where a column holds the separator."""
        text = SEPARATOR.join(self)
        if text.count(SEPARATOR) != len(self) - 1:
            raise NotARequest("it holds control characters")
        return text


class NotARequest(ValueError):
    """Columns that no request can be made of; the words say why, and hold no value of the log."""


# -- the query ------------------------------------------------------------------------------------

#: Parameters that ARR and Application Gateway append to the logged query; no client has sent them.
APPENDED = (
    "X-ARR-LOG-ID",
    "X-ARR-CACHE-HIT",
    "SERVER-STATUS",
    "SERVER-ROUTED",
    "X-AzureApplicationGateway-LOG-ID",
    "X-AzureApplicationGateway-CACHE-HIT",
)
#: As regular expressions that Python and RE2 (DuckDB) understand alike.
APPENDED_PATTERN = r"(^|&)(" + "|".join(APPENDED) + r")=[^&]*"
#: What ASP appends for an error: ``|line|code|text``.
ASP_ERROR_PATTERN = r"\|(-|[0-9]+)\|[0-9A-Fa-f]{8}\|.*$"
#: A query that holds none of these has nothing appended.
APPENDED_MARKS = ("X-A", "SERVER-", "|")

_APPENDED = re.compile(APPENDED_PATTERN)
_ASP_ERROR = re.compile(ASP_ERROR_PATTERN)


def sent_query(logged: str) -> str:
    """The query that the client has sent."""
    if "X-A" in logged or "SERVER-" in logged:
        logged = _APPENDED.sub("", logged).lstrip("&")
    if "|" in logged:
        logged = _ASP_ERROR.sub("", logged)
    return logged


# -- the path -------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")
_LITERAL_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE = "/%;:@&=$,!~*'()|[]-_."


def encoded_path(stem: str, decoded: bool) -> str:
    """The path as a client would send it. A ``%`` of a decoded path was ``%25``, unless what
    follows looks like an escape; ``+`` was a blank.
    """
    if _PLAIN.fullmatch(stem):
        return stem
    if decoded:
        stem = stem.replace("+", " ")
    return quote(_LITERAL_PERCENT.sub("%25", stem), safe=_SAFE if decoded else _SAFE + "+")


_CONTROL = re.compile(r"[\x00-\x20\x7f]")


def clean(text: str) -> str:
    """A value of a format that can hold anything, as IIS would write it: blanks are ``+``."""
    if not text.isascii():  # lone surrogates of JSON
        text = text.encode("utf-8", "replace").decode()
    return _CONTROL.sub("+", text)


# -- the key --------------------------------------------------------------------------------------

_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"\[[^\]]*\]|[^:/]*")


class Wanted(NamedTuple):
    """Which optional columns decide. ``long_query`` is the length from which a query decides even
    where no rule reads it.
    """

    names: frozenset[str] = frozenset(OPTIONAL)
    long_query: int = 1024

    @property
    def query(self) -> bool:
        return "query" in self.names


def keyed(raw: Columns, wanted: Wanted, decoded: bool = True) -> Keyed:
    """The key of a request. Raises NotARequest."""
    stem, query, method = raw.stem, sent_query(raw.query), raw.method or "GET"
    if CUT in (stem, query):
        raise NotARequest("the URL was longer than the log keeps (...)")
    if not stem.startswith("/") and stem != "*":
        raise NotARequest("the path does not begin with /")
    if not _METHOD.fullmatch(method):
        raise NotARequest("the method is not one")
    names = wanted.names
    query = "" if query == NONE else query
    if query and "query" not in names and len(query) <= wanted.long_query:
        query = ANY_QUERY
    return Keyed(
        method,
        _host(raw.host) if "host" in names else "",
        _port(raw.port),
        encoded_path(stem, decoded),
        query,
        _optional("agent", raw.agent, names),
        _optional("referer", raw.referer, names),
        _optional("cookie", raw.cookie, names),
        _optional("client", raw.client, names),
    )


def _optional(name: str, value: str, names: frozenset[str]) -> str:
    return "" if name not in names or value == NONE else value


def _host(logged: str) -> str:
    found = _HOST.match("" if logged == NONE else logged)
    return found[0].lower() if found else ""


def _port(logged: str) -> str:
    return logged if logged.isascii() and logged.isdigit() and int(logged) < 65536 else "80"


def status_of(logged: str) -> int:
    """The status, 0 where the log has none."""
    return int(logged) if len(logged) == 3 and logged.isascii() and logged.isdigit() else 0
