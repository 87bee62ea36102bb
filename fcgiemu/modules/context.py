"""One request on its way through the modules, and what a module may say.

A ``Context`` belongs to one call of ``decide``. The pipeline makes it and moves it from one
notification to the next; modules read everything in it, and write only ``findings``,
``extra_headers``, ``user`` (authentication), ``handler`` with its ``script_length`` and ``entry``
(handler mapping), and the URL in ``state`` (RewriteModule, DefaultDocumentModule). A module answers
with an action, which ends the request, with a word to the pipeline (``Rewritten``, ``SameRequest``,
``ChildRequest``), or with None: the next module is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..decision import Action, Handler
from ..files import FileEntry
from ..hosting import Hosting, SiteFiles
from ..http.identity import ANONYMOUS, User
from ..http.request import Request
from ..http.response import Header
from ..rewrite.state import RewriteState
from ..trace import Trace

#: The name under which IIS reports what no module has done.
CORE = "IIS Web Core"
#: Child requests (rewrite, default document) that one request may cause.
MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class SameRequest:
    """globalRules have changed the URL: the request goes on under the new URL's configuration."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Rules have changed the URL, which runs as a child request: with its own configuration and
    filtering, without rules.
    """


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """The document at ``path`` runs as a child request in the place of the folder."""

    path: str


class Context:
    """The request, where it is, and what is known of it so far."""

    __slots__ = (
        "answering",
        "applied",
        "authenticated",
        "depth",
        "effective",
        "entry",
        "extra_headers",
        "files",
        "findings",
        "folder",
        "handler",
        "hosting",
        "module",
        "request",
        "script_length",
        "state",
        "trace",
        "user",
    )

    def __init__(
        self,
        hosting: Hosting,
        request: Request,
        state: RewriteState,
        files: SiteFiles,
        trace: Trace | None,
    ) -> None:
        self.hosting = hosting
        self.request = request
        self.state = state
        self.files = files
        self.trace = trace
        self.effective: Effective
        #: The scheme by which the client answers the server's challenges; "" = not yet asked.
        self.answering = ""
        #: Whether a module has established the user; anonymous access leaves it as it is.
        self.authenticated = False
        self.user: User = ANONYMOUS
        #: Names of the rules that applied.
        self.applied: list[str] = []
        self.findings: list[Finding] = []
        #: Headers that the response will have, whatever makes it.
        self.extra_headers: list[Header] = []
        self.handler: Handler | None = None
        #: Characters of the URL that name the script; the rest is path info.
        self.script_length = 0
        #: The file or folder that the URL names, where the handler's resourceType asks for one.
        self.entry: FileEntry | None = None
        self.module = CORE
        self.depth = 0
        #: The URL for which a default document stands: what clients and rules know the request by.
        self.folder: str | None = None


#: What a module says.
Word = Action | SameRequest | Rewritten | ChildRequest
Step = Callable[[Context], Word | None]
#: A module's work at a notification under one configuration; None where there is nothing to do.
Plan = Callable[[Effective], Step | None]
