"""The FastCGI 1.0 wire format. No I/O: bytes in, records out, and back."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

VERSION = 1
HEADER = struct.Struct(">BBHHBx")
_BEGIN = struct.Struct(">BBHHBxHB5x")
_END_BODY = struct.Struct(">IB3x")
#: The end of STDOUT and END_REQUEST, both statuses 0.
_END_OF_ANSWER = struct.Struct(">BBHHBxBBHHBx8x")
_LONG = struct.Struct(">I")

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST = 1, 2, 3
PARAMS, STDIN, STDOUT, STDERR, DATA = 4, 5, 6, 7, 8
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11

#: The id that encoded parameters have; a connection gives them that of their request.
REQUEST_ID = 1
RESPONDER = 1
KEEP_CONN = 1

#: A record's content length is 16 bits wide.
MAX_CONTENT = 65535
#: Content that leaves room for padding to eight bytes; what is sent stays below MAX_CONTENT.
CHUNK = 65528


class ProtocolError(Exception):
    """Bytes that are not FastCGI 1.0, or values that do not fit it."""


#: One record: its type, the request it belongs to (0 = management), and its content without
#: padding.
Record = tuple[int, int, bytes]


def encode(type: int, request_id: int, content: bytes = b"") -> bytes:
    """One record, without padding. Raises ProtocolError for content over MAX_CONTENT bytes."""
    if len(content) > MAX_CONTENT:
        raise ProtocolError(f"record content of {len(content)} bytes exceeds {MAX_CONTENT}")
    return HEADER.pack(VERSION, type, request_id, len(content), 0) + content


def encode_stream(type: int, request_id: int, data: bytes) -> bytes:
    """``data`` as records of a stream, without the empty record that ends it."""
    if len(data) <= CHUNK:
        return encode(type, request_id, data) if data else b""
    return b"".join(
        encode(type, request_id, data[start : start + CHUNK])
        for start in range(0, len(data), CHUNK)
    )


def encode_begin(request_id: int, keep: bool = True) -> bytes:
    """BEGIN_REQUEST of a responder."""
    return _BEGIN.pack(
        VERSION, BEGIN_REQUEST, request_id, 8, 0, RESPONDER, KEEP_CONN if keep else 0
    )


def end_of_stream(type: int, request_id: int) -> bytes:
    """The empty record that ends a stream."""
    return HEADER.pack(VERSION, type, request_id, 0, 0)


def encode_pair(name: bytes, value: bytes) -> bytes:
    """A name-value pair: lengths of one byte below 128, else of four with the top bit set."""
    return encode_name(name, len(value)) + value


def encode_name(name: bytes, length: int) -> bytes:
    """A name-value pair without its value, whose length is given."""
    return _encoded_length(len(name)) + _encoded_length(length) + name


def _encoded_length(length: int) -> bytes:
    return bytes((length,)) if length < 128 else _LONG.pack(length | 0x80000000)


def encode_params(request_id: int, pairs: Iterable[bytes]) -> bytes:
    """The whole PARAMS stream from encoded pairs. They are never split over records: wfastcgi and
    flup cannot read that.

    Raises ProtocolError for a pair over MAX_CONTENT bytes.
    """
    records: list[bytes] = []
    current: list[bytes] = []
    size = 0
    for pair in pairs:
        if size + len(pair) > MAX_CONTENT:
            records.append(encode(PARAMS, request_id, b"".join(current)))
            current, size = [], 0
            if len(pair) > MAX_CONTENT:
                raise ProtocolError(
                    f"a variable of {len(pair)} bytes is longer than a FastCGI record"
                )
        current.append(pair)
        size += len(pair)
    if current:
        records.append(encode(PARAMS, request_id, b"".join(current)))
    records.append(encode(PARAMS, request_id))
    return b"".join(records)


def renumbered(stream: bytes, request_id: int) -> bytes:
    """Records as ``encode`` makes them, of another request."""
    number = request_id.to_bytes(2, "big")
    if len(stream) == (stream[4] << 8 | stream[5]) + 16:  # one record and the end
        return b"%b%b%b%b%b" % (stream[:2], number, stream[4:-6], number, stream[-4:])
    position = 0
    copy = bytearray(stream)
    while position < len(copy):
        copy[position + 2 : position + 4] = number
        position += 8 + (copy[position + 4] << 8 | copy[position + 5]) + copy[position + 6]
    return bytes(copy)


def decode_end(content: bytes) -> tuple[int, int]:
    """Application status and protocol status of an END_REQUEST body."""
    if len(content) < _END_BODY.size:
        raise ProtocolError("END_REQUEST is too short")
    status, protocol = _END_BODY.unpack_from(content)
    return status, protocol


def only_output(data: bytes, request_id: int) -> bytes | None:
    """What STDOUT holds, where ``data`` is one whole answer that went well: a single record of
    output, the end of the stream and END_REQUEST. None for all others.
    """
    size = len(data) - _LENGTH_WITHOUT_OUTPUT
    if size <= 0 or HEADER.unpack_from(data) != (VERSION, STDOUT, request_id, size, 0):
        return None
    end = _END_OF_ANSWER.pack(
        VERSION, STDOUT, request_id, 0, 0, VERSION, END_REQUEST, request_id, 8, 0
    )
    return data[HEADER.size : -len(end)] if data.endswith(end) else None


_LENGTH_WITHOUT_OUTPUT = HEADER.size + _END_OF_ANSWER.size


class RecordReader:
    """Bytes in any portions -> records. ``feed`` raises ProtocolError once and for all at the first
    wrong byte.
    """

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes, take: Callable[[int, int, bytes], object]) -> None:
        """Give ``take`` the records that ``data`` completes, each before what follows it is looked
        at.
        """
        if self._begun:
            data = self._begun + data
        position = 0
        available = len(data)
        while available - position >= 8:
            version, kind, request_id, length, padding = HEADER.unpack_from(data, position)
            if version != VERSION:
                raise ProtocolError(f"version {version} where {VERSION} was expected")
            start = position + 8
            if available < start + length + padding:
                break
            position = start + length + padding
            take(kind, request_id, data[start : start + length])
        self._begun = data[position:]

    @property
    def pending(self) -> int:
        """Bytes of a record that is not complete yet."""
        return len(self._begun)
