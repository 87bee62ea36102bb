"""A load generator on loopback: keep-alive connections in a process of their own, bounded in
time; wrk where it is installed, which takes less of the machine, else ours.
"""

from __future__ import annotations

import itertools
import json
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """Requests per second, and the latencies that half and 99 of 100 requests stay under, in
    milliseconds.
    """

    rate: float
    p50: float
    p99: float
    errors: int


#: What a browser sends with a request for a page.
BROWSER = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark",
    "Referer": "http://localhost/start",
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
}


def measure(
    port: int,
    target: str,
    connections: int,
    seconds: float,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """Ask ``target`` over and over, one request at a time on each connection; ``#`` in it stands
    for another number each time.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        return from_another_process(port, target, connections, seconds, headers)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        before, _, after = target.partition("#")
        script.write(
            "local n = 0\nfunction request()\n  n = n + 1\n"
            f'  return wrk.format("GET", "{before}" .. n .. "{after}")\nend\n'
        )
        script.flush()
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
        command += ["-s", script.name] if "#" in target else []
        for name, value in (headers or {}).items():
            command += ["-H", f"{name}: {value}"]
        command.append(f"http://localhost:{port}{target.replace('#', '0')}")
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    errors = int(refused[1]) if refused else 0
    errors += sum(map(int, lost.groups())) if lost else 0
    return Load(float(rate[1]) if rate else 0, _percentile(said, 50), _percentile(said, 99), errors)


def _percentile(said: str, percent: int) -> float:
    """One of wrk's latencies, in milliseconds."""
    found = re.search(rf"\b{percent}%\s+([\d.]+)(us|ms|s)\b", said)
    return float(found[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[found[2]] if found else 0


def run(
    port: int, target: str, connections: int, seconds: float, headers: Mapping[str, str]
) -> Load:
    """Ask ``target`` over and over, one request at a time on each connection; ``#`` in it stands
    for another number each time.
    """
    numbers = itertools.count()
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    asked = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()
    before, mark, after = asked.partition(b"#")

    def request() -> bytes:
        return b"%b%d%b" % (before, next(numbers), after) if mark else asked

    selector = selectors.DefaultSelector()
    latencies: list[float] = []
    errors = 0

    def connect() -> None:
        sock = socket.create_connection(("127.0.0.1", port), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(sock)
        selector.register(sock, selectors.EVENT_READ, client)
        client.send(request())

    for _ in range(connections):
        connect()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(0.5):
            client = key.data
            finished = client.receive()
            if finished is None:
                continue
            latencies.append(client.elapsed())
            if finished == "again":
                client.send(request())
                continue
            errors += finished == "broken"
            selector.unregister(client.sock)
            client.sock.close()
            connect()
    for key in list(selector.get_map().values()):
        key.data.sock.close()
    latencies.sort()
    count = len(latencies)
    if not count:
        return Load(0, 0, 0, errors)
    return Load(
        count / seconds,
        latencies[count // 2] * 1e3,
        latencies[min(count - 1, int(count * 0.99))] * 1e3,
        errors,
    )


def from_another_process(
    port: int,
    target: str,
    connections: int,
    seconds: float,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """As ``run``, so that the load does not share an interpreter with who measures."""
    output = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.benchmarks.load",
            str(port),
            target,
            str(connections),
            str(seconds),
            json.dumps(dict(headers or {})),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    return Load(float(output[0]), float(output[1]), float(output[2]), int(output[3]))


class _Client:
    """One connection: knows when a response is complete by its length or its last chunk."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, request: bytes) -> None:
        self._started = time.perf_counter()
        self._head = bytearray()
        self._tail = b""
        self._left: int | None = None
        self._chunked = self._close = False
        self.sock.sendall(request)

    def elapsed(self) -> float:
        return time.perf_counter() - self._started

    def receive(self) -> str | None:
        """None while the response goes on; "again", "closed" or "broken" when it has ended."""
        data = self.sock.recv(1 << 18)
        if not data:
            return "closed" if self._close else "broken"
        if self._left is None and not self._chunked:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return None
            lower = bytes(self._head[:end]).lower()
            data = bytes(self._head[end + 4 :])
            self._close = b"connection: close" in lower
            self._chunked = b"transfer-encoding: chunked" in lower
            if not self._chunked:
                mark = lower.find(b"content-length: ")
                if mark < 0:
                    self._close = True
                    self._left = sys.maxsize
                else:
                    self._left = int(lower[mark + 16 :].split(b"\r\n", 1)[0])
        if self._chunked:
            self._tail = (self._tail + data)[-5:]
            if self._tail != b"0\r\n\r\n":
                return None
            return "closed" if self._close else "again"
        assert self._left is not None
        self._left -= len(data)
        if self._left > 0 or self._close:
            return None
        return "again"


if __name__ == "__main__":
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[3]), float(sys.argv[4])
    result = run(port, sys.argv[2], connections, seconds, json.loads(sys.argv[5]))
    print(result.rate, result.p50, result.p99, result.errors)
