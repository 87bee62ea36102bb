"""What is remembered of a request that may be repeated; see decision_cache.py."""

from __future__ import annotations

from dataclasses import dataclass

from ..decision import Decision
from ..files import FileView, Listing
from ..hosting import Answers
from ..http.framing import RequestHead
from ..modules.fastcgi_variables import ParamsTemplate
from .response_heads import KnownHead


@dataclass(slots=True, kw_only=True)
class RememberedDecision:
    """A request, its decision, and what that depends on beside it."""

    head: RequestHead
    decision: Decision
    #: That of the configuration and of the names of files: see ConfigTree.
    epoch: int
    #: What was found, and the folders whose listings show, while they hold, that all else was not.
    answers: Answers
    folders: tuple[tuple[FileView, Listing], ...]
    #: Whether the decision is the same for any query that request filtering lets pass.
    any_query: bool = False
    #: Whether it is as well for any path that the same handler takes, in the same place.
    any_path: bool = False
    #: The FastCGI parameters of the request, once they have been encoded, and with ``any_query``
    #: what those of other queries are made from.
    params: bytes | None = None
    template: ParamsTemplate | None = None
    #: The whole answer, where it is a small file's and the same at any time: head and body.
    ready: tuple[KnownHead, bytes] | None = None
