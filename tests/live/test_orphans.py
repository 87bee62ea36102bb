"""Nothing that a FastCGI program has started outlives it, sessions of their own notwithstanding,
and nobody stays a zombie.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ..sites import web_config, write
from .server import STOP_SECONDS, LiveServer, all_end, eventually

#: Like php-cgi with PHP_FCGI_CHILDREN: a parent in a session of its own, whose children answer.
PREFORK = f"""#!{sys.executable}
import os, socket, struct

def record(kind, content, number=1):
    return struct.pack(">BBHHBx", 1, kind, number, len(content), 0) + content

os.setsid() if os.getpid() != os.getsid(0) else None
guard = os.getppid()
family = [os.getpid()]
for _ in range(2):
    child = os.fork()
    if child == 0:
        break
    family.append(child)
else:
    os.waitpid(family[1], 0)
    os._exit(0)
listening = socket.socket(fileno=0)
while True:
    connection, _ = listening.accept()
    data = b""
    while part := connection.recv(65536):
        data += part
        number = int.from_bytes(data[2:4], "big")
        if record(5, b"", number) in data:
            if b"QUERY_STRINGdie" in data:
                os.kill(family[0], 9)  # not getppid(): that is the guard once the parent has gone
                connection.recv(1)
            if b"QUERY_STRINGalone" in data:
                os.kill(guard, 9)
                connection.recv(1)
            answer = b"nonsense" if b"QUERY_STRINGgarbage" in data else record(
                6, b"Content-Type: text/plain\\r\\n\\r\\n%d %d" % (os.getpid(), os.getppid()), number
            ) + record(3, bytes(8), number)
            data = b""
            connection.sendall(answer)
    connection.close()
"""
CONFIG = web_config(
    '<handlers><add name="Prefork" path="*" verb="*" modules="FastCgiModule" scriptProcessor="C:\\prefork.exe" '
    'resourceType="Unspecified" /></handlers>'
)


adopted = pytest.mark.skipif(
    not hasattr(os, "pidfd_open") or not sys.platform.startswith("linux"),
    reason="the descendants of others can be adopted and awaited on Linux only",
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write(tmp_path, {"prefork": PREFORK, "site/web.config": CONFIG})
    (tmp_path / "prefork").chmod(0o755)
    return tmp_path / "site"


def options(site: Path) -> list[str]:
    return ["--map", f"C:\\prefork.exe={site.parent / 'prefork'}", "--workers", "1", "--no-reload"]


@adopted
@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, None])
def test_a_family_in_another_session_ends_with_its_server_and_with_its_process(
    site: Path, serve: Callable[..., LiveServer], number: signal.Signals | None
) -> None:
    server = serve(site, *options(site))
    with all_end(server.get("/").text):
        if number is None:
            assert "broke the protocol" in server.get("/?garbage").text
        else:
            server.process.send_signal(number)
            server.process.wait(STOP_SECONDS)


def test_the_socket_of_a_killed_server_goes_with_the_next(
    site: Path,
    serve: Callable[..., LiveServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory() as folder:  # a short path, as sockets need
        monkeypatch.setenv("TMPDIR", folder)

        def left() -> set[Path]:
            return set(Path(folder).glob("*sockets*"))

        server = serve(site, *options(site))
        with all_end(server.get("/").text):
            (old,) = left()
            server.process.kill()
            server.process.wait(STOP_SECONDS)
        os.utime(old, (0, 0))  # a folder that is new may be another server's that begins
        server = serve(site, *options(site))
        assert server.get("/").status == 200
        assert len(left()) == 1 and old not in left()
        server.stop()
        assert not left()


@adopted
@pytest.mark.parametrize("options_more", [[], ["--strict-pool"]], ids=["grace", "no grace"])
def test_the_signal_that_ended_a_program_is_told_and_its_family_ends(
    site: Path, serve: Callable[..., LiveServer], options_more: list[str]
) -> None:
    server = serve(site, *options(site), *options_more)
    with all_end(server.get("/").text):
        assert "ended by signal 9" in server.get("/?die").text


@adopted
def test_a_connection_that_is_held_past_the_end_of_its_process_is_given_up(
    site: Path, serve: Callable[..., LiveServer]
) -> None:
    """The guard itself is killed: what it has run lives on, and answers nobody."""
    server = serve(site, *options(site))
    _, parent = map(int, server.get("/").text.split())
    try:
        assert "ended by signal 9" in server.get("/?alone").text
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent, signal.SIGKILL)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens, the process ends with the test."""
    try:
        yield
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("ignored", [False, True], ids=["", "as in a shell's background"])
def test_process_1_reaps_what_others_leave_behind(
    tmp_path: Path, number: signal.Signals, ignored: bool
) -> None:
    """As in a container without an init. Asked to end it does so in good order, however early that
    is.
    """
    unshare = [
        shutil.which("unshare") or "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no PID namespace can be made here (unshare)")
    write(tmp_path, {"web.config": "<configuration />"})
    command = [
        *unshare,
        sys.executable,
        "-m",
        "fcgiemu",
        "serve",
        str(tmp_path),
        "--port",
        "0",
        "--no-reload",
    ]
    before = signal.signal(
        signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler
    )  # which the server inherits
    try:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with started as process, ended(process):
        assert process.stdout is not None
        assert any("listening" in line for line in iter(process.stdout.readline, ""))
        first = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().strip()
        children = Path(f"/proc/{first}/task/{first}/children")
        server = children.read_text().split()
        assert len(server) == 1
        # A grandchild that outlives its parent belongs to process 1; its output ends when it does.
        subprocess.run(
            ["nsenter", "--target", first, "--pid", "--mount", "sh", "-c", "(sleep 0.05; echo) &"],
            check=True,
            capture_output=True,
        )
        assert eventually(lambda: children.read_text().split() == server)
        os.kill(int(first), number)
        assert process.wait(STOP_SECONDS) == 0
        assert "stopped" in process.stdout.read()


def test_under_nohup_a_closed_terminal_does_not_matter(
    site: Path, serve: Callable[..., LiveServer]
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which the server inherits
    try:
        server = serve(site, *options(site))
    finally:
        signal.signal(signal.SIGHUP, before)
    pids = server.get("/").text
    server.process.send_signal(signal.SIGHUP)
    assert server.get("/").text.split()[1] == pids.split()[1]
