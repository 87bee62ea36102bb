"""Sending files: whole, in ranges, or as a listing. Small ones at once, large ones in portions."""

from __future__ import annotations

import os

from .. import pages
from ..decision import Decision, ListDirectory, Respond, ServeFile
from ..http.response import Response, reason_phrase
from ..modules import directory_listing, outbound, sending, static_file
from ..modules.static_file import FileResponse
from .exchange import Exchange

#: Files up to this size are read and sent in one piece.
WHOLE = 1 << 18
PORTION = 1 << 18


async def serve_file(exchange: Exchange, decision: Decision, action: ServeFile) -> None:
    """Send the file that the decision names. A file that has vanished meanwhile is a 404."""
    assert decision.request is not None and decision.effective is not None
    content = decision.effective.view(static_file.compiled)
    answer = static_file.respond(action, content, decision.request)
    if answer.status in (412, 416):
        await _failed(exchange, decision, answer)
        return
    try:
        descriptor = os.open(action.entry.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)) if answer.ranges else -1
    except OSError:
        await exchange.respond(sending.own_response(_missing(decision), decision.request.is_local))
        return
    try:
        await _send(exchange, decision, answer, descriptor)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


async def _send(exchange: Exchange, decision: Decision, answer: FileResponse, descriptor: int) -> None:
    assert decision.effective is not None
    headers = sending.decorate(answer.headers, decision.effective)
    sender = outbound.sender(decision, answer.status, headers)
    reason = reason_phrase(answer.status)
    if sender is not None:
        body = b"".join([part async for part in _parts(answer, decision, descriptor)])
        response = Response(answer.status, reason, answer.headers, body)
        await exchange.respond(sending.send(decision, response))
        return
    size = sum(end - start for start, end in answer.ranges)
    await exchange.start(answer.status, reason, headers)
    if size <= WHOLE and not answer.multipart:
        start, end = answer.ranges[0] if answer.ranges else (0, 0)
        data = os.pread(descriptor, end - start, start) if end > start else b""
        await exchange.write(data, more=False)
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
            data = os.pread(descriptor, min(PORTION, end - start), start)
            if not data:
                return
            start += len(data)
            yield data
    if answer.multipart:
        yield static_file.MULTIPART_END


async def _failed(exchange: Exchange, decision: Decision, answer: FileResponse) -> None:
    message = ("The requested range cannot be satisfied." if answer.status == 416 else
               "A precondition of the request is not met.")
    failed = Decision(Respond(answer.status, 0, message, headers=tuple(answer.headers), notification="ExecuteRequestHandler"),
                      decision.request, decision.effective, decision.path, decision.query, decision.handler,
                      decision.module, decision.rules, decision.state, site_root=decision.site_root)
    assert decision.request is not None
    await exchange.respond(sending.own_response(failed, decision.request.is_local))


def _missing(decision: Decision) -> Decision:
    return Decision(Respond(404, 0, "The file has been removed.", 0x80070002), decision.request, decision.effective,
                    decision.path, decision.query, decision.handler, decision.module, decision.rules, decision.state)


async def list_directory(exchange: Exchange, decision: Decision, action: ListDirectory) -> None:
    """Send the listing of a folder."""
    assert decision.request is not None and decision.effective is not None
    flags = decision.effective.view(directory_listing.compiled).flags
    path = decision.path if decision.path.endswith("/") else decision.path + "/"
    body = pages.listing(decision.request.host, path, directory_listing.rows(action.entry.path), flags)
    response = Response(200, "OK", [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", str(len(body)))], body)
    await exchange.respond(sending.send(decision, response))
