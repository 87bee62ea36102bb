"""One request and what came of it, as the translation into IIS's events needs it: values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..trace import Event

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file or folder; ``modified`` is RFC 1123 text, ``spelled`` the Windows path as on disk."""

    spelled: str
    is_directory: bool
    size: int
    modified: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """A handler mapping: its name, modules, script processor, and whether it needs the file."""

    name: str
    modules: tuple[str, ...]
    script_processor: str
    needs_file: bool
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The response. ``file`` is the one that its body is, with the part of it; else ``body``.

    ``size`` is the number of body bytes that were sent.
    """

    status: int
    substatus: int
    reason: str
    headers: tuple[Header, ...]
    body: bytes = b""
    size: int = 0
    file: FileFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedExchange:
    """A request and its outcome. ``path`` and ``query`` are those sent, decoded; ``final_path`` the
    one after all rewriting, ``document`` the default document that answered for a folder.

    ``kind``, ``module`` and ``notification`` are those of the decision: what answered, and when.
    ``answered`` is None where only an application knows.
    """

    scheme: str
    host: str
    port: int
    verb: str
    target: str
    protocol: str
    path: str
    query: str
    headers: tuple[Header, ...]
    remote: tuple[str, int]
    local: tuple[str, int]
    events: tuple[Event, ...]
    server: str
    kind: str
    module: str
    notification: str
    #: Status, substatus and reason that the deciding module set: an error page that is a child
    #: request (ExecuteURL) may answer with another one.
    decided: tuple[int, int, str] | None = None
    hresult: int = 0
    absent: frozenset[str] = frozenset()
    #: The user and the scheme that it came by; "" = the anonymous one.
    user: str = ""
    auth_type: str = ""
    #: Whether a module has established a user, were it the anonymous one.
    has_user: bool = True
    mapped: Mapping | None = None
    #: The handler of the URL that rules have made, and that of the default document.
    final: Mapping | None = None
    of_document: Mapping | None = None
    final_path: str = ""
    rewritten: bool = False
    document: str = ""
    documents: tuple[str, ...] = ()
    #: The Windows path of a URL path, and what is there.
    physical: Callable[[str], str] = str
    facts: Callable[[str], FileFacts | None] = field(default=lambda path: None)
    custom_headers: tuple[Header, ...] = ()
    #: Path of the error file that was sent; empty for one line; None where no page was made.
    error_file: str | None = None
    #: Whether the page was the detailed one; what a trace says of it is not known.
    detailed: bool = False
    answered: Answered | None = None
    site_id: int = 1
    pool: str = "DefaultAppPool"

    @property
    def is_express(self) -> bool:
        """Whether it is IIS Express that answers."""
        return self.server.startswith("iis-express")
