"""Bytes of a trace -> values. Safe: no DOCTYPE, no entities, no network, bounded.

An XML parser turns CR LF and CR into LF, and IIS writes both (header blocks have CR LF, the text of
an HRESULT a bare CR), so carriage returns within values are handed to the parser as character
references, which it keeps. A file that breaks off is read up to its last whole event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from . import event_table
from .model import FrebEvent, FrebTrace, TraceError

#: IIS ends a trace at maxLogFileSizeKB, 512 unless configured; the largest seen is 858 KiB.
MAX_BYTES = 64 * 1024 * 1024
MAX_EVENTS = 200_000
_EVENT = "{http://schemas.microsoft.com/win/2004/08/events/event}Event"
_VALUE = re.compile(rb"<(?:Data|freb:Description|Description)\b[^<>]*>[^<]*")
_DOCTYPE = re.compile(rb"(?i)<!DOCTYPE")
_CHUNK = 1 << 16


def read(path: Path) -> FrebTrace:
    """The trace in a file. Raises TraceError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror}.") from error
    return parse(data, str(path))


def parse(data: bytes, source: str) -> FrebTrace:
    """The trace in ``data``, called ``source`` in messages. Raises TraceError."""
    if len(data) > MAX_BYTES:
        raise TraceError(
            f"{source} has more than {MAX_BYTES >> 20} MiB.", "IIS's own limit is 512 KiB."
        )
    notes: list[str] = []
    data = _utf8(data, notes)
    if _DOCTYPE.search(data.partition(b"<failedRequest")[0]):
        raise _has_doctype(source)  # before its entities reach the parser
    data = _VALUE.sub(lambda found: found[0].replace(b"\r", b"&#13;"), data)
    attributes: tuple[tuple[str, str], ...] = ()
    events: list[FrebEvent] = []
    for element in _elements(data, source, notes):
        if element.tag == "failedRequest":
            attributes = tuple((str(name), str(value)) for name, value in element.items())
        elif len(events) < MAX_EVENTS:
            events.append(_event(element))
            _drop(element)
    if len(events) == MAX_EVENTS:
        notes.append(f"only the first {MAX_EVENTS} events were read")
    return FrebTrace(attributes, tuple(events), source, (*notes, *_missing(events)))


def _utf8(data: bytes, notes: list[str]) -> bytes:
    """The text as UTF-8: IIS writes ASCII; files saved again may be anything."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
        return re.sub(r"^(<\?xml[^>]*?)\s+encoding=(\"[^\"]*\"|'[^']*')", r"\1", text).encode()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        notes.append(f"byte {error.start} is not UTF-8; such bytes are shown as U+FFFD")
        return data.decode("utf-8", "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def _elements(data: bytes, source: str, notes: list[str]) -> Iterator[etree._Element]:
    """The root when it begins, and each event when it has ended, as far as the file is well-formed.

    Raises TraceError for what is not a trace at all.
    """
    # huge_tree stays off: no value of a trace comes near the limit of 10 MB
    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False
    )
    begun = False
    failure = ""
    for start in range(0, len(data) + 1, _CHUNK):
        try:
            parser.feed(data[start : start + _CHUNK])
            if start + _CHUNK > len(data):
                parser.close()
        except etree.XMLSyntaxError as error:
            failure = str(error)
        for action, element in parser.read_events():
            assert isinstance(element, etree._Element)
            if not begun:
                _check(element, source)
                begun = True
                yield element
            elif action == "end" and element.tag == _EVENT:
                yield element
        if failure:
            break
    if not begun:
        raise TraceError(
            f"{source} is not a failed-request trace: {failure or 'it is empty'}.",
            "Give an fr######.xml file of IIS.",
        )
    if failure:
        notes.append(f"the file breaks off or is damaged ({failure}); events before that were read")


def _has_doctype(source: str) -> TraceError:
    return TraceError(
        f"{source} has a DOCTYPE, which no trace of IIS has.", "Remove it from the file."
    )


def _check(root: etree._Element, source: str) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise _has_doctype(source)
    if root.tag != "failedRequest":
        raise TraceError(
            f"{source} is not a failed-request trace: its root element is {root.tag!r}.",
            "Give an fr######.xml file of IIS.",
        )


def _drop(element: etree._Element) -> None:
    """Free an event that has been read, and those before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _local(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _children(element: etree._Element | None) -> dict[str, etree._Element]:
    """Child elements by name without namespace; the first of each."""
    found: dict[str, etree._Element] = {}
    for child in element if element is not None else ():
        found.setdefault(_local(child), child)
    return found


def _text(element: etree._Element | None) -> str:
    return "" if element is None else str(element.text or "")


def _number(text: str, default: int = 0) -> int:
    return int(text) if text.strip().isdecimal() and len(text) < 12 else default


def _attribute(element: etree._Element | None, name: str) -> str:
    return "" if element is None else str(element.get(name, ""))


def _event(element: etree._Element) -> FrebEvent:
    parts = _children(element)
    system, rendering = _children(parts.get("System")), _children(parts.get("RenderingInfo"))
    task = _text(_children(parts.get("ExtendedTracingInfo")).get("EventGuid")).strip()
    opcode = _number(_text(system.get("Opcode")))
    name = _text(rendering.get("Opcode")).strip()
    known = event_table.keyed(task, opcode)
    if not name:
        name = known.name if known else f"{task or 'event'} {opcode}"
    provider = system.get("Provider")
    return FrebEvent(
        name=name,
        data=_pairs(parts.get("EventData"), "Name"),
        descriptions=_pairs(parts.get("RenderingInfo"), "Data"),
        time=_attribute(system.get("TimeCreated"), "SystemTime"),
        level=_number(_text(system.get("Level"))),
        opcode=opcode,
        version=_number(_text(system.get("Version"))),
        keywords=_text(system.get("Keywords")).strip(),
        keyword_names=tuple(_text(word).strip() for word in rendering.get("Keywords", ())),
        provider=(_attribute(provider, "Name"), _attribute(provider, "Guid")),
        event_id=_number(_text(system.get("EventID"))),
        activity=_attribute(system.get("Correlation"), "ActivityID"),
        process=_attribute(system.get("Execution"), "ProcessID"),
        thread=_attribute(system.get("Execution"), "ThreadID"),
        computer=_text(system.get("Computer")),
        culture=_attribute(parts.get("RenderingInfo"), "Culture"),
        task=task,
    )


def _pairs(element: etree._Element | None, key: str) -> tuple[tuple[str, str], ...]:
    """The values of ``<Data Name=…>`` or ``<Description Data=…>`` children."""
    return tuple(
        (str(child.get(key)), _text(child))
        for child in (element if element is not None else ())
        if child.get(key) is not None
    )


def _missing(events: list[FrebEvent]) -> Iterator[str]:
    """What a whole trace has and this one does not; measured: genuine traces lack each."""
    names = {found.name for found in events}
    if "GENERAL_REQUEST_START" not in names:
        yield "the trace begins late: the request's start, headers and handler are not in it"
    if event_table.TRUNCATED in names:
        yield "IIS cut the trace off at its largest size (maxLogFileSizeKB)"
    elif "GENERAL_REQUEST_END" not in names:
        yield "the trace was written before the request ended"
