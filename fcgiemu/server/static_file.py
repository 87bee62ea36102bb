"""Sending files: whole, in ranges, or as a listing. Small ones at once, large ones in portions."""

from __future__ import annotations

import os
import time

from .. import pages, posix
from ..decision import Decision, ListDirectory, Respond, ServeFile
from ..files import FileEntry, is_settled
from ..http.response import Response, reason_phrase
from ..modules import compression, directory_listing, rewrite_outbound, sending, static_file
from ..modules.handlers import access_denied, not_found
from ..modules.static_file import FileResponse
from . import long_searches, response_heads
from .exchange import Exchange

#: Files up to this size are read and sent in one piece.
WHOLE = 1 << 18
PORTION = 1 << 18


class FileCache:
    """Contents of small files, as IIS keeps them. An entry is good for one size and time stamp,
    which every request asks.
    """

    def __init__(self, limit: int = 1 << 24, largest: int = 1 << 16) -> None:
        self._limit = limit
        self._largest = largest
        self._kept: dict[str, tuple[FileEntry, bytes]] = {}
        self._size = 0

    def get(self, entry: FileEntry) -> bytes | None:
        """The content, if it is of this very state of the file."""
        kept = self._kept.get(entry.path)
        return kept[1] if kept is not None and kept[0] == entry else None

    def put(self, entry: FileEntry, data: bytes) -> None:
        """Keep a content, unless the file is large or so new that its time stamp may not tell the
        next change.
        """
        if len(data) > self._largest or not is_settled(entry.mtime_ns):
            return
        old = self._kept.pop(entry.path, None)
        self._size += len(data) - (len(old[1]) if old else 0)
        self._kept[entry.path] = (entry, data)
        while self._size > self._limit:
            oldest = next(iter(self._kept))
            self._size -= len(self._kept.pop(oldest)[1])


class StaticFiles:
    """What a server keeps of the files that it has sent: contents, the same as gzip, and how often
    each was asked for.
    """

    def __init__(self) -> None:
        self.contents = FileCache()
        self.gzipped = FileCache(largest=1 << 22)
        self.hits = compression.Hits()


def serve_at_once(
    kept_files: StaticFiles, exchange: Exchange, decision: Decision, action: ServeFile
) -> bool:
    """Send a small file that is known, as most are asked for; False where there is more to do."""
    kept = exchange.kept
    body = kept_files.contents.get(action.entry)
    if body is None or not exchange.is_simple or decision.site.settings.compression:
        return False
    if rewrite_outbound.active_rules(decision.effective) is not None:
        return False
    content = decision.effective.view(static_file.static_content)
    if content.footer:
        return False
    answer = static_file.respond(action, content, decision.request)
    if answer.status != 200 or answer.ranges != ((0, len(body)),):
        return False
    headers = sending.decorate(answer.headers, decision.effective)
    known = response_heads.with_length(
        200, reason_phrase(200), headers, len(body), exchange.keep_alive
    )
    if known is None:
        return False
    if (
        kept is not None
        and kept.decision is decision
        and not decision.rewrite.log_rewritten
        and static_file.is_timeless(decision.request, action.entry)
    ):
        kept.ready = known, body
    exchange.send_whole(known, body)
    return True


async def serve_file(
    kept_files: StaticFiles, exchange: Exchange, decision: Decision, action: ServeFile
) -> Respond | None:
    """Send the file that the decision names; the error to answer instead where that cannot be
    done.
    """
    exchange.compress = None  # that is for what programs answer
    content = decision.effective.view(static_file.static_content)
    answer = static_file.respond(
        action, content, decision.request, footer=_footer(decision, content)
    )
    if answer.status in (412, 416):
        return _failed(answer)
    try:
        if await _compressed(kept_files, exchange, decision, action, answer):
            return None
        descriptor = os.open(action.entry.path, _OPEN) if answer.ranges else -1
    except PermissionError:
        return access_denied()
    except OSError:  # it has vanished meanwhile
        return not_found("ExecuteRequestHandler")
    try:
        await _send(kept_files, exchange, decision, answer, descriptor)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return None


#: A file that has become a pipe meanwhile must not be waited for.
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


async def _send(
    kept_files: StaticFiles,
    exchange: Exchange,
    decision: Decision,
    answer: FileResponse,
    descriptor: int,
) -> None:
    headers = sending.decorate(answer.headers, decision.effective)
    reason = reason_phrase(answer.status)
    if rewrite_outbound.active_rules(decision.effective) is not None:
        body = b"".join([part async for part in _parts(answer, decision, descriptor)])
        response = Response(answer.status, reason, answer.headers, body)
        await exchange.respond(await long_searches.sent(decision, response))
        return
    size = sum(end - start for start, end in answer.ranges)
    await exchange.start(answer.status, reason, headers)
    if size <= WHOLE and not answer.multipart:
        start, end = answer.ranges[0] if answer.ranges else (0, 0)
        data = posix.pread(descriptor, end - start, start) if end > start else b""
        if isinstance(decision.action, ServeFile) and len(data) == decision.action.entry.size:
            kept_files.contents.put(decision.action.entry, data)
        await exchange.write(data + answer.footer, more=False)
        return
    if len(answer.ranges) == 1 and not answer.footer and not answer.multipart:
        if await exchange.send_file(descriptor, *answer.ranges[0]):
            return
    async for part in _parts(answer, decision, descriptor):
        if exchange.gone:
            return
        await exchange.write(part)
    await exchange.write(b"", more=False)


async def _parts(answer: FileResponse, decision: Decision, descriptor: int):  # type: ignore[no-untyped-def]
    """The bytes of every range, in portions, with what a multipart body puts around them."""
    assert isinstance(decision.action, ServeFile)
    size = decision.action.entry.size
    for start, end in answer.ranges:
        if answer.multipart:
            yield static_file.part_head(decision.action.mime_type, start, end, size)
        while start < end:
            data = posix.pread(descriptor, min(PORTION, end - start), start)
            if not data:
                return
            start += len(data)
            yield data
    if answer.multipart:
        yield static_file.MULTIPART_END
    if answer.footer:
        yield answer.footer


def _footer(decision: Decision, content: static_file.StaticContent) -> bytes:
    """What enableDocFooter appends: the text, or the content of the file below the site that it
    names.
    """
    if not content.footer_is_file:
        return content.footer
    files = decision.site.files
    return (
        files.read_text(files.physical_path("/" + content.footer.decode().lstrip("\\/"))) or ""
    ).encode()


async def _compressed(
    kept_files: StaticFiles,
    exchange: Exchange,
    decision: Decision,
    action: ServeFile,
    answer: FileResponse,
) -> bool:
    """Send the file as gzip, if StaticCompressionModule does that for this request; else nothing is
    sent.
    """
    entry = action.entry
    if answer.status != 200 or answer.footer or not decision.site.settings.compression:
        return False
    settings = compression.static(decision, action.mime_type, entry.size)
    if settings is None or not kept_files.hits.frequent(
        entry.path, settings.hits, settings.period, time.monotonic()
    ):
        return False
    if rewrite_outbound.active_rules(decision.effective) is not None:
        return False
    headers = sending.decorate(answer.headers, decision.effective)
    body = kept_files.gzipped.get(entry)
    if body is None:
        with open(entry.path, "rb") as stream:
            body = compression.compress(stream.read(), settings.static_level)
        kept_files.gzipped.put(entry, body)
    await exchange.start(200, reason_phrase(200), compression.encoded(headers, len(body)))
    await exchange.write(body if answer.ranges else b"", more=False)
    return True


def _failed(answer: FileResponse) -> Respond:
    message = (
        "The requested range cannot be satisfied."
        if answer.status == 416
        else "A precondition of the request is not met."
    )
    return Respond(
        answer.status,
        0,
        message,
        headers=tuple(answer.headers),
        notification="ExecuteRequestHandler",
    )


async def list_directory(
    exchange: Exchange, decision: Decision, action: ListDirectory
) -> Respond | None:
    """Send the listing of a folder; the error to answer instead where it cannot be read."""
    flags = decision.effective.view(directory_listing.browse).flags
    path = decision.path if decision.path.endswith("/") else decision.path + "/"
    try:
        rows = directory_listing.rows(decision.site.directory(path).view, action.entry)
    except PermissionError:
        return access_denied()
    except OSError:  # it has vanished meanwhile
        return not_found("ExecuteRequestHandler")
    body = pages.listing(decision.request.host, path, rows, flags)
    response = Response(
        200,
        "OK",
        [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", str(len(body)))],
        body,
    )
    await exchange.respond(await long_searches.sent(decision, response))
    return None
