"""Load with a reload every second, a kill every five, a broken web.config every seven and clients
that stop half-way all the time: no wrong answer, no leak.

FCGIEMU_SOAK_SECONDS sets how long (``make soak`` takes 1800); the few seconds of ``make test`` only
show that it works. What the server holds is compared from the end of a warm-up on: until then it
loads what only some requests need (error pages, the check of a saved web.config), starts its
threads, and each of its caches fills for the first time. All of that has happened many times after
WARM_UP seconds of this load; memory and descriptors may differ by GROWTH from then on.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import write, wsgi_site
from .server import LiveServer

SECONDS = float(os.environ.get("FCGIEMU_SOAK_SECONDS", "6"))
#: Requests a second: about half of what two cores do at most.
RATE = float(os.environ.get("FCGIEMU_SOAK_RATE", "1000"))
CLIENTS = 8
#: Seconds in which the server reaches its size: 17 broken configurations, 24 kills. It has grown by 7 %
#: from the first half minute on then, and by 5 % from then to the end of half an hour.
WARM_UP = 120.0
#: What it may hold more at the end than then, as a factor, and with a run that is all warm-up.
GROWTH, GROWTH_COLD = 1.1, 1.4
APP = """
import os
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    return [("%s %d %s" % (environ["QUERY_STRING"], len(body), VERSION)).encode()]
VERSION = {}
"""
#: A web.config that is not well-formed: 500.19.
BROKEN = "<configuration><this-is-broken>"


#: Why an answer may be a 500: the process was killed, and the broken web.config, which IIS reads,
#: and so does a worker that starts, as wfastcgi.py does.
EXPECTED = ("was ended by signal 9", "500.19", "ExpatError")


class Clients:
    """Threads that ask, and remember what was not right."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.until = time.monotonic() + SECONDS
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.pids: dict[str, float] = {}
        self.threads = [
            threading.Thread(target=self.run, args=(number,)) for number in range(CLIENTS)
        ]

    def run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        count = 0
        start = time.monotonic()
        while time.monotonic() < self.until and len(self.wrong) < 20:
            count += 1
            query, body = (
                (f"{number}-{count}", b"x" * (count % 5 * 1000))
                if count % 2
                else (str(number), b"")
            )
            try:
                connection.request("POST" if count % 2 else "GET", f"/?{query}", body or None)
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"{query}: {error!r}")
                connection.close()
                continue
            if answer.status == 200:
                self.pids[answer.headers["X-Pid"]] = time.monotonic()
                if text.split()[:2] != [query, str(len(body))]:
                    self.wrong.append(f"{query}: {text[:80]}")
            elif not any(cause in text for cause in EXPECTED):
                self.wrong.append(f"{query}: {answer.status} {text[:2000]}")
            self.seen[str(answer.status)] += 1
            ahead = start + count * CLIENTS / RATE - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)  # the pace of the load, not a wait for anything
        connection.close()


class SlowClients:
    """Connections that send half a request, or do not read their answer; each is kept for some
    beats.
    """

    BEATS = 10
    HALVES = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc",
        b"GET /?half HTTP/1.1\r\nHost: local",
        b"GET /large.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )

    def __init__(self, port: int) -> None:
        self.port = port
        self.kept: list[socket.socket] = []

    def beat(self) -> None:
        """Begin one of each kind; leave the oldest."""
        for half in self.HALVES:
            client = socket.create_connection(("127.0.0.1", self.port), 30)
            client.sendall(half)
            self.kept.append(client)
        self.leave(self.BEATS * len(self.HALVES))

    def leave(self, left: int = 0) -> None:
        """Close all but the newest ``left``."""
        while len(self.kept) > left:
            self.kept.pop(0).close()


def replace(path: Path, text: str) -> None:
    """Save a file as editors do: as a whole."""
    new = path.with_name("new.tmp")
    new.write_text(text)
    os.replace(new, path)


def resources(pid: int) -> dict[str, int]:
    """What a process holds: memory in KiB, descriptors, threads, children."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        "memory": int(status["VmRSS"].split()[0]),
        "threads": int(status["Threads"]),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "children": len(children),
    }


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_soak(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    configuration = wsgi_site()
    files = {"app.py": APP.format(0), "web.config": configuration, "large.txt": "x" * (8 << 20)}
    server = serve(write(tmp_path, files), "--workers", "2")
    server.get("/")
    clients, slow = Clients(server.port), SlowClients(server.port)
    for thread in clients.threads:
        thread.start()
    first: dict[str, int] = {}
    for second in range(int(SECONDS)):
        time.sleep(1)  # the beat of the soak
        slow.beat()
        replace(tmp_path / "app.py", APP.format(second + 1))
        if second % 7 in (3, 4):
            is_broken = second % 7 == 3
            replace(tmp_path / "web.config", BROKEN if is_broken else configuration)
        if second % 5 == 4 and clients.pids:
            newest = max(clients.pids.items(), key=lambda item: item[1])[0]
            try:
                os.kill(int(newest), signal.SIGKILL)  # a worker that this test's own server started
            except ProcessLookupError:
                pass
        if second == int(min(WARM_UP, SECONDS / 4)):
            first = resources(server.process.pid)
    replace(tmp_path / "web.config", configuration)
    slow.leave()
    for thread in clients.threads:
        thread.join(60)
    last = resources(server.process.pid)
    print(
        f"{sum(clients.seen.values())} answers {dict(clients.seen)}, {len(clients.pids)} processes, {first} -> {last}"
    )
    assert clients.wrong == []
    assert clients.seen["200"] > 0
    # asyncio's executor starts its threads one by one, as many as that
    assert last["threads"] <= first["threads"] + min(32, (os.cpu_count() or 1) + 4)
    assert last["children"] <= 4
    growth = GROWTH if SECONDS >= 4 * WARM_UP else GROWTH_COLD
    assert last["descriptors"] <= first["descriptors"] * growth
    assert last["memory"] <= first["memory"] * growth
