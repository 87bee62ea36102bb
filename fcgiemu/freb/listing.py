"""Many traces: those of a folder (FailedReqLogFiles, LogFiles/W3SVC…) or a zip, one line each."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import reader, trace_masking
from .model import FrebTrace, TraceError

#: Files looked at below one folder or in one zip.
MAX_FILES = 100_000
SORTS = ("file", "url", "status", "time", "module")
_SITE = re.compile(r"(?i)W3SVC(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """What a listing says of a trace. ``milliseconds`` is timeTaken, ``begun`` the first event's
    time.
    """

    source: str
    url: str
    verb: str
    status: str
    milliseconds: int
    reason: str
    module: str
    notification: str
    begun: str
    site: str
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "file": self.source,
            "url": self.url,
            "verb": self.verb,
            "status": self.status,
            "timeTaken": self.milliseconds,
            "failureReason": self.reason,
            "module": self.module or None,
            "notification": self.notification or None,
            "begun": self.begun or None,
            "siteId": self.site,
            "notes": list(self.notes),
        }


def summary(trace: FrebTrace) -> TraceSummary:
    """A trace in one line."""
    module, notification = trace.failed_in
    folder = _SITE.search(trace.source)
    return TraceSummary(
        source=trace.source,
        url=trace_masking.parameters(trace.url),
        verb=trace.verb,
        status=f"{trace.status}.{trace.substatus}" if trace.status >= 400 else str(trace.status),
        milliseconds=trace.milliseconds,
        reason=trace["failureReason"],
        module=module,
        notification=notification,
        begun=trace.events[0].time if trace.events else "",
        site=trace["siteId"] or (folder[1] if folder else ""),
        notes=trace.notes,
    )


def traces(paths: Iterable[Path]) -> Iterator[FrebTrace | TraceError]:
    """Every trace of files, folders and zips, one after the other; an error in the place of one
    that cannot be read. Files of a folder that are not traces are passed over.
    """
    for path in paths:
        if path.is_dir():
            yield from _folder(path)
        elif zipfile.is_zipfile(path):
            yield from _zip(path)
        else:
            yield from _file(path)


def is_several(path: Path) -> bool:
    """Whether a path stands for a list of traces rather than for one."""
    return path.is_dir() or zipfile.is_zipfile(path)


def _file(path: Path) -> Iterator[FrebTrace | TraceError]:
    """A file, or a member of a zip: ``logs.zip/W3SVC1/fr000001.xml``, as listings show it."""
    archive = next((parent for parent in path.parents if parent.is_file()), None)
    try:
        if archive is not None and not path.exists():
            yield from _zip(archive, path.relative_to(archive).as_posix())
        else:
            yield reader.read(path)
    except TraceError as error:
        yield error


def _folder(path: Path) -> Iterator[FrebTrace | TraceError]:
    looked = 0
    for folder, names, files in os.walk(path):
        names.sort()
        for name in sorted(files):
            if not name.lower().endswith(".xml"):
                continue
            looked += 1
            if looked > MAX_FILES:
                yield TraceError(f"{path} has more than {MAX_FILES} files; the rest was left out.")
                return
            yield from _if_trace(Path(folder, name))


def _if_trace(path: Path) -> Iterator[FrebTrace | TraceError]:
    try:
        with path.open("rb") as stream:
            if not _looks_like_trace(stream.read(4096), path.name):
                return
        yield reader.read(path)
    except OSError as error:
        yield TraceError(f"{path} cannot be read: {error.strerror}.")
    except TraceError as error:
        yield error


def _looks_like_trace(head: bytes, name: str) -> bool:
    """By its beginning, or by its name: one that is damaged at its beginning is worth a word."""
    plain = head.replace(b"\0", b"")
    return b"<failedRequest" in plain or bool(re.fullmatch(r"(?i)fr\d{6}\.xml", name))


def _zip(path: Path, member: str = "") -> Iterator[FrebTrace | TraceError]:
    """The traces of a zip; of one member where ``wanted`` names it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            if member:
                members = [entry for entry in members if entry.filename == member]
                if not members:
                    yield TraceError(f"{path} has no member {member}.")
            for entry in sorted(members[:MAX_FILES], key=lambda entry: entry.filename):
                if member or entry.filename.lower().endswith(".xml"):
                    yield from _member(archive, entry, f"{path}/{entry.filename}", bool(member))
    except (OSError, zipfile.BadZipFile) as error:
        yield TraceError(f"{path} cannot be read as a zip: {error}.")


def _member(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, source: str, is_named: bool
) -> Iterator[FrebTrace | TraceError]:
    """A member, read no further than a trace may be long, whatever it says about its size."""
    try:
        with archive.open(entry) as stream:
            data = stream.read(reader.MAX_BYTES + 1)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        yield TraceError(f"{source} cannot be read: {error}.")
        return
    if is_named or _looks_like_trace(data[:4096], entry.filename.rpartition("/")[2]):
        try:
            yield reader.parse(data, source)
        except TraceError as error:
            yield error


def ordered(found: Iterable[TraceSummary], by: str) -> list[TraceSummary]:
    """Summaries by ``file``, ``url``, ``status``, ``time`` (slowest first) or ``module``."""
    keys = {
        "file": lambda entry: (entry.source,),
        "url": lambda entry: (entry.url.lower(), entry.source),
        "status": lambda entry: (entry.status, entry.url.lower(), entry.source),
        "time": lambda entry: (-entry.milliseconds, entry.source),
        "module": lambda entry: (entry.module.lower(), entry.status, entry.source),
    }
    return sorted(found, key=keys[by])


def table(found: list[TraceSummary]) -> str:
    """Summaries as a table of text."""
    rows = [("STATUS", "TIME", "MODULE", "REQUEST", "FILE")]
    rows += [
        (
            entry.status,
            f"{entry.milliseconds} ms",
            " ".join(filter(None, (entry.module, entry.notification))) or "-",
            f"{entry.verb} {entry.url}",
            entry.source,
        )
        for entry in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]
        )
        for row in rows
    ]
    for entry in found:
        lines += [f"{entry.source}: {note}" for note in entry.notes]
    return "\n".join(lines)
