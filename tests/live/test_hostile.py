"""FastCGI programs that do not keep to the protocol: each ends in a clear page, a replaced process,
and a next answer.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..sites import web_config, write
from .server import LiveServer

#: A program that answers by the query: well for "ok", else in one of many bad ways.
PROGRAM = f"""#!{sys.executable}
import os, socket, struct, sys, time

NUMBER, LATE = 1, b""

def record(kind, content=b"", request=0, version=1):
    return struct.pack(">BBHHBx", version, kind, request or NUMBER, len(content), 0) + content

def answers():
  END = record(3, bytes(8))
  OK = record(6, b"Status: 200 OK\\r\\nX-Pid: %d\\r\\n\\r\\nfine" % os.getpid()) + END
  ANSWERS = {{
    b"ok": OK,
    b"late": OK,
    b"garbage": b"HTTP/1.1 200 OK\\r\\n\\r\\nnot FastCGI at all",
    b"version": record(6, b"x", version=9),
    b"type": record(77, b"x"),
    b"early-end": record(3, bytes(8)),
    b"refused": record(3, struct.pack(">IB3x", 0, 3)),
    b"stranger": record(6, b"Status: 200 OK\\r\\n\\r\\nof another", request=777) + record(3, bytes(8), request=777),
    b"short-end": record(3, b"12"),
    b"after-end": OK + record(6, b"more"),
    b"no-headers": record(6, b"just text without any header") + END,
    b"bad-header": record(6, b"Bad Header: x\\r\\n\\r\\n") + END,
    b"bad-status": record(6, b"Status: great\\r\\n\\r\\n") + END,
    b"huge-header": record(6, b"X: " + b"a" * 60000) * 6,
    b"huge-whole": record(6, b"X: " + b"a" * 60000) * 6 + record(6, b"\\r\\n\\r\\nfine") + END,
    b"leaves": OK,
    b"hangs-up": b"",
    b"cut": record(6, b"Status: 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\npart"),
    b"half-record": record(6, b"x" * 100)[:50],
  }}
  return ANSWERS

CLOSES = (b"cut", b"half-record", b"leaves", b"hangs-up")

listening = socket.socket(fileno=os.dup(0))
while True:
    connection, _ = listening.accept()
    data = b""
    while True:
        part = connection.recv(65536)
        if not part:
            break
        data += part
        NUMBER = int.from_bytes(data[2:4], "big")
        if record(5) not in data:
            continue
        mode = data.partition(b"QUERY_STRING")[2][:20]
        known = answers()
        mode = next((name for name in (*known, b"flood", b"silence", b"exit", b"crash") if mode.startswith(name)), b"ok")
        data = b""
        if mode == b"exit":
            sys.stderr.write("last words\\n")
            sys.stderr.flush()
            os._exit(7)
        if mode == b"crash":
            os.kill(os.getpid(), 11)
        try:
            while mode == b"flood":
                connection.sendall(record(7, b"e" * 60000))
            if mode == b"silence":
                time.sleep(3600)
            connection.sendall(LATE + known[mode])
            LATE = record(6, b"Status: 200 OK\\r\\n\\r\\nof another") + record(3, bytes(8)) if mode == b"late" else b""
        except OSError:
            break
        if mode in CLOSES:
            break
    connection.close()
"""
CONFIG = web_config(
    '<handlers><add name="Hostile" path="*" verb="*" modules="FastCgiModule" scriptProcessor="C:\\hostile.exe" '
    'resourceType="Unspecified" /></handlers>'
)
HOST = (
    '<configuration><system.webServer><fastCgi><application fullPath="C:\\hostile.exe" maxInstances="1" activityTimeout="10" />'
    "</fastCgi></system.webServer></configuration>"
)
#: Query, and what the page says.
TABLE = [
    ("garbage", "FastCGI"),
    ("version", "version"),
    ("type", "record of type 77"),
    ("early-end", "headers"),
    ("refused", "protocol status 3"),
    ("stranger", "a record of request 777"),
    ("short-end", "END_REQUEST"),
    ("no-headers", "headers"),
    ("bad-header", "headers"),
    ("bad-status", "headers"),
    ("huge-header", "headers"),
    ("huge-whole", "headers"),
    ("hangs-up", "exited unexpectedly"),
    ("cut", "exited unexpectedly"),
    ("half-record", "exited unexpectedly"),
    ("flood", "writes to STDERR without end"),
    ("exit", "exit code 7"),
    ("crash", "signal 11"),
]


def serving(
    folder: Path, program: str = PROGRAM, config: str = CONFIG, host: str = HOST
) -> LiveServer:
    write(folder, {"hostile": program, "site/web.config": config, "host.config": host})
    (folder / "hostile").chmod(0o755)
    return LiveServer(
        folder / "site",
        [
            "--host-config",
            str(folder / "host.config"),
            "--map",
            f"C:\\hostile.exe={folder / 'hostile'}",
        ],
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.mark.parametrize(("mode", "text"), TABLE)
def test_a_clear_page_and_a_new_process(server: LiveServer, mode: str, text: str) -> None:
    before = server.get("/?ok").headers["x-pid"]
    answer = server.get(f"/?{mode}")
    assert answer.status == 500 and "500.0" in answer.text and text in answer.text, answer.text
    after = server.get("/?ok")
    assert after.text == "fine" and after.headers["x-pid"] != before


@pytest.mark.parametrize(
    ("mode", "host", "status", "text"),
    [
        ("quiet", "", 500, "die gr\xfcnde"),
        ("latin", "", 500, "die gr\xfcnde"),
        ("quiet", 'stderrMode="ReturnGeneric500"', 500, "die gr\xfcnde"),
        ("early", "", 500, "complaint"),
        ("early", 'stderrMode="IgnoreAndReturn200"', 200, "fine"),
        ("hang", 'stderrMode="TerminateProcess"', 500, "stderrMode TerminateProcess"),
    ],
)
def test_what_comes_on_stderr(tmp_path: Path, mode: str, host: str, status: int, text: str) -> None:
    """Even with responseBufferLimit 0 an error that comes first is a clean answer; TerminateProcess
    waits for no more.
    """
    program = PROGRAM.replace("ANSWERS = {", "ANSWERS = {" + STDERR_ANSWERS)
    with serving(
        tmp_path,
        program,
        CONFIG.replace('path="*"', 'path="*" responseBufferLimit="0"'),
        HOST.replace('maxInstances="1"', f'maxInstances="1" {host}'),
    ) as server:
        before = server.get("/?ok").headers["x-pid"]
        answer = server.get(f"/?{mode}")
        assert answer.status == status and text in answer.text
        assert (server.get("/?ok").headers["x-pid"] == before) is (mode != "hang")
        if status == 500:
            server.wait_for("die gr\xfcnde" if mode in ("quiet", "latin") else "complaint")


STDERR_ANSWERS = r"""
    b"quiet": record(7, "die gr\xfcnde".encode()) + END,
    b"latin": record(7, "die gr\xfcnde".encode("latin-1")) + END,
    b"early": record(7, b"complaint") + OK,
    b"hang": record(7, b"complaint"),
"""


def test_words_after_the_end_spoil_the_connection_only(server: LiveServer) -> None:
    assert server.get("/?after-end").text == "fine"
    assert server.get("/?ok").text == "fine"


def test_a_late_second_answer_is_given_to_nobody(server: LiveServer) -> None:
    assert [server.get(f"/?{mode}").text for mode in ("late", "ok", "ok")] == ["fine"] * 3


def test_a_program_that_closes_its_connections_is_asked_over_new_ones(tmp_path: Path) -> None:
    """FCGI_KEEP_CONN asks it to keep them. That it has closed one may be seen only when the next
    request is on its way.
    """
    with serving(tmp_path) as server:
        answers = server.raw(
            b"GET /?leaves HTTP/1.1\r\nHost: x\r\n\r\n" * 8
            + b"GET /?ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert answers.count(b"HTTP/1.1 200 OK") == 9
        pids = {server.request("POST", "/?leaves", b"").headers["x-pid"] for _ in range(8)}
        assert len(pids) == 1 and answers.count(b"X-Pid: " + pids.pop().encode()) == 9


def test_silence_ends_by_its_timeout_and_others_wait_no_longer(server: LiveServer) -> None:
    texts: list[str] = []
    silent = threading.Thread(target=lambda: texts.append(server.get("/?silence").text))
    silent.start()
    silent.join(60)
    assert "exceeded configured activity timeout" in texts[0] and "0x80070102" in texts[0]
    assert server.get("/?ok").text == "fine"


def test_a_last_word_is_shown(
    tmp_path: Path, server: LiveServer, serve: Callable[..., LiveServer]
) -> None:
    assert "last words" in server.get("/?exit").text
