"""A pool of processes for one scriptProcessor: <fastCgi><application> of IIS."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .limits import Limits
from .process import (
    Launch,
    OutputSink,
    ProcessState,
    Spawner,
    StartFailed,
    WorkerProcess,
)

#: Seconds to learn how a process ended whose connection broke.
EXIT_PATIENCE = 2.0


#: Requests before its last one with which a process that is going to be recycled gets its
#: replacement, at most.
LEAD = 20
#: What a process loads ahead of which nothing is known yet.
NOTHING = '{"modules": [], "late": [], "taken": [], "path": [], "skip": []}'
#: Times in a row that a process has not been able to take a site up from its stand-by, before
#: nothing is loaded ahead any more.
MAX_GIVEN_UP = 3
#: Gives a place in the queue up.
Abandon = Callable[[], object]


class QueueFull(Exception):
    """More requests wait than queueLength allows: 503.4."""


class TooManyFails(Exception):
    """More processes than rapidFailsPerMinute allows have ended unexpectedly within a minute."""


class Waiter(Protocol):
    """Who stands in the queue for a process: a future, or what is called at once as that would be
    later.
    """

    def done(self) -> bool: ...
    def set_result(self, worker: WorkerProcess, /) -> None: ...
    def set_exception(self, failure: StartFailed, /) -> None: ...
    def cancel(self) -> object: ...


class Pool:
    """Hands out idle processes, starts new ones on demand, queues what exceeds ``max_instances``.

    ``clock`` gives seconds; the running loop's own where there is none. With ``standby``, one
    process more stands by as soon as another one has loaded the site: it takes the place of the
    next that ends, in most cases because a file has changed.
    """

    def __init__(
        self,
        launch: Callable[[], Launch],
        limits: Limits,
        sink: OutputSink,
        spawn: Spawner | None = None,
        clock: Callable[[], float] | None = None,
        *,
        standby: bool = False,
    ) -> None:
        self.limits = limits
        self._launch = launch
        self._sink = sink
        self._spawn = spawn
        self._idle: list[WorkerProcess] = []
        #: Replacements that are ready while those whose place they take still serve.
        self._spare: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._waiting: deque[Waiter] = deque()
        self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._clock = clock
        #: Whether a process is kept that stands by, that process, and what it loads ahead.
        self._keeps_standby = standby
        self._standby: WorkerProcess | None = None
        self._preparing = False
        self._loads = ""
        self._given_up = 0
        #: Modules that processes which stood by have had to leave out.
        self._left_out: set[str] = set()
        #: Whether that is known.
        self._knows = False
        self._fails: deque[float] = deque(maxlen=max(1, limits.rapid_fails_per_minute))
        self.restarts = 0
        self.recycled = 0

    @property
    def processes(self) -> list[WorkerProcess]:
        """The processes that exist now."""
        return [worker for worker in self._all if worker.state is not ProcessState.GONE]

    @property
    def working(self) -> list[WorkerProcess]:
        """The processes that have a request to answer."""
        return [worker for worker in self._all if worker.is_working]

    @property
    def _serving(self) -> int:
        """How many processes there are beside the spare ones."""
        return len(self._all) - len(self._spare)

    @property
    def is_unused(self) -> bool:
        """Whether nothing runs, starts, ends or waits."""
        return not (self.processes or self._starting or self._waiting or self._tasks)

    async def acquire(
        self, waits: Callable[[Abandon | None], object] = lambda abandon: None
    ) -> WorkerProcess:
        """A process for one request, which ``release`` gives back. Raises QueueFull, TooManyFails
        or StartFailed.

        Where the request has to wait, ``waits`` is told what gives its place in the queue up, and
        at the end None.
        """
        future: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        if self.ask(future):
            return future.result()
        waits(future.cancel)
        try:
            return await future
        except asyncio.CancelledError:
            self.leave(future)
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release(future.result())
            raise
        finally:
            waits(None)

    def ask(self, waiter: Waiter) -> bool:
        """Give ``waiter`` a process, now (True) or when one is free; ``release`` gives it back.

        Raises QueueFull and TooManyFails; StartFailed is set where no process can be started.
        """
        worker = self._take()
        if worker is not None:
            waiter.set_result(worker)
            return True
        startable = max(0, self.limits.max_instances - len(self._all))
        if len(self._waiting) - startable >= self.limits.queue_length:
            raise QueueFull
        self._waiting.append(waiter)
        self._start_for_waiting()
        return False

    def leave(self, waiter: Waiter) -> None:
        """Give a place in the queue up."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiter)

    def release(self, worker: WorkerProcess) -> None:
        """Give a process back after its request: to a request that waits, to the idle
        processes, or to its end.
        """
        over = 0 < self.limits.instance_max_requests <= worker.requests and not worker.debugged
        lives = worker.connection.alive or worker.may_close and worker.connection.error is None
        if worker.state is ProcessState.BUSY and lives and not over and not self._closed:
            worker.change_state(ProcessState.IDLE)
            if worker.launch.watches and self._standby is None:
                self._prepare_standby()  # the others say themselves when they have loaded the site
            if worker.connection.alive and not worker.closes:
                self._offer(worker)
            else:
                worker.connection.close()
                self._run(self._reconnect(worker))
        else:
            self.recycled += over
            self._discard(worker)

    def discard(self, worker: WorkerProcess) -> None:
        """Give back a process that must not serve again."""
        self._discard(worker)

    def failed(self, worker: WorkerProcess) -> None:
        """Give back a process that has ended unexpectedly, or had to be ended."""
        self._fails.append(self._now())
        self._discard(worker)

    def warm_up(self) -> None:
        """Start a process if there is none."""
        if not (self._all or self._starting):
            self._start_one()

    def file_changed(self, changed: str) -> None:
        """Tell the processes that watch of a changed file, relative to their folder."""
        for worker in self._all:
            worker.file_changed(changed)

    def restart(self) -> None:
        """Replace every process that has loaded code. Those that serve a request finish it first,
        unless they watch themselves.

        A process that has not served a request has loaded nothing of the site, so a burst of
        changes restarts once.
        """
        stale = [
            worker
            for worker in self._all
            if worker.requests and worker.state in (ProcessState.BUSY, ProcessState.IDLE)
        ]
        if not stale:
            return
        self.restarts += 1
        for worker in stale:
            self._retire(worker)
        self._start_one()

    def replace(self, pid: int) -> bool:
        """Replace one process; a request that it serves is finished first. False where it does not
        serve.
        """
        for worker in self._all:
            if worker.pid == pid and worker.state in (ProcessState.BUSY, ProcessState.IDLE):
                self._retire(worker)
                self._start_one()
                return True
        return False

    def _retire(self, worker: WorkerProcess) -> None:
        if worker.state is ProcessState.BUSY:
            worker.change_state(ProcessState.RETIRING)
            return
        with contextlib.suppress(ValueError):
            self._idle.remove(worker)  # not there while it connects again
        self._discard(worker, EXIT_PATIENCE if worker.launch.watches else 0.0)

    def forget_standby(self) -> None:
        """End the process that stands by: what it was started with has changed."""
        standby, self._standby = self._standby, None
        if standby is not None:
            self._run(standby.stop())

    async def close(self) -> None:
        """End every process and wait until all are reaped."""
        self._closed = True
        self.forget_standby()
        for waiter in list(self._waiting):
            waiter.cancel()
        while self._all or self._tasks:
            await asyncio.gather(*(worker.stop() for worker in self._all), return_exceptions=True)
            self._all = {worker for worker in self._all if worker.state is not ProcessState.GONE}
            if self._tasks:
                await asyncio.wait(self._tasks)
        self._idle.clear()

    def reap_idle(self, now: float) -> None:
        """End processes that have been idle for longer than idleTimeout."""
        for worker in [
            worker
            for worker in self._idle
            if now - worker.idle_since > self.limits.idle_timeout and not worker.debugged
        ]:
            self._idle.remove(worker)
            self._discard(worker)

    # -- inside ------------------------------------------------------------------------------------

    def _take(self) -> WorkerProcess | None:
        """An idle process, if there is one. Raises TooManyFails where one would have to be started
        and must not.
        """
        while self._idle:
            worker = self._idle.pop()
            if worker.is_free:
                return self._begin(worker)
            self._run(self._reconnect(worker))
        if self._fails and self._too_many_fails():
            raise TooManyFails
        return None

    async def _reconnect(self, worker: WorkerProcess) -> None:
        """A new connection to a process that closes them; its end where none is available."""
        if await worker.reconnect() and worker.state is ProcessState.IDLE and not self._closed:
            self._offer(worker)
        else:
            self._discard(worker)

    def _begin(self, worker: WorkerProcess) -> WorkerProcess:
        worker.change_state(ProcessState.BUSY)
        worker.requests += 1
        last = self.limits.instance_max_requests
        if last and last - worker.requests == min(LEAD, last // 4) and not worker.debugged:
            self._start_one(beyond=1)  # the replacement is ready before this one goes
        return worker

    def _offer(self, worker: WorkerProcess) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._begin(worker))
                return
        worker.idle_since = self._now()
        self._idle.append(worker)

    def _now(self) -> float:
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time
        return self._clock()

    def _too_many_fails(self) -> bool:
        limit = self.limits.rapid_fails_per_minute
        return bool(limit) and len(self._fails) >= limit and self._now() - self._fails[0] < 60

    def _discard(self, worker: WorkerProcess, patience: float = 0.0) -> None:
        self._all.discard(worker)
        self._run(worker.stop(patience))
        if worker.requests and not self._all and self._standby is None:
            self._prepare_standby()
        if self._spare and self._serving < self.limits.max_instances:
            spare = self._spare.pop()
            if spare.is_free:
                self._offer(spare)
            else:
                self._run(self._reconnect(spare))
        self._start_for_waiting()

    def _start_for_waiting(self) -> None:
        if len(self._all) + self._starting >= self.limits.max_instances:
            return
        waiting = sum(not waiter.done() for waiter in self._waiting)
        while (
            self._starting < waiting and len(self._all) + self._starting < self.limits.max_instances
        ):
            self._start_one()

    def _start_one(self, beyond: int = 0) -> None:
        if self._closed or len(self._all) + self._starting >= self.limits.max_instances + beyond:
            return
        self._starting += 1
        self._run(self._start())

    async def _start(self) -> None:
        try:
            launch = self._launch()
            worker = self._take_standby(launch)
            if worker is None:
                worker = WorkerProcess(launch, self._sink)
                worker.when_reported = self._reported
                await worker.start(self._spawn)
        except Exception as error:
            self._starting -= 1
            if not (self._all or self._starting):  # nobody is left whom the others could wait for
                self._fail_waiting(
                    error
                    if isinstance(error, StartFailed)
                    else StartFailed(str(error) or repr(error))
                )
            return
        self._starting -= 1
        if self._closed or worker.state is not ProcessState.IDLE:
            await worker.stop()
            self._start_for_waiting()
            return
        self._all.add(worker)
        if self._serving > self.limits.max_instances:
            self._spare.append(worker)
        else:
            self._offer(worker)

    def _take_standby(self, launch: Launch) -> WorkerProcess | None:
        """The process that stands by, where ``launch`` would start the same."""
        worker, self._standby = self._standby, None
        if worker is None:
            return None
        self._left_out.update(worker.left_out)
        # One that still loads has begun earlier than a new one, unless it has to begin again.
        self._knows = self._knows or worker.is_ready or worker.began_again
        if (
            worker.state is ProcessState.IDLE
            and (worker.is_ready or self._knows and not worker.began_again)
            and worker.connection.alive
            and worker.launch.is_like(launch)
        ):
            return worker
        self._run(worker.stop())
        return None

    def _reported(self, worker: WorkerProcess) -> None:
        """A process has loaded the site, and says what another one can load ahead."""
        self._given_up = self._given_up + 1 if worker.gave_up else 0
        self._loads = worker.report if self._given_up < MAX_GIVEN_UP else ""
        if self._standby is not None:  # of an older report
            self.forget_standby()
        self._prepare_standby()

    def _prepare_standby(self) -> None:
        if self._keeps_standby and not self._closed and not self._preparing:
            self._preparing = True
            self._run(self._start_standby())

    async def _start_standby(self) -> None:
        """Start a process that stands by; where that fails, the next one is started when it is
        needed, and says why.
        """
        try:
            launch = self._launch()
            if not launch.may_stand_by:
                return
            loads = json.loads(self._loads or NOTHING)
            loads["skip"] = sorted({*loads.get("skip", ()), *self._left_out})
            worker = WorkerProcess(launch.ahead(json.dumps(loads)), self._sink)
            worker.when_reported = self._reported
            await worker.start(self._spawn)
        except Exception:
            return
        finally:
            self._preparing = False
        if self._closed or self._standby is not None:
            await worker.stop()
        else:
            self._standby = worker

    def _fail_waiting(self, failure: StartFailed) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(failure)

    def _run(self, coroutine: object) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(coroutine)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
