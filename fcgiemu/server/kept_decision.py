"""What is remembered of a request that may come again; see decision_cache."""

from __future__ import annotations

from dataclasses import dataclass

from ..decision import Decision
from ..files import FileView, Listing
from ..hosting import Answers
from ..http.framing import RequestHead
from .response_heads import KnownHead


@dataclass(slots=True)
class KeptDecision:
    """A request, its decision, and what that depends on beside it."""

    head: RequestHead
    decision: Decision
    generation: int
    #: What was found, and the folders whose listings show, while they hold, that all else was not.
    answers: Answers
    folders: tuple[tuple[FileView, Listing], ...]
    #: The FastCGI parameters of the request, once they have been encoded.
    params: bytes | None = None
    #: The whole answer, where it is a small file's and the same at any time: head and body.
    ready: tuple[KnownHead, bytes] | None = None
