"""XML Document Transform (XDT): what ``web.Release.config`` and ``applicationHost.xdt`` do.

A transform file has the shape of the file that it changes. Two attributes of a namespace of their
own steer it: ``xdt:Transform`` says what to do, ``xdt:Locator`` which elements are meant.

    web.config, web.Release.config
        |  document    text -> a tree that keeps comments, white space and places
        v
    engine             visits the transform's elements; for each
        |  locators    its path, an XPath 1.0
        |  xpath       the path -> nodes, within a budget of work
        |  transforms  what is done to them
        v
    layout, writer     the tree -> text, indented as its surroundings are

The behaviour is that of the public engine (Microsoft.Web.XmlTransform, MIT), mostly measured, else
seen in its code. What differs on purpose: a DOCTYPE is refused, an assembly that Import names is
not loaded, and the work of one file is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...catalogue.findings import Span
from ..errors import ConfigurationError
from .document import XmlDocument, parse
from .engine import TransformRun
from .layout import lay_out
from .messages import Message, TransformFailed
from .writer import Origins, bytes_of, text_of

__all__ = ["Message", "Origins", "TransformResult", "transform"]


@dataclass(frozen=True, slots=True)
class TransformResult:
    """What a run leaves: ``text`` is the transformed file, also after errors (as far as it came),
    None where it cannot be written; ``data`` the same as bytes. ``origins`` tells where each of its
    elements stood before.
    """

    ok: bool
    messages: tuple[Message, ...]
    text: str | None = None
    data: bytes | None = None
    origins: Origins = field(default_factory=dict)


def transform(base: bytes, changes: bytes, base_name: str, changes_name: str) -> TransformResult:
    """Apply the transform file ``changes`` to the file ``base``; the names are for messages.

    Raises ConfigurationError, with file, line, column and remedy, for a file that is not
    well-formed, too large, too deep or has a DOCTYPE.
    """
    document = parse(base, base_name)
    run = TransformRun(document, parse(changes, changes_name), parse(base, base_name))
    fatal = False
    try:
        run.execute()
    except TransformFailed as failure:
        run.log.fail(failure)
        run.log.fail(TransformFailed("fatal", f"Nothing of {changes_name} is executed"))
        fatal = True
    return _result(run, document if not fatal else parse(base, base_name))


def _result(run: TransformRun, document: XmlDocument) -> TransformResult:
    text = data = None
    origins: Origins = {}
    if document.root is None:
        run.log.fail(TransformFailed("no-root", "The result has no root element"))
    try:
        lay_out(document)
        text, origins = text_of(document)
        data = bytes_of(document, text)
    except TransformFailed as failure:
        text = None
        run.log.fail(failure)
    return TransformResult(run.log.ok, tuple(run.log.messages), text, data, origins)


def unreadable(error: ConfigurationError) -> Message:
    """A file that cannot be read, as a message."""
    finding = error.finding
    return Message(
        kind="error",
        code=finding.code,
        text=finding.message,
        span=finding.span or Span("", 1, 1),
        hint=finding.hint,
    )
