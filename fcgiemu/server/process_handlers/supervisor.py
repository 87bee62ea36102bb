"""The processes that answer for an application: started, asked in turns, replaced, ended.

HttpPlatformHandler, iisnode and the ASP.NET Core Module do the same thing and differ in what they
call ready, a failure and a log. The same thing is ``Supervisor``; the differences are a ``Policy``.
Which program it is and what it is told is neither: that is the ``launch`` that the module gives.

An application has as many slots as its policy has ``processes``. A slot is

    empty       nothing runs. The beginning, and what follows the end of a process.
    starting    a process runs and its address is tried: ``Readiness``.
    ready       requests are given to it.
    ended       it has ended by itself. The next request whose turn it is makes the slot empty.

Four may change that, and nobody else:

    ``process``    a request asks for the slot whose turn it is. It starts what is empty, under one
                   lock: all other requests to empty slots wait behind it, and find what it has
                   started. Without requests nothing ever starts.
    the process    ready -> ended, told by ``_ended``. It is counted and said, not replaced: a
                   program that dies at once would else be started for ever.
    ``restart``    all slots become empty at once, so that the next request is for a new process,
                   whatever the old ones still do. A process that was starting then is of the old
                   time: it is ended, however much of its time is left, and another one is started.
    ``close``      the same; nobody asks afterwards.

``give_way`` is a ``restart`` after which another supervisor is asked: what the configuration says
of the application has changed. Where the port is fixed, that one waits for the old processes too.

Failures are starts that came to nothing and ends of processes that had been ready. One request
starts ``Failure.starts`` times at most. Where the policy has ``rapid_fails``, so many failures
within a minute block the application: for the rest of it every request fails at once with what
happened last. A request is never given to a second process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...fastcgi.limits import GRACE_SECONDS
from ..process_output import Output
from .address import Address
from .supervised_process import CommandLine, Farewell, ProcessStartFailed, SupervisedProcess, spawn

#: Seconds after which failures are counted from the beginning again.
_MINUTE = 60.0
#: ERROR_SERVER_DISABLED: rapidFailsPerMinute is used up (measured).
E_SERVER_DISABLED = 0x8007053D


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """When a process that has been started counts as ready: it accepts a connection."""

    #: A fresh address, for each start.
    address: Callable[[], Address]
    #: The environment variable that tells it to the process.
    variable: str
    #: The variable with a value that no other process has; "" = there is none.
    secret: str = ""
    #: Seconds until then, and the attribute of the configuration that says so.
    seconds: float
    attribute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePolicy:
    """What happens when a process does not come up, or ends."""

    #: How often one request starts a process.
    starts: int = 1
    #: Failures within a minute that block all starts: 0 = none do, None = there is no such limit.
    rapid_fails: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """Where goes what a process writes, beside the console: to a file for each start."""

    #: The beginning of its local path; "" = there is no file.
    stem: str = ""
    #: The end of its name: from the id of the worker process, and when it starts, in UTC.
    suffix: Callable[[int, time.struct_time], str] = lambda worker, started: ""

    def file(self) -> Path | None:
        """The file for a process that starts now; its folder is made."""
        if not self.stem:
            return None
        path = Path(self.stem + self.suffix(os.getpid(), time.gmtime()))
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the processes of an application are kept."""

    readiness: Readiness
    failure: FailurePolicy = field(default_factory=FailurePolicy)
    log: LogPolicy = field(default_factory=LogPolicy)
    #: How many there are, asked in turns from the second one on.
    processes: int = 1
    #: Whether the first request starts them all; else each is started when its turn first comes.
    at_once: bool = False
    #: Seconds that requests in progress get when their process is replaced.
    patience: float = 0.0
    #: Asks a process that is replaced to end by itself, and says whether it will.
    farewell: Farewell | None = None
    #: Seconds for an end on request, or by SIGTERM, before the process is killed.
    grace: float = GRACE_SECONDS
    #: Whether IIS replaces the processes because of a changed file.
    recycles_on: Callable[[Path], bool] = lambda changed: False


class FailCounter:
    """The failures of an application's processes: starts, and ends of a process that had been
    ready. They count for a minute from the first one on.  # inferred from its successor
    """

    def __init__(self, limit: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._count = 0
        self._begun = 0.0

    def add(self) -> None:
        """One more failure."""
        self._turn()
        if not self._count:
            self._begun = self._clock()
        self._count += 1

    @property
    def used_up(self) -> bool:
        """Whether nothing is started for the rest of the minute; never without a limit."""
        self._turn()
        return 0 < (self.limit or 0) <= self._count

    @property
    def count(self) -> int:
        """The failures of this minute."""
        self._turn()
        return self._count

    def clear(self) -> None:
        """Begin again."""
        self._count = 0

    def _turn(self) -> None:
        if self._count and self._clock() - self._begun >= _MINUTE:
            self._count = 0


class Supervisor:
    """The processes of one application: see the head of this file. ``launch`` gives the program
    for an address, and may raise ProgramMissing; ``folder`` is where it runs. ``leaving`` are old
    processes that may still listen where a new one is to: one's own are added.
    """

    def __init__(
        self,
        policy: Policy,
        launch: Callable[[Address], CommandLine],
        folder: Path,
        output: Output,
        leaving: dict[SupervisedProcess, asyncio.Future[None]] | None = None,
    ) -> None:
        self.policy = policy
        self._launch = launch
        self.folder = folder
        self._output = output
        self._slots: dict[int, SupervisedProcess] = {}
        self._turn = 0
        self._lock = asyncio.Lock()
        self._fails = FailCounter(policy.failure.rapid_fails)
        self._last: ProcessStartFailed | None = None
        #: What the process of the last failure has written, which may come after its end.
        self._words: Iterable[str] = ()
        #: How often the processes have been replaced by ``restart``.
        self._generation = 0
        self._starting: set[SupervisedProcess] = set()
        #: The old processes that have not ended yet, and what ends them.
        self._leaving = {} if leaving is None else leaving
        #: The one that has taken its place.
        self._successor: Supervisor | None = None

    @property
    def running(self) -> bool:
        """Whether there is something that ``restart`` begins again: processes, also one that starts
        now, or failures of this minute.
        """
        return bool(self._slots or self._starting or self._fails.count)

    @property
    def alive(self) -> list[SupervisedProcess]:
        """The processes that run."""
        return [process for process in self._slots.values() if process.alive]

    async def replace(self, process: SupervisedProcess) -> None:
        """End one process; the next request for its slot starts another."""
        self._slots = {slot: one for slot, one in self._slots.items() if one is not process}
        await process.stop(self.policy.patience)

    async def process(self, slot: int | None = None) -> SupervisedProcess:
        """The process of a slot, by default the one whose turn it is; started where none runs.
        Raises StartFailed, and what ``launch`` raises.
        """
        if slot is None:
            self._turn += 1
            slot = self._turn % self.policy.processes
        process = self._slots.get(slot)
        if process is not None and process.alive:
            return process
        async with self._lock:
            slots = self._to_start(slot)
            filled = await asyncio.gather(*map(self._fill, slots), return_exceptions=True)
        mine = filled[slots.index(slot)]
        if isinstance(mine, BaseException):
            raise mine
        return mine

    def _to_start(self, slot: int) -> list[int]:
        """The slots that a request for one fills."""
        if self.policy.at_once and not self._slots:
            return list(range(self.policy.processes))
        return [slot]

    async def _fill(self, slot: int) -> SupervisedProcess:
        """Have a process that runs in a slot."""
        process = self._slots.get(slot)
        if process is not None and process.alive:
            return process
        if process is not None:
            await process.stop()
            self._slots.pop(slot, None)
        while self._successor is None:
            generation = self._generation
            try:
                process = await self._start()
            except ProcessStartFailed:
                if generation == self._generation:
                    raise
                continue
            if generation == self._generation:
                self._slots[slot] = process
                return process
            await process.stop()
        return await self._successor.process()

    async def _start(self) -> SupervisedProcess:
        """A process that is ready. As many tries as the policy says, while the failures of this
        minute allow them.
        """
        starts, generation = max(1, self.policy.failure.starts), self._generation
        while starts and not self._fails.used_up:
            starts -= 1
            try:
                return await self._try()
            except ProcessStartFailed as failure:
                if generation != self._generation:
                    raise  # it says nothing of the files that there are now
                self._last, self._words = failure, (failure.output,)
                self._fails.add()
                if failure.ports:
                    break  # it would listen on the same port again: kinder than IIS, which retries
        raise self._failure()

    async def _try(self) -> SupervisedProcess:
        """Start a process once. Raises StartFailed."""
        readiness = self.policy.readiness
        address = readiness.address()
        await asyncio.gather(*self._leaving_from(address), return_exceptions=True)
        process = await spawn(
            self._launch(address), self.folder, address, self._output, self.policy.log.file()
        )
        self._starting.add(process)
        try:
            await process.ready(
                readiness.seconds, readiness.attribute, readiness.variable, readiness.secret
            )
        except BaseException:  # who waited for it may have been cancelled
            await process.stop()
            raise
        finally:
            self._starting.discard(process)
        process.when_ended = self._ended
        return process

    def _leaving_from(self, address: Address) -> list[asyncio.Future[None]]:
        """The ends of old processes that still listen where a new one is to: a fixed port."""
        return [end for process, end in self._leaving.items() if process.address == address]

    def _failure(self) -> ProcessStartFailed:
        """Why nothing runs: the last failure, and that no more is tried for now."""
        last = self._last or ProcessStartFailed("it ended", "", 0)
        if not self._fails.used_up:
            return last
        return ProcessStartFailed(
            f"{last} ({self._fails.count} failures within a minute: rapidFailsPerMinute is used up,"
            " nothing is started for the rest of it)",
            "\n".join(self._words),
            last.pid,
            last.ports,
            E_SERVER_DISABLED,
        )

    def _ended(self, process: SupervisedProcess) -> None:
        """A process that was ready has ended by itself."""
        self._fails.add()
        words = f"ended with exit code {process.code}"
        self._last = ProcessStartFailed(f"it {words}", "\n".join(process.lines), process.pid)
        self._words = process.lines
        if self._fails.limit is not None:
            limit = f" of {self._fails.limit}" if self._fails.limit else ""
            words += f": failure {self._fails.count}{limit} within a minute (rapidFailsPerMinute)"
        self._output(process.pid, "", words)

    def restart(self) -> Awaitable[object]:
        """End the processes; from now on requests are for new ones. What it returns is done when
        the old ones have ended. To be called in the loop.
        """
        processes, self._slots = self._slots, {}
        self._generation += 1
        self._fails.clear()
        ends = [(process, self._replace(process)) for process in processes.values()]
        ends += [(process, process.stop()) for process in self._starting]
        for process, ending in ends:
            end = self._leaving[process] = asyncio.ensure_future(ending)
            end.add_done_callback(partial(self._left, process))
        return asyncio.gather(*self._leaving.values())

    def give_way(self, successor: Supervisor) -> Awaitable[object]:
        """End the processes; who waits for one gets it of the supervisor that takes this one's
        place.
        """
        self._successor = successor
        return self.restart()

    def _left(self, process: SupervisedProcess, _: object) -> None:
        self._leaving.pop(process, None)

    async def _replace(self, process: SupervisedProcess) -> None:
        policy = self.policy
        await process.finish(policy.patience)
        if policy.farewell is not None and process.alive:
            await process.leave(policy.farewell, policy.grace)
        await process.stop(policy.grace)

    async def close(self) -> None:
        """End the processes for good: requests in progress are not waited for."""
        processes, self._slots = self._slots, {}
        await asyncio.gather(*(each.stop() for each in (*processes.values(), *self._leaving)))
