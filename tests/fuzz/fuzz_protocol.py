"""A coverage-guided look at what a client may send: ``python tests/fuzz/fuzz_protocol.py CORPUS
-max_total_time=120``, from the project's folder.

Needs atheris and hypothesis; findings and runs are recorded in README.md beside this file. Not part
of ``make test``. ``--seeds FOLDER`` writes the seeds.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["fcgiemu.http", "fcgiemu.server"]):
    from fcgiemu.server import protocol
    from tests.unit.test_protocol_fuzz import BAD, GOOD, packets, played

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def one_input(data: bytes) -> None:
    """The first byte says whether answers come later and where packets are cut."""
    how, stream = (data[0], data[1:]) if data else (0, b"")
    later = bool(how & 1)
    whole = played([stream], later)
    pieces = played(packets(stream, list(range(0, len(stream), how // 2 + 1))), later)
    assert whole[0].seen == pieces[0].seen, (whole[0].seen, pieces[0].seen)
    for app, transport, connection in (whole, pieces):
        assert connection.state in protocol.ALLOWED
        answers_are_in_order(transport.sent, len(app.seen))
        for method, target, body in app.seen:
            was_sent(stream, method, target, body)


def answers_are_in_order(sent: bytes, count: int) -> None:
    """One answer for each request, in their order, and nothing behind a refusal."""
    found = re.findall(rb"HTTP/1\.1 (\d+) [^\r]*\r\n(?:A: (\d+))?", sent)
    found = [pair for pair in found if pair[0] != b"100"]
    good = [number for status, number in found if status == b"200"]
    assert good == [b"%d" % (number + 1) for number in range(count)], found
    assert b"200" not in [status for status, _ in found[count:]], found


def was_sent(stream: bytes, method: str, target: bytes, body: bytes) -> None:
    """A request that the server has seen stands in the stream: its line as a whole, and its body in
    one piece or, where it was chunked, in chunks.
    """
    assert _TOKEN.fullmatch(method), method
    # several spaces are accepted, as RFC 9112 (3) allows
    line = re.escape(method.encode()) + b" +" + re.escape(target) + b" +HTTP/1\\."
    found = re.search(line, stream)
    assert found is not None, (line, stream)
    if body in stream:
        return
    at = found.start()
    for byte in body:
        at = stream.index(byte, at) + 1  # ValueError: a byte that was never sent


def seeds(folder: Path) -> None:
    """Well-formed requests, alone and one behind another, and those with a fault."""
    folder.mkdir(parents=True, exist_ok=True)
    good = [data for data, _ in GOOD]
    streams = [*good, b"".join(good), *BAD, *(good[0] + bad + good[1] for bad in BAD)]
    for number, stream in enumerate(streams):
        for how in (0, 7):
            (folder / f"{number:02}-{how}").write_bytes(bytes([how]) + stream)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seeds"]:
        seeds(Path(sys.argv[2]))
    else:
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()
