"""A coverage-guided look at what an application may send: ``python tests/fuzz/fuzz_fastcgi.py
-max_total_time=120``.

Needs atheris; findings and runs are recorded in README.md beside this file. Not part of ``make
test``.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from fcgiemu.fastcgi import cgi, records
    from fcgiemu.fastcgi.connection import FastCgiConnection


class Transport:
    """What a connection needs of a transport; nothing leaves it."""

    def __init__(self) -> None:
        self.closing = False

    def write(self, _data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


class Loop:
    @staticmethod
    def time() -> float:
        return 0.0


def one_input(data: bytes) -> None:
    """The stream cut in two places: only ProtocolError and BadHeaders may come out, and both cuts
    say the same.
    """
    cut = data[0] if data else 0
    stream = data[1:]
    answers = [
        answer([stream]),
        answer([stream[:cut], stream[cut:]]),
        answer([stream[i : i + 7] for i in range(0, len(stream), 7)]),
    ]
    assert answers[0] == answers[1] == answers[2], answers


def answer(parts: list[bytes]) -> tuple[object, ...]:
    connection = FastCgiConnection()
    connection._transport = Transport()  # type: ignore[assignment]
    connection._loop = Loop()  # type: ignore[assignment]
    connection.send(records.encode_params(1, [records.encode_pair(b"A", b"b")]))
    reader = cgi.HeadReader()
    body = b""
    for part in parts:
        if connection.error is None and not connection.ended:
            connection.data_received(part)
    if (
        connection.error is not None and not connection.ended
    ):  # what follows the end spoils the next request only
        assert isinstance(connection.error, records.ProtocolError), connection.error
        return (type(connection.error),)
    whole = cgi.split(connection.look()) if connection.is_whole else None
    try:
        body = reader.feed(connection.take())
        head = reader.finish() if connection.ended else reader.head
    except cgi.BadHeaders:
        return (cgi.BadHeaders,)
    assert whole is None or whole[1] == body, (whole, body)
    return (head.status, head.headers, body) if head else (None, body)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
