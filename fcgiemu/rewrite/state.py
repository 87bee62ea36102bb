"""What one request knows while rules run: its current URL, captures, and server variables. It
counts what rules make of them, and refuses a text that is too long.

The state is the only thing that rules change, and it belongs to one request:

- ``path`` and ``query`` are the current URL. A Rewrite replaces them, and the rules that follow see
  the new ones; {URL} and {QUERY_STRING} are read from here, {REQUEST_URI} and {UNENCODED_URL} from
  the request, which stays as it was sent.
- ``rule_captures`` belong to the rule that is being evaluated: set when its pattern has matched.
  ``condition_captures`` are those of its last true condition, or of all of them with
  trackAllCaptures. They begin again with each rule; a reference to what nobody captured is an error
  of this request.
- ``assigned`` are variables that rules have set. They are asked before the request's own, and stay
  until the request ends.
- ``rewritten`` and ``folder_url`` say what the handler will be told about the rewriting: when the
  default document of a rewritten folder runs, it counts as not rewritten (measured).

What rules make is bounded, since a rule may repeat a capture and the next rule repeat that: a
single text by ``text_limit``, all that a request keeps by ``keep``, and what outbound rules add to
a response by ``grow``. All three end the evaluation with ExpansionError: 500.50, or 500.52 on the
way out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..http.identity import ANONYMOUS, User
from ..http.request import Request
from ..http.url import encode_path
from .inferred_behaviours import POLICY

MODULE_VERSION = "7,1,1993,2351"  # measured: URL Rewrite 2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the application lives, as its server variables say it. Windows spelling, no trailing
    separator.
    """

    site_root: str = "C:\\inetpub\\wwwroot"
    application_path: str = ""
    application_root: str = "C:\\inetpub\\wwwroot"
    site_name: str = "Default Web Site"
    site_id: int = 1
    application_pool: str = "DefaultAppPool"


class ExpansionError(Exception):
    """A text that the rules cannot make for this request: 500.50, this request only."""


class FileTests(Protocol):
    """The file-system questions that rules ask, with Windows paths."""

    def is_file(self, physical: str) -> bool: ...
    def is_directory(self, physical: str) -> bool: ...
    def physical_path(self, url_path: str) -> str: ...
    def read_text(self, physical: str) -> str | None: ...


@dataclass(slots=True, kw_only=True)
class RewriteResult:
    """What rewriting left behind, as it is known once a request has been decided. Nobody changes
    it; frozen would cost a microsecond each.
    """

    place: Place
    #: The URL that the handler finds; ``query`` without its question mark.
    path: str
    query: str
    #: Variables that rules set, upper-case name -> value.
    assigned: Mapping[str, str]
    rewritten: bool
    #: The rewritten URL of a folder whose default document runs.
    folder_url: str | None
    #: Whether the log shows the rewritten URL (logRewrittenUrl).
    log_rewritten: bool

    @property
    def shows_original(self) -> bool:
        """Whether X-Original-URL is the module's own."""
        return self.rewritten or self.folder_url is not None


class RewriteState:
    """Mutable while a request's rules are evaluated; read by templates."""

    __slots__ = (
        "assigned",
        "condition_captures",
        "kept",
        "files",
        "folder_url",
        "is_servable",
        "log_rewritten",
        "path",
        "place",
        "query",
        "request",
        "response",
        "rewritten",
        "rule_captures",
        "strict",
        "user",
    )

    def __init__(
        self,
        request: Request,
        place: Place,
        files: FileTests,
        strict: bool = False,
        is_servable: Callable[[str], bool] = lambda _path: False,
    ) -> None:
        self.request = request
        self.place = place
        self.files = files
        self.path = request.target.path
        self.query = request.target.query
        #: Characters that rules have put into URLs and variables so far.
        self.kept = 0
        #: Variables that rules set, upper-case name -> value.
        self.assigned: dict[str, str] = {}
        self.rewritten = False
        #: Whether the log shows the rewritten URL (logRewrittenUrl).
        self.log_rewritten = False
        #: The rewritten URL of a folder whose default document runs: that document counts as not
        #: rewritten (measured).
        self.folder_url: str | None = None
        #: Whether the Azure page's two static-file rules do what IIS does with them: nothing.
        self.strict = strict
        #: Whether StaticFileModule would serve the file at a URL path: the Azure page's placeholder
        #: rule is about that.
        self.is_servable = is_servable
        self.rule_captures: tuple[str, ...] | None = None
        self.condition_captures: tuple[str, ...] | None = None
        #: The user, whom outbound rules know; inbound rules run before authentication (measured).
        self.user: User = ANONYMOUS
        #: RESPONSE_* while outbound rules run: a callable from upper-case header name to value.
        self.response: Callable[[str], str] | None = None

    @classmethod
    def of(cls, request: Request, files: FileTests, result: RewriteResult) -> RewriteState:
        """A state that answers for variables as they are after rewriting."""
        state = cls(request, result.place, files)
        state.path, state.query = result.path, result.query
        state.assigned = dict(result.assigned)
        state.rewritten, state.folder_url = result.rewritten, result.folder_url
        return state

    def result(self) -> RewriteResult:
        """What is left of the state once the request has been decided."""
        # Called by names, a class makes a dict of them, half of what this takes; __init__ does not.
        result = object.__new__(RewriteResult)
        RewriteResult.__init__(
            result,
            place=self.place,
            path=self.path,
            query=self.query,
            assigned=self.assigned,
            rewritten=self.rewritten,
            folder_url=self.folder_url,
            log_rewritten=self.log_rewritten,
        )
        return result

    def variable(self, name: str) -> str:
        """The server variable ``name`` (upper case); unknown ones are empty."""
        if self.assigned and name in self.assigned:
            return self.assigned[name]
        if self.request.overrides and name in self.request.overrides:
            return self.request.overrides[name]
        known = _VARIABLES.get(name)
        if known is not None:
            return known(self)
        if name.startswith("HTTP_"):
            return self.header(name[5:].replace("_", "-").lower())
        if name.startswith("RESPONSE_") and self.response is not None:
            return self.response(name[9:])
        return ""

    def has_variable(self, name: str) -> bool:
        """Whether a server would know the variable ``name`` (upper case) for this request."""
        if name in self.assigned or name in self.request.overrides:
            return True
        if name in _ONLY_IF_REWRITTEN:
            return bool(self.variable(name))
        return name in _VARIABLES or (name.startswith("HTTP_") and bool(self.variable(name)))

    def dispatch_document(self, path: str) -> None:
        """Go on with the default document ``path`` of the current URL."""
        if self.rewritten:
            self.folder_url = _with_query(encode_path(self.path), self.query)
            self.rewritten = False
        self.path = path

    @property
    def text_limit(self) -> int:
        """How many characters an expansion may have: outbound rules write into bodies."""
        return POLICY.text_limit if self.response is None else POLICY.response_growth

    def keep(self, *texts: str) -> None:
        """Account for a URL, query or variable that a rule has made. Raises ExpansionError."""
        for text in texts:
            if len(text) > POLICY.text_limit:
                raise ExpansionError(
                    f"The rules make a text of {len(text)} characters from this request; a URL, a"
                    f" query or a variable holds at most {POLICY.text_limit}."
                )
            self.kept += len(text)
        if self.kept > POLICY.request_limit:
            raise ExpansionError(
                f"The rules make more than {POLICY.request_limit} characters of URLs and variables"
                " from this request."
            )

    def grow(self, before: str, after: str) -> None:
        """Account for what an outbound rule writes over ``before``. Raises ExpansionError."""
        self.kept += len(after) - len(before)
        if self.kept > POLICY.response_growth:
            raise ExpansionError(
                "The outbound rules make the response longer by more than"
                f" {POLICY.response_growth} characters."
            )

    @property
    def shows_original(self) -> bool:
        """Whether X-Original-URL is the module's own."""
        return self.rewritten or self.folder_url is not None

    def header(self, name: str) -> str:
        """A request header by lower-case name; X-Original-URL is the module's own after a
        rewrite.
        """
        if name == "x-original-url" and self.shows_original:
            return original_url(self.request)
        return self.request.fields.get(name, "")

    def physical_path(self) -> str:
        """The physical path of the current URL, Windows spelling."""
        return self.files.physical_path(self.path)


def original_url(request: Request) -> str:
    """X-Original-URL: the canonical original path, encoded again, and the raw query (measured)."""
    target = request.target
    return encode_path(target.path) + ("?" + target.query if target.query else "")


def _with_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _cache_url(state: RewriteState) -> str:
    request = state.request
    original = _with_query(request.target.path, request.target.query)
    return f"{request.scheme}://{request.host}:{request.port}{original}"


def unencoded_url(request: Request, folder_url: str | None) -> str:
    """The raw target, or the rewritten URL of a default document's folder; http.sys writes the
    hexadecimal digits of escapes in upper case.
    """
    raw = request.target.raw if folder_url is None else folder_url
    return _LOWER_ESCAPE.sub(lambda match: match[0].upper(), raw) if "%" in raw else raw


_LOWER_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def _all_raw(state: RewriteState) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in state.request.headers)


def _all_http(state: RewriteState) -> str:
    return "".join(
        f"HTTP_{name.upper().replace('-', '_')}:{value}\n" for name, value in state.request.headers
    )


def _path(state: RewriteState) -> str:
    return state.path


def _constant(value: str) -> Callable[[RewriteState], str]:
    return lambda _state: value


_VARIABLES: dict[str, Callable[[RewriteState], str]] = {
    "QUERY_STRING": lambda state: state.query,
    "URL": _path,
    "PATH_INFO": _path,
    "SCRIPT_NAME": _path,
    "URL_PATH_INFO": _path,
    "HTTP_URL": lambda state: _with_query(state.path, state.query),
    "PATH_TRANSLATED": RewriteState.physical_path,
    "REQUEST_FILENAME": RewriteState.physical_path,
    "SCRIPT_FILENAME": RewriteState.physical_path,
    "SCRIPT_TRANSLATED": lambda state: "\\\\?\\" + state.physical_path(),
    "REQUEST_URI": lambda state: _with_query(state.request.target.path, state.request.target.query),
    "UNENCODED_URL": lambda state: unencoded_url(state.request, state.folder_url),
    "CACHE_URL": _cache_url,
    "SERVER_NAME": lambda state: state.request.host,
    "SERVER_PORT": lambda state: str(state.request.port),
    "SERVER_PORT_SECURE": lambda state: "1" if state.request.https else "0",
    "HTTPS": lambda state: "on" if state.request.https else "off",
    "REQUEST_METHOD": lambda state: state.request.method,
    "HTTP_METHOD": lambda state: state.request.method,
    "SERVER_PROTOCOL": lambda state: state.request.protocol,
    "HTTP_VERSION": lambda state: state.request.protocol,
    "REMOTE_ADDR": lambda state: state.request.remote_addr,
    "REMOTE_HOST": lambda state: state.request.remote_addr,
    "AUTH_TYPE": lambda state: state.user.scheme,
    "AUTH_USER": lambda state: state.user.name,
    "LOGON_USER": lambda state: state.user.name,
    "REMOTE_USER": lambda state: state.user.name,
    "REMOTE_PORT": lambda state: str(state.request.remote_port),
    "LOCAL_ADDR": lambda state: state.request.local_addr,
    "SERVER_ADDR": lambda state: state.request.local_addr,
    "APPL_PHYSICAL_PATH": lambda state: state.place.application_root + "\\",
    "DOCUMENT_ROOT": lambda state: state.place.site_root,
    "APPL_MD_PATH": lambda state: (
        f"/LM/W3SVC/{state.place.site_id}/ROOT{state.place.application_path}"
    ),
    "APP_POOL_ID": lambda state: state.place.application_pool,
    "APP_POOL_CONFIG": (
        lambda state: "C:\\inetpub\\temp\\apppools\\{0}\\{0}.config".format(  # noqa: UP032
            state.place.application_pool
        )
    ),
    "INSTANCE_ID": lambda state: str(state.place.site_id),
    "INSTANCE_NAME": lambda state: state.place.site_name.upper(),
    "INSTANCE_META_PATH": lambda state: f"/LM/W3SVC/{state.place.site_id}",
    "CONTENT_TYPE": lambda state: state.request.fields.get("content-type", ""),
    "CONTENT_LENGTH": lambda state: (
        "" if state.request.body_length is None else str(state.request.body_length)
    ),
    "GATEWAY_INTERFACE": _constant("CGI/1.1"),
    "SERVER_SOFTWARE": _constant("Microsoft-IIS/10.0"),
    "MANAGED_PIPELINE_MODE": _constant("Integrated"),
    "IIS_WASURLREWRITTEN": lambda state: "1" if state.rewritten else "",
    "IIS_URLREWRITEMODULE": _constant(MODULE_VERSION),
    "ALL_HTTP": _all_http,
    "ALL_RAW": _all_raw,
}
#: Variables that exist behind a rewrite alone.
_ONLY_IF_REWRITTEN = frozenset({"IIS_WASURLREWRITTEN"})


def variable_reader(name: str) -> Callable[[RewriteState], str]:
    """What gives the server variable ``name`` (upper case) as ``RewriteState.variable`` does, which
    it has looked up ahead.
    """
    known = _VARIABLES.get(name)

    def read(state: RewriteState) -> str:
        if known is None or state.assigned or state.request.overrides:
            return state.variable(name)
        return known(state)

    return read
