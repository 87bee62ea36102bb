"""The state table of processes, and the pool over a spawner of our own: no real process, no waiting
for time.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from fcgiemu.fastcgi.connection import ConnectionClosed, FastCgiConnection
from fcgiemu.fastcgi.limits import Limits
from fcgiemu.fastcgi.pool import Pool, QueueFull, TooManyFails
from fcgiemu.fastcgi.process import ALLOWED, Launch, ProcessState, StartFailed, WorkerProcess

LAUNCH = Launch(command=("program",), environment={}, directory="/")


class FakeProcess:
    """A started process that ends when it is told to."""

    numbers = itertools.count(2**22 + 1)  # no process has these

    def __init__(self, listening: int) -> None:
        self.pid = next(self.numbers)
        self.socket = socket.socket(fileno=os.dup(listening))
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        code = await self.ended
        self.stdout.feed_eof()
        self.stderr.feed_eof()
        self.socket.close()
        return code

    def send_signal(self, number: int) -> None:
        raise AssertionError("signals go to the group")


class Spawner:
    """Starts FakeProcesses; signals to their groups end them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: int = 0) -> None:
        self.started: list[FakeProcess] = []
        self.signals: list[int] = []
        self.fails = fails
        monkeypatch.setattr(os, "killpg", self._killpg)

    async def __call__(self, *command: str, stdin: int, **_: Any) -> FakeProcess:
        if self.fails:
            self.fails -= 1
            raise FileNotFoundError(2, "No such file")
        self.started.append(FakeProcess(stdin))
        return self.started[-1]

    def _killpg(self, pid: int, number: int) -> None:
        self.signals.append(number)
        for process in self.started:
            if (
                process.pid == pid
                and not process.ended.done()
                and number in (signal.SIGTERM, signal.SIGKILL)
            ):
                process.ended.set_result(-number)


Work = Callable[[Pool, Spawner], Awaitable[None]]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``pool(work, limits)``: run ``work(application, spawner)`` and close the application."""

    def run(work: Work, limits: Limits = Limits(max_instances=2), fails: int = 0) -> None:
        async def main() -> None:
            spawner = Spawner(monkeypatch, fails)
            application = Pool(lambda: LAUNCH, limits, lambda *_: None, spawner)  # type: ignore[arg-type]
            try:
                await work(application, spawner)
            finally:
                await application.close()
            assert all(process.ended.done() for process in spawner.started)
            assert application.processes == []

        asyncio.run(asyncio.wait_for(main(), 20))

    return run


@pytest.mark.parametrize("state", ProcessState)
@pytest.mark.parametrize("target", ProcessState)
def test_the_table_is_the_law(state: ProcessState, target: ProcessState) -> None:
    async def main() -> None:
        worker = WorkerProcess(LAUNCH, lambda *_: None)
        worker.state = state
        if target in ALLOWED[state]:
            worker.change_state(target)
            assert worker.state is target
        else:
            with pytest.raises(ValueError, match="cannot go from"):
                worker.change_state(target)

    asyncio.run(main())


def test_processes_start_on_demand_and_are_reused(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        assert spawner.started == []
        first = await application.acquire()
        second = await application.acquire()
        assert first is not second and len(spawner.started) == 2
        application.release(first)
        assert await application.acquire() is first

    pool(work)


def test_what_exceeds_the_instances_waits_its_turn(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        held = [await application.acquire(), await application.acquire()]
        waiting = [asyncio.ensure_future(application.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(spawner.started) == 2
        for _ in range(3):
            application.release(held.pop(0))
            held.append(await waiting.pop(0))

    pool(work)


def test_the_queue_is_bounded(pool: Callable[..., None]) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        await application.acquire()
        waiting = asyncio.ensure_future(application.acquire())
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await application.acquire()
        waiting.cancel()

    pool(work, Limits(max_instances=1, queue_length=1))


def test_those_who_wait_for_a_process_to_start_are_no_queue(pool: Callable[..., None]) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        asked = [asyncio.ensure_future(application.acquire()) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await asyncio.gather(
                asyncio.ensure_future(application.acquire()), application.acquire()
            )
        for worker in await asyncio.gather(*asked):
            application.release(worker)

    pool(work, Limits(max_instances=4, queue_length=1))


def test_a_connection_that_is_lost_before_it_is_asked() -> None:
    """A process may end between the moment in which it is taken and that in which it is sent its
    request.
    """

    class Transport:
        def is_closing(self) -> bool:
            return False

        def abort(self) -> None:
            pass

    async def main() -> None:
        connection = FastCgiConnection()
        connection.connection_made(Transport())  # type: ignore[arg-type]
        connection.connection_lost(None)
        connection.send(b"", None)
        called: list[bool] = []
        connection.expect(0, lambda: called.append(connection.is_whole))
        assert called == [False] and not connection.alive
        with pytest.raises(ConnectionClosed):
            await connection.wait(0)

    asyncio.run(main())


class Caller:
    """Who stands in the queue without a task."""

    def __init__(self) -> None:
        self.given: list[WorkerProcess] = []
        self.failure: StartFailed | None = None
        self.gone = False

    def done(self) -> bool:
        return self.gone

    def set_result(self, worker: WorkerProcess) -> None:
        self.given.append(worker)

    def set_exception(self, failure: StartFailed) -> None:
        self.failure = failure

    def cancel(self) -> None:
        self.gone = True


def test_who_asks_without_a_task_is_called_at_once(pool: Callable[..., None]) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        worker = await application.acquire()
        callers = [Caller() for _ in range(5)]
        assert [application.ask(caller) for caller in callers] == [False] * 5
        callers[0].gone = True
        application.leave(callers[2])
        waiting = asyncio.ensure_future(application.acquire())
        await asyncio.sleep(0)
        for called in ([1], [1, 3], [1, 3, 4]):
            application.release(worker)
            assert [number for number, caller in enumerate(callers) if caller.given] == called
        application.release(worker)
        assert await waiting is worker
        application.release(worker)
        last = Caller()
        assert application.ask(last) and last.given == [worker]
        left = Caller()
        assert not application.ask(left)
        await application.close()
        assert left.gone and not left.given

    pool(work, Limits(max_instances=1))


def test_who_asks_without_a_task_is_told_of_a_failed_start(pool: Callable[..., None]) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        caller = Caller()
        assert not application.ask(caller)
        await asyncio.wait(application._tasks)
        assert caller.failure is not None and not caller.given
        for _ in range(2):
            application.ask(Caller())
        with pytest.raises(QueueFull):
            application.ask(Caller())

    pool(work, Limits(max_instances=1, queue_length=1), fails=1)


def test_a_dead_process_is_replaced(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        worker = await application.acquire()
        spawner.started[0].ended.set_result(7)
        assert await worker.wait_exit(5) == 7
        application.discard(worker)
        assert await application.acquire() is not worker

    pool(work, Limits(max_instances=1))


def test_one_that_dies_while_idle_is_not_handed_out(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        worker = await application.acquire()
        application.release(worker)
        spawner.started[0].ended.set_result(0)
        await worker.wait_exit(5)
        assert await application.acquire() is not worker

    pool(work, Limits(max_instances=1))


def _own_worker() -> Launch:
    """How our own worker is started, to which nobody connects a second time."""
    return replace(LAUNCH, mark="m")


@pytest.mark.parametrize("seen", ["lost connection", "end"])
def test_one_whose_end_is_seen_by_halves_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    """The end of a process and that of its connection are two events; a request may come between
    them.
    """

    async def main() -> None:
        spawner = Spawner(monkeypatch)
        application = Pool(_own_worker, Limits(max_instances=1), lambda *_: None, spawner)  # type: ignore[arg-type]
        worker = await application.acquire()
        application.release(worker)
        if seen == "end":
            held = spawner.started[0].socket.accept()[0]  # by what the site has started
            spawner.started[0].ended.set_result(-9)
            await worker.wait_exit(5)
            assert worker.connection.alive
        else:
            spawner.started[0].socket.accept()[0].close()
            while worker.connection.alive:
                await asyncio.sleep(0)
            assert worker.state is ProcessState.IDLE
        another = await application.acquire()
        assert another is not worker and another.state is ProcessState.BUSY
        await application.close()
        assert application.processes == []
        if seen == "end":
            held.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_restart_spares_fresh_processes_and_lets_busy_ones_finish(
    pool: Callable[..., None],
) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        busy = await application.acquire()
        application.restart()
        application.restart()
        assert busy.state is ProcessState.RETIRING and application.restarts == 1
        application.release(busy)
        assert busy.state is not ProcessState.IDLE
        fresh = await application.acquire()
        assert fresh is not busy
        application.release(fresh)

    pool(work, Limits(max_instances=1))


def test_recycling_by_count(pool: Callable[..., None]) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        worker = await application.acquire()
        application.release(worker)
        assert await application.acquire() is worker
        application.release(worker)
        assert await application.acquire() is not worker

    pool(work, Limits(max_instances=1, instance_max_requests=2))


def test_idle_processes_end_after_their_time(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        application.release(await application.acquire())
        now = asyncio.get_running_loop().time()
        application.reap_idle(now + 299)
        assert not spawner.signals
        application.reap_idle(now + 301)
        await asyncio.wait_for(spawner.started[0].ended, 5)

    pool(work)


def test_a_program_that_cannot_start_fails_the_request_not_the_pool(
    pool: Callable[..., None],
) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        with pytest.raises(StartFailed, match="No such file"):
            await application.acquire()
        assert await application.acquire()

    pool(work, fails=1)


def test_a_program_that_cannot_start_leaves_nobody_waiting(pool: Callable[..., None]) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        calls = [application.acquire() for _ in range(5)]
        results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
        assert [type(result) for result in results] == [StartFailed] * 5

    pool(work, Limits(max_instances=2), fails=2)


def test_a_failed_start_leaves_the_queue_to_the_process_that_runs(
    pool: Callable[..., None],
) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        calls = [asyncio.ensure_future(application.acquire()) for _ in range(3)]
        for call in calls:
            application.release(await asyncio.wait_for(call, 5))

    pool(work, Limits(max_instances=2), fails=1)


def test_a_cancelled_wait_gives_its_process_back(pool: Callable[..., None]) -> None:
    async def work(application: Pool, _spawner: Spawner) -> None:
        worker = await application.acquire()
        waiting = asyncio.ensure_future(application.acquire())
        await asyncio.sleep(0)
        application.release(worker)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await application.acquire() is worker

    pool(work, Limits(max_instances=1))


def test_a_process_is_recycled_when_its_replacement_is_ready(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        for number in range(1, 7):
            worker = await application.acquire()
            assert worker.requests == 1 + (number - 1) % 3
            if worker.requests == 3:  # its last request: another one starts meanwhile
                while len(spawner.started) < 1 + number // 3:
                    await asyncio.sleep(0)
            application.release(worker)
        assert application.recycled == 2

    pool(work, Limits(max_instances=1, instance_max_requests=3))


def test_a_replacement_is_ready_and_waits_until_the_old_one_goes(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        pids = []
        for number in range(1, 81):
            worker = await application.acquire()
            pids.append(worker.pid)
            application.release(worker)
            if number == 30:  # ten before its last one
                while len(application.processes) < 2:
                    await asyncio.sleep(0)
            if number == 40:
                assert len(application._idle) == 1, "the replacement was not ready"
        assert pids[:40] == [pids[0]] * 40 and pids[40:] == [pids[40]] * 40 and pids[0] != pids[40]

    pool(work, Limits(max_instances=1, instance_max_requests=40))


def test_rapid_fails_stop_starts_for_a_minute(
    pool: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]

    async def work(_: Pool, spawner: Spawner) -> None:
        limits = Limits(max_instances=2, rapid_fails_per_minute=3)
        application = Pool(lambda: LAUNCH, limits, lambda *_: None, spawner, lambda: now[0])  # type: ignore[arg-type]
        healthy = await application.acquire()
        for _ in range(3):
            worker = await application.acquire()
            worker.kill()
            application.failed(worker)
            now[0] += 10
        with pytest.raises(TooManyFails):
            await application.acquire()
        application.release(healthy)
        application.release(await application.acquire())  # one that runs goes on
        healthy = await application.acquire()
        now[0] += 31  # the first of the three is now more than a minute ago
        application.release(await application.acquire())
        application.release(healthy)
        await application.close()

    pool(work)


def test_a_grace_of_zero_kills_at_once(
    pool: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(_: Pool, spawner: Spawner) -> None:
        launch = Launch(command=("program",), environment={}, directory="/", grace=0.0)
        worker = WorkerProcess(launch, lambda *_: None)
        await worker.start(spawner)  # type: ignore[arg-type]
        await worker.stop()
        assert worker.state is ProcessState.GONE

    pool(work)


def test_processes_that_watch_are_told(pool: Callable[..., None]) -> None:
    async def work(_: Pool, spawner: Spawner) -> None:
        told: list[int] = []

        async def spawn(
            *command: str, pass_fds: list[int], env: dict[str, str], **more: Any
        ) -> Any:
            assert int(env["FCGIEMU_CHANGES"]) in pass_fds
            told.append(os.dup(int(env["FCGIEMU_CHANGES"])))
            return await spawner(*command, **more)

        worker = WorkerProcess(
            Launch(command=("program",), environment={}, directory="/", watches=True),
            lambda *_: None,
        )
        await worker.start(spawn)  # type: ignore[arg-type]
        worker.file_changed("sub/a.py")
        assert os.read(told[0], 100) == b"sub\\a.py\n"
        os.close(told[0])
        await worker.stop()
        worker.file_changed("late.py")  # to nobody

    pool(work)


def test_tcp_on_loopback(pool: Callable[..., None]) -> None:
    async def work(_: Pool, spawner: Spawner) -> None:
        worker = WorkerProcess(
            Launch(command=("program",), environment={}, directory="/", tcp=True), lambda *_: None
        )
        await worker.start(spawner)  # type: ignore[arg-type]
        assert spawner.started[0].socket.getsockname()[0] == "127.0.0.1"
        await worker.stop()

    pool(work)


@pytest.mark.parametrize(
    ("state", "ended", "silent", "owed", "working", "outlived"),
    [
        (ProcessState.BUSY, False, 60, 0, True, False),
        (ProcessState.IDLE, True, 60, 0, False, False),
        (ProcessState.GONE, True, 60, 0, False, True),
        (ProcessState.GONE, False, 0.5, 0, True, False),
        (ProcessState.GONE, False, 60, 0, True, True),
        (ProcessState.GONE, False, 60, 1, True, False),  # the client reads slowly
    ],
)
def test_an_answer_that_does_not_come_after_its_process_has_ended(
    state: ProcessState, ended: bool, silent: float, owed: int, working: bool, outlived: bool
) -> None:
    async def main() -> None:
        worker = WorkerProcess(LAUNCH, lambda *_: None)
        worker.connection = FastCgiConnection()
        worker.state, worker.connection.ended = state, ended
        worker.connection.last_activity = worker.connection.started = 100 - silent
        worker.connection.waits_for_client = owed
        assert worker.is_working == working
        worker.overdue(Limits(), 100)
        assert worker.is_outlived(100) == outlived

    asyncio.run(main())


@pytest.mark.parametrize(
    ("silent", "asked", "owed", "debugged", "overdue"),
    [
        (5, 5, 0, False, None),
        (11, 11, 0, False, ("activityTimeout", 10.0)),
        (11, 11, 1, False, None),
        (1, 21, 0, False, ("requestTimeout", 20.0)),
        (11, 21, 1, False, ("requestTimeout", 20.0)),
        (11, 21, 0, True, None),
    ],
)
def test_timeouts_by_the_clock(
    silent: float, asked: float, owed: int, debugged: bool, overdue: tuple[str, float] | None
) -> None:
    async def main() -> None:
        worker = WorkerProcess(LAUNCH, lambda *_: None)
        worker.connection = FastCgiConnection()
        limits = Limits(activity_timeout=10, request_timeout=20)
        assert worker.overdue(limits, 100) is None, "no request has been sent"
        worker.connection.ended = False
        worker.connection.last_activity, worker.connection.started = 100 - silent, 100 - asked
        worker.debugged, worker.connection.waits_for_client = debugged, owed
        assert worker.overdue(limits, 100) == overdue
        worker.debugged = False
        if debugged:  # the time with it does not count
            assert worker.overdue(limits, 109) is None
            assert worker.overdue(limits, 111) == ("activityTimeout", 10.0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\n\nb\n", ["a", "", "b"]),
        ("a", ["a"]),
        ("\x1em1 2\na\n", ["2 a"]),
        ("\x1em1 2\na\n\x1em1 3\nb\n", ["2 a", "3 b"]),
        ("\x1em1 2\na\x1em1 report {}\n\x1em1 reported\n\n\x1em1 3\nb\n", ["2 a", "3 b"]),
        ("\x1em1 2\na\x1em1 report {}\nb\x1em1 reported\nc", ["2 abc"]),
        ("\x1em1 2\na\x1em1 3\nb", ["2 a", "3 b"]),
        ("\x1em2 report {}\n", ["\x1em2 report {}"]),
    ],
)
def test_what_the_worker_says_is_not_part_of_the_output(written: str, shown: list[str]) -> None:
    async def main() -> None:
        seen = []

        def sink(_worker: WorkerProcess, label: str, text: str) -> None:
            seen.append(f"{label} {text}".removeprefix(" "))

        worker = WorkerProcess(replace(LAUNCH, mark="m1"), sink)
        worker._begun = {2: "2", 3: "3"}
        stream = asyncio.StreamReader()
        stream.feed_data(written.encode())
        stream.feed_eof()
        await worker._pump(stream)
        assert seen == shown
        assert worker.report == ("{}" if "m1 reported" in written else "")

    asyncio.run(main())


def test_a_debugged_process_is_not_recycled(pool: Callable[..., None]) -> None:
    async def work(application: Pool, spawner: Spawner) -> None:
        worker = await application.acquire()
        worker.debugged = True
        application.release(worker)
        assert await application.acquire() is worker
        application.release(worker)
        application.reap_idle(asyncio.get_running_loop().time() + 1e6)
        assert await application.acquire() is worker
        worker.debugged = False
        application.release(worker)
        assert application.recycled == 1
        assert await application.acquire() is not worker

    pool(work, Limits(max_instances=1, instance_max_requests=1))


class StandbyPool:
    """A pool that keeps a stand-by, over processes of our own; what is launched can be changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, may: bool = True) -> None:
        self.launch = Launch(
            command=("program",), environment={"A": "1"}, directory="/", mark="m1", may_stand_by=may
        )
        self.spawner = Spawner(monkeypatch)
        self.application = Pool(
            lambda: self.launch,
            Limits(max_instances=1),
            lambda *_: None,
            self.spawner,  # type: ignore[arg-type]
            standby=True,
        )

    def report(self, worker: WorkerProcess, *lines: str) -> None:
        """What a process says on its standard error."""
        assert isinstance(worker._process, FakeProcess)
        for line in lines:
            worker._process.stderr.feed_data(f"\x1em1 {line}\n".encode())

    async def prepared(self, *lines: str) -> WorkerProcess:
        """A busy process that has reported, and by now a stand-by beside it."""
        worker = await self.application.acquire()
        self.report(worker, *(lines or ('report {"modu', 'report les": [1]}', "reported")))
        for _ in range(20):
            await asyncio.sleep(0)
            await asyncio.gather(*self.application._tasks)
        return worker


@pytest.mark.parametrize(
    ("launch", "kept"),
    [
        ({}, True),
        ({"mark": "m2", "environment": {"A": "1"}}, True),
        ({"environment": {"A": "2"}}, False),
        ({"command": ("another",)}, False),
        ({"directory": "/tmp"}, False),
    ],
    ids=["same", "mark", "environment", "command", "directory"],
)
def test_a_standby_takes_the_place_of_a_stale_process(
    monkeypatch: pytest.MonkeyPatch, launch: dict[str, Any], kept: bool
) -> None:
    async def main() -> None:
        pool = StandbyPool(monkeypatch)
        application = pool.application
        application._left_out.update("ab")
        stale = await pool.prepared()
        assert len(pool.spawner.started) == 2 and application._standby is not None
        standby = application._standby
        pool.report(standby, "standby ready c")
        while not standby.is_ready:
            await asyncio.sleep(0)
        assert (
            standby.launch.environment["FCGIEMU_STANDBY"] == '{"modules": [1], "skip": ["a", "b"]}'
        )
        application.release(stale)
        pool.launch = replace(pool.launch, **launch)
        application.restart()
        assert (await application.acquire() is standby) is kept
        await application.close()
        assert all(process.ended.done() for process in pool.spawner.started)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_standby_is_one_and_goes_when_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        pool = StandbyPool(monkeypatch)
        await pool.prepared()
        first = pool.application._standby
        assert first is not None
        assert isinstance(first._process, FakeProcess)
        pool.application.forget_standby()
        await asyncio.wait_for(asyncio.shield(first._process.ended), 5)
        assert pool.application._standby is None
        await pool.application.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_standby_that_is_given_up_again_and_again_loads_nothing_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        pool = StandbyPool(monkeypatch)
        worker = await pool.prepared("standby given up: x", "report {}", "reported")
        worker.report = "{1}"
        for _ in range(2):
            assert pool.application._loads == "{}"
            worker.report = "{}"
            pool.application._reported(worker)
        assert pool.application._loads == ""
        await pool.application.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_programs_that_cannot_stand_by_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        pool = StandbyPool(monkeypatch, may=False)
        await pool.prepared()
        assert len(pool.spawner.started) == 1
        await pool.application.close()

    asyncio.run(asyncio.wait_for(main(), 20))
