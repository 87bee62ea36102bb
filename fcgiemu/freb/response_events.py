"""The events of a response on its way out: SEND_RESPONSE, and what http.sys is given."""

from __future__ import annotations

from collections.abc import Iterator

from . import wire
from .file_access import file_access
from .rewriting import own
from .traced_exchange import Answered, TracedExchange
from .translated_event import TranslatedEvent, translated


def sending(exchange: TracedExchange, module: str) -> Iterator[TranslatedEvent]:
    """What a module does in SEND_RESPONSE."""
    answered = exchange.answered
    assert answered is not None
    if module == "ProtocolSupportModule":
        for name, value in exchange.custom_headers:
            yield translated("GENERAL_SET_RESPONSE_HEADER", name, value, "false")
    elif module == "DynamicCompressionModule":
        reason = _not_compressed(exchange, answered)
        if any(name.lower() == "content-encoding" for name, _ in answered.headers):
            yield translated("DYNAMIC_COMPRESSION_START")
            yield translated("DYNAMIC_COMPRESSION_SUCCESS", measured=False)
            yield translated("DYNAMIC_COMPRESSION_END")
        elif reason:
            yield translated("DYNAMIC_COMPRESSION_START")
            yield translated("DYNAMIC_COMPRESSION_NOT_SUCCESS", reason)
            yield translated("DYNAMIC_COMPRESSION_END")
    elif module == "RewriteModule":
        outbound = ("PRECONDITION_EVALUATION", "OUTBOUND_PATTERN_MATCH")
        for event in exchange.events:
            if event.name in (*outbound, "OUTBOUND_REWRITE_ACTION"):
                yield own(event)
    elif module == "CustomErrorModule":
        yield from _custom_error(exchange, answered)


def _not_compressed(exchange: TracedExchange, answered: Answered) -> str:
    """Why dynamic compression does nothing, as each server says it; empty = it is silent."""
    if exchange.is_express:
        return "" if answered.status == 304 else "2"
    return "9" if exchange.server == "azure-2012" and answered.status >= 300 else ""


def _custom_error(exchange: TracedExchange, answered: Answered) -> Iterator[TranslatedEvent]:
    file = exchange.error_file
    if answered.status < 400:
        yield translated("GENERAL_NOT_SEND_CUSTOM_ERROR", "1")
    elif exchange.detailed:
        return
    elif file is None:
        # a handler's own page stays: httpErrors existingResponse="Auto". # inferred
        yield translated("GENERAL_NOT_SEND_CUSTOM_ERROR", "4", measured=False)
    else:
        name = exchange.physical(file) if file else ""
        status = (str(answered.status), str(answered.substatus))
        yield translated("GENERAL_SEND_CUSTOM_ERROR", *status, name)
        if file:
            yield from file_access(exchange, file, added=True)
            for key, value in answered.headers:
                if key == "Content-Type":
                    yield translated("GENERAL_SET_RESPONSE_HEADER", key, value, "true")


def _cacheable(exchange: TracedExchange, answered: Answered, child: bool) -> str:
    """Why http.sys does not keep the response."""
    if child:
        return "8"
    if answered.status == 200 and exchange.kind == "static":
        return "23"
    return "25" if exchange.server == "iis10-default" and answered.status == 404 else "21"


def flush(exchange: TracedExchange, answered: Answered, child: bool) -> Iterator[TranslatedEvent]:
    """The whole response to the client; ``child`` = a child request answers."""
    yield translated("HTTPSYS_CACHEABLE", "false", _cacheable(exchange, answered, child), "0", "0")
    yield translated("GENERAL_FLUSH_RESPONSE_START")
    yield translated("GENERAL_RESPONSE_HEADERS", wire.response_block(answered.headers))
    if answered.file is not None and answered.size:
        name = "\\\\?\\" + answered.file.spelled
        size = str(answered.size)
        yield translated("GENERAL_RESPONSE_ENTITY_FILE", name, "0", size)
    elif answered.body:
        yield translated("GENERAL_RESPONSE_ENTITY_BUFFER", wire.buffer(answered.body))
    yield translated("GENERAL_FLUSH_RESPONSE_END", str(bytes_sent(answered)), "0")


def bytes_sent(answered: Answered) -> int:
    """The bytes of the response with its head."""
    block = wire.response_block(answered.headers)
    has_length = answered.status not in (204, 304)
    return wire.sent(answered.status, answered.reason, block, answered.size, has_length)
