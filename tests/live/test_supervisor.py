"""The supervisor with policies of more than one kind: sockets and ports, all at once and in turns."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.server.process_handlers.address import Address, TcpPort, UnixSocket
from fcgiemu.server.process_handlers.supervised_process import E_TIMEOUT, ProcessStartFailed
from fcgiemu.server.process_handlers.supervisor import (
    FailurePolicy,
    LogPolicy,
    Policy,
    Readiness,
    Supervisor,
)

from ..sites import web_config, write
from .server import LiveServer

#: Listens on what PORT says: a number, or the path of a socket.
LISTENS = """
import os, socket, sys
open(sys.argv[1], "a").write("x")
name = os.environ["PORT"]
listening = socket.socket() if name.isdigit() else socket.socket(socket.AF_UNIX)
listening.bind(("127.0.0.1", int(name)) if name.isdigit() else name)
listening.listen()
print("listens", flush=True)
while True:
    connection, _ = listening.accept()
    if connection.recv(10) == b"end":
        os._exit(7)
"""
FAILS = "import sys; open(sys.argv[1], 'a').write('x'); raise SystemExit(3)"
SLEEPS = "import sys, threading; open(sys.argv[1], 'a').write('x'); threading.Event().wait()"


class Site:
    """A folder with a program, and what has been said of its processes."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        self.said: list[str] = []
        self._program = program
        self._numbers = itertools.count()

    def socket(self) -> Address:
        return UnixSocket(str(self.folder / f"{next(self._numbers)}.sock"))

    def supervisor(
        self,
        address: Callable[[], Address],
        *,
        seconds: float = 60.0,
        failure: FailurePolicy | None = None,
        processes: int = 1,
        at_once: bool = False,
        log: LogPolicy | None = None,
    ) -> Supervisor:
        policy = Policy(
            readiness=Readiness(
                address=address, variable="PORT", seconds=seconds, attribute="the limit"
            ),
            failure=failure or FailurePolicy(),
            log=log or LogPolicy(),
            processes=processes,
            at_once=at_once,
        )
        return Supervisor(
            policy, self._launch, self.folder, lambda pid, request, text: self.said.append(text)
        )

    def _launch(self, address: Address) -> tuple[tuple[str, ...], dict[str, str]]:
        environment = {**os.environ, "PORT": address.value}
        return (sys.executable, "-c", self._program, str(self.starts_file)), environment

    @property
    def starts_file(self) -> Path:
        return self.folder / "starts"

    @property
    def starts(self) -> int:
        return len(self.starts_file.read_text()) if self.starts_file.exists() else 0


@pytest.mark.parametrize("kind", ["port", "socket"])
def test_a_process_is_ready_when_it_accepts(kind: str, tmp_path: Path) -> None:
    site = Site(tmp_path, LISTENS)
    supervisor = site.supervisor(TcpPort.free if kind == "port" else site.socket)

    async def run() -> None:
        first = await supervisor.process()
        assert first.alive and first is await supervisor.process()
        await supervisor.restart()
        assert not first.alive and not supervisor.running
        second = await supervisor.process()
        assert second.alive and second.address != first.address
        await supervisor.close()
        assert not second.alive

    asyncio.run(run())
    assert site.starts == 2 and not list(tmp_path.glob("*.sock"))


@pytest.mark.parametrize(("at_once", "started"), [(False, 1), (True, 3)])
def test_slots_are_asked_in_turns(at_once: bool, started: int, tmp_path: Path) -> None:
    site = Site(tmp_path, LISTENS)
    supervisor = site.supervisor(site.socket, processes=3, at_once=at_once)

    async def run() -> None:
        first = await supervisor.process()
        assert site.starts == started
        others = [await supervisor.process() for _ in range(3)]
        assert len({process.pid for process in (first, *others)}) == 3 and others[-1] is first
        assert await supervisor.process(1) is first
        await supervisor.close()

    asyncio.run(run())
    assert site.starts == 3


def test_requests_that_come_while_a_process_starts_wait_for_it(tmp_path: Path) -> None:
    site = Site(tmp_path, LISTENS)
    supervisor = site.supervisor(site.socket)

    async def run() -> None:
        asked = await asyncio.gather(*(supervisor.process() for _ in range(5)))
        assert len({process.pid for process in asked}) == 1
        await supervisor.close()

    asyncio.run(run())
    assert site.starts == 1


@pytest.mark.parametrize(
    ("failure", "starts", "words"),
    [
        (FailurePolicy(), 2, "it ended with exit code 3"),
        (FailurePolicy(starts=3), 6, "it ended with exit code 3"),
        (FailurePolicy(starts=3, rapid_fails=0), 6, "it ended with exit code 3"),
        (
            FailurePolicy(starts=3, rapid_fails=2),
            2,
            "2 failures within a minute: rapidFailsPerMinute",
        ),
    ],
)
def test_how_often_a_process_is_started(
    failure: FailurePolicy, starts: int, words: str, tmp_path: Path
) -> None:
    site = Site(tmp_path, FAILS)
    supervisor = site.supervisor(site.socket, failure=failure)

    async def run() -> None:
        for _ in range(2):
            with pytest.raises(ProcessStartFailed, match=words):
                await supervisor.process()
        assert supervisor.running and not supervisor.alive
        await supervisor.restart()  # a saved file lifts the block
        assert not supervisor.running
        with pytest.raises(ProcessStartFailed):
            await supervisor.process()

    asyncio.run(run())
    assert site.starts == starts + (failure.rapid_fails or failure.starts)


def test_a_process_that_does_not_listen(tmp_path: Path) -> None:
    site = Site(tmp_path, SLEEPS)
    supervisor = site.supervisor(site.socket, seconds=0.1)
    words = r"it did not listen on the socket \S+0\.sock \(%PORT%\) within 0\.1 seconds \(the limit"

    async def run() -> None:
        with pytest.raises(ProcessStartFailed, match=words) as caught:
            await supervisor.process()
        assert caught.value.hresult == E_TIMEOUT

    asyncio.run(run())


@pytest.mark.parametrize(
    ("rapid_fails", "said"),
    [
        (None, "ended with exit code 7"),
        (5, "ended with exit code 7: failure 1 of 5 within a minute (rapidFailsPerMinute)"),
    ],
)
def test_a_process_that_ends_is_replaced_by_the_next_request(
    rapid_fails: int | None, said: str, tmp_path: Path
) -> None:
    site = Site(tmp_path, LISTENS)
    supervisor = site.supervisor(site.socket, failure=FailurePolicy(rapid_fails=rapid_fails))

    async def run() -> None:
        first = await supervisor.process()
        ended = asyncio.Event()
        told = first.when_ended
        assert told is not None
        first.when_ended = lambda process: (told(process), ended.set())[0]
        _, writer = await asyncio.open_unix_connection(first.address.value)
        writer.write(b"end")
        await ended.wait()
        writer.close()
        second = await supervisor.process()
        assert second.alive and second.pid != first.pid
        await supervisor.close()

    asyncio.run(run())
    assert site.said.count(said) == 1 and site.starts == 2


def test_who_waited_for_a_start_may_go(tmp_path: Path) -> None:
    site = Site(tmp_path, "import os; open('pid', 'w').write(f'{os.getpid()}.')\n" + SLEEPS)
    supervisor = site.supervisor(site.socket)

    async def run() -> None:
        asking = asyncio.ensure_future(supervisor.process())
        while not site.starts:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert not supervisor.running

    asyncio.run(run())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text().rstrip(".")), 0)


def test_what_a_process_writes_goes_to_a_file_of_each_start(tmp_path: Path) -> None:
    site = Site(tmp_path, LISTENS)
    log = LogPolicy(stem=str(tmp_path / "logs" / "out"), suffix=lambda worker, _: f"_{worker}.log")
    supervisor = site.supervisor(site.socket, log=log)

    async def run() -> None:
        process = await supervisor.process()
        while not process.lines:
            await asyncio.sleep(0)
        await supervisor.close()

    asyncio.run(run())
    assert (tmp_path / "logs" / f"out_{os.getpid()}.log").read_text() == "listens\n"


def test_requests_in_progress_get_the_patience_of_the_policy(tmp_path: Path) -> None:
    site = Site(tmp_path, LISTENS)
    supervisor = site.supervisor(site.socket)

    async def run() -> None:
        process = await supervisor.process()
        with process.in_use():
            finishing = asyncio.ensure_future(process.finish(600.0))
            await asyncio.sleep(0)
            assert process.alive and not finishing.done()
        await finishing
        await supervisor.close()
        assert not process.alive

    asyncio.run(run())


def test_a_save_ends_what_starts(tmp_path: Path) -> None:
    """Whoever waits for a process that never listens gets one of the saved files at once."""
    program = f"import os\nexec({LISTENS!r} if os.path.exists('saved') else {SLEEPS!r})"
    site = Site(tmp_path, program)
    supervisor = site.supervisor(site.socket, failure=FailurePolicy(starts=1, rapid_fails=1))

    async def run() -> None:
        asking = asyncio.ensure_future(supervisor.process())
        while not site.starts:
            await asyncio.sleep(0)
        assert supervisor.running
        (tmp_path / "saved").touch()
        await supervisor.restart()
        assert (await asking).alive
        await supervisor.close()

    asyncio.run(run())
    assert site.starts == 2


def test_a_start_that_is_ended_while_its_last_words_are_read(tmp_path: Path) -> None:
    site = Site(tmp_path, SLEEPS)
    supervisor = site.supervisor(site.socket)

    async def run() -> None:
        asking = asyncio.ensure_future(supervisor.process())
        while not site.starts:
            await asyncio.sleep(0)
        (process,) = supervisor._starting
        await process.stop()
        process._pumps = [asyncio.ensure_future(asyncio.sleep(600))]  # a child holds its output
        waiting = asyncio.ensure_future(process.ready(60.0, "the limit", "PORT"))
        await asyncio.sleep(0)
        await process.stop()
        with pytest.raises(ProcessStartFailed, match="it ended"):
            await waiting
        with pytest.raises(ProcessStartFailed, match="it ended"):
            await asking
        await supervisor.close()

    asyncio.run(run())


def test_an_old_process_leaves_its_port_before_a_new_one_takes_it(tmp_path: Path) -> None:
    late = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(0) if last() else 0)\n"
    site = Site(tmp_path, "import os\nlast = lambda: os.path.exists('go')\n" + late + LISTENS)
    port = TcpPort.free()
    supervisor = site.supervisor(lambda: port)

    async def run() -> None:
        first = await supervisor.process()
        leaving = supervisor.restart()
        second = asyncio.ensure_future(supervisor.process())
        for _ in range(50):
            await asyncio.sleep(0)
        assert first.alive and not second.done() and site.starts == 1
        assert (await second).pid != first.pid and not first.alive
        await leaving
        await supervisor.close()

    asyncio.run(run())
    assert site.starts == 2


def test_a_long_line_stops_no_process(tmp_path: Path) -> None:
    site = Site(tmp_path, "print('x' * 5_000_000, flush=True); print('short')\n" + LISTENS)
    supervisor = site.supervisor(site.socket)

    async def run() -> None:
        process = await supervisor.process()
        while "listens" not in process.lines:
            await asyncio.sleep(0)
        await supervisor.close()

    asyncio.run(run())
    assert site.said == ["(a line longer than 64 KiB was left out)", "short", "listens"]


def test_a_websocket_is_not_waited_for(tmp_path: Path) -> None:
    site = Site(tmp_path, LISTENS)
    supervisor = site.supervisor(site.socket)

    async def run() -> None:
        process = await supervisor.process()
        with process.in_use(is_awaited=False):
            await process.finish(600.0)
        await supervisor.close()

    asyncio.run(run())


def test_a_site_without_processes_loads_none_of_it(
    tmp_path: Path, serve: Callable[..., LiveServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    write(tmp_path, {"web.config": web_config(), "index.html": "plain"})
    server = serve(tmp_path)
    assert server.get("/").text == "plain"
    server.stop()
    loaded = set(re.findall(r"import time:.*\| +(\S+)\n", server.log()))
    assert "fcgiemu.server.process_handlers.registry" in loaded
    beside = {
        name for name in loaded if re.match(r"fcgiemu\.server\.process_handlers\.|httpx$", name)
    }
    assert beside == {"fcgiemu.server.process_handlers.registry"}
