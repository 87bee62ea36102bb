"""What IIS does with a request, as data. The server acts on it; ``explain``, ``check`` and tests
only read it.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, TypeVar, dataclass_transform, get_args

from .catalogue.findings import Finding
from .config.tree import Effective
from .files import FileEntry
from .hosting import Hosting
from .http.identity import ANONYMOUS, User
from .http.request import Request
from .http.response import Header
from .http.url import UrlRefused
from .rewrite.state import RewriteResult

E_FILE_NOT_FOUND = 0x80070002


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """An entry of <handlers>; ``modules`` in the order in which they are tried."""

    name: str
    path: str
    verbs: frozenset[str]
    modules: tuple[str, ...]
    script_processor: str
    resource_type: str
    require_access: str
    allow_path_info: bool
    pre_condition: str
    response_buffer_limit: int
    origin: str = ""


@dataclass(frozen=True, slots=True)
class ServeFile:
    """StaticFileModule sends this file."""

    entry: FileEntry
    mime_type: str
    kind = "static"


@dataclass(frozen=True, slots=True)
class ListDirectory:
    """DirectoryListingModule lists this folder."""

    entry: FileEntry
    kind = "directory"


@dataclass(frozen=True, slots=True)
class CallFastCgi:
    """FastCgiModule passes the request to ``scriptProcessor``. Paths are site-absolute and
    decoded.
    """

    handler: Handler
    script_name: str
    path_info: str
    kind = "fastcgi"


@dataclass(frozen=True, slots=True)
class CallHttpPlatform:
    """httpPlatformHandler passes the request to the process that <httpPlatform> starts."""

    handler: Handler
    kind = "httpPlatform"


class Setting(NamedTuple):
    """The value of a setting, and where it was set: a place in a file, a variable of the
    environment, or "default".
    """

    value: str | int | bool
    origin: str


@dataclass(frozen=True, slots=True)
class CallIisnode:
    """iisnode passes the request to the Node process of ``script``, a decoded site-absolute path.

    ``target`` is the URL that the application sees; ``settings`` is what counts for the script, by
    the attributes of <iisnode>.
    """

    handler: Handler
    script: str
    target: str
    settings: tuple[tuple[str, Setting], ...]
    kind = "iisnode"


@dataclass(frozen=True, slots=True)
class CallAspNetCore:
    """AspNetCoreModule, of the version that ``module`` names, passes the request to the process
    that <aspNetCore> starts.
    """

    handler: Handler
    module: str
    kind = "aspNetCore"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Application Request Routing forwards the request to ``url`` (query included): to that host,
    or to a server of the web farm that it names.
    """

    url: str
    #: The name of the farm; "" = none, and the URL says who is asked.
    farm: str = ""
    #: The server of the farm, ``address:port``, and why that one. In a decision it is the one that
    #: the first request of a new client gets; serve puts in whom it has asked.
    server: str = ""
    reason: str = ""
    #: The GUID that the other server gets and the log names; "" = not yet sent.
    log_id: str = ""
    kind = "proxy"


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect that IIS makes itself."""

    status: int
    location: str
    kind = "redirect"


@dataclass(frozen=True, slots=True)
class Respond:
    """A response that IIS makes itself: an error, or a rule's custom response."""

    status: int
    substatus: int = 0
    message: str = ""
    hresult: int = 0
    _: KW_ONLY
    reason: str = ""
    description: str = ""
    notification: str = "BeginRequest"
    headers: tuple[tuple[str, str], ...] = ()
    finding: Finding | None = None
    hints: tuple[str, ...] = ()
    #: What a process that failed wrote last.
    output: str = ""
    #: The body of an answer that is not an error, or of one that ``skips_errors``.
    body: bytes = b""
    #: Whether <httpErrors> leaves it alone, as its module asks; Replace does not listen.
    skips_errors: bool = False
    kind = "respond"


def configuration_error(finding: Finding, notification: str = "BeginRequest") -> Respond:
    """500.19 for a finding."""
    return Respond(
        500,
        19,
        finding.message,
        finding.hresult,
        notification=notification,
        finding=finding,
        hints=(finding.hint,) if finding.hint else (),
    )


@dataclass(frozen=True, slots=True)
class Abort:
    """The connection is reset without a byte of response."""

    kind = "abort"


#: A web server answers that listens on a port, and that a module starts and supervises.
CallWebServer = CallHttpPlatform | CallAspNetCore
#: A process answers that a module starts and supervises.
CallProcess = CallWebServer | CallIisnode
#: The kinds of outcome that those are.
PROCESS_KINDS = frozenset(action.kind for action in get_args(CallProcess))
Action = ServeFile | ListDirectory | CallFastCgi | CallProcess | Proxy | Redirect | Respond | Abort


T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=False)
def _frozen_for_mypy(made: type[T]) -> type[T]:
    """A dataclass that mypy knows as frozen. That Python checks it too would cost two microseconds
    each.
    """
    return dataclass(slots=True, kw_only=True, eq=False)(made)


@_frozen_for_mypy
class Decision:
    """What the site does with one request. ``path`` and ``query`` are those after all rewriting.

    ``handler`` is None where no handler was mapped: a module answered before, or none fits.
    """

    action: Action
    request: Request
    site: Hosting
    effective: Effective
    path: str
    query: str
    handler: Handler | None
    module: str
    #: The names of the rules that applied, in order.
    rules: tuple[str, ...]
    rewrite: RewriteResult
    findings: tuple[Finding, ...]
    #: Headers that modules have set at the beginning: whatever answers, they are sent.
    extra_headers: tuple[Header, ...] = ()
    #: The user that authentication has established.
    user: User = ANONYMOUS
    #: Whether this is the child request of an error page (ExecuteURL): its own errors get the
    #: built-in text.
    is_error_page: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """http.sys answers before any module: no web.config is involved."""

    status: int
    heading: str
    text: str
    kind = "respond"

    @classmethod
    def of(cls, error: UrlRefused) -> Refused:
        """The outcome for a target that http.sys answers itself."""
        return cls(error.status, error.heading, error.text)


Outcome = Decision | Refused
