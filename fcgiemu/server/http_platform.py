"""Acting on CallHttpPlatform: which process of <httpPlatform> answers, when one is started and when
not any more, and what is said where none comes up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..applications import Application
from ..decision import E_FILE_NOT_FOUND, Decision, Respond
from ..diagnosis.causes import in_words
from ..diagnosis.platform import by_hand, of_failed_start, suspicions
from ..modules.http_platform import HttpPlatform, http_platform
from ..programs.http_platform import command_line, log_file, log_suffix
from ..programs.interpreters import ProgramMissing, find_program
from ..programs.ports import free_port
from ..site import Site
from .exchange import Exchange
from .forward import Forwarder
from .forwarded import local_target
from .output import Output
from .platform_process import PlatformProcess, PlatformStartFailed, spawn

#: Seconds after which failures are counted from the beginning again.
_MINUTE = 60.0
#: ERROR_SERVER_DISABLED: rapidFailsPerMinute is used up (measured).
E_SERVER_DISABLED = 0x8007053D


class RapidFails:
    """The failures of an application's processes: starts, and ends of a process that had been
    ready. They count for a minute from the first one on.  # inferred from its successor
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
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
        """Whether nothing is started for the rest of the minute; never with a limit of 0."""
        self._turn()
        return 0 < self.limit <= self._count

    @property
    def count(self) -> int:
        """The failures of this minute."""
        self._turn()
        return self._count

    def clear(self) -> None:
        """Begin anew."""
        self._count = 0

    def _turn(self) -> None:
        if self._count and self._clock() - self._begun >= _MINUTE:
            self._count = 0


class Platform:
    """The processes of one <httpPlatform>: each is started when its turn first comes, and replaced
    when it ends.
    """

    def __init__(
        self, site: Site, application: Application, settings: HttpPlatform, output: Output
    ) -> None:
        self.site = site
        self.application = application
        self.settings = settings
        self._output = output
        self._processes: dict[int, PlatformProcess] = {}
        self._turn = 0
        self._lock = asyncio.Lock()
        self._fails = RapidFails(settings.rapid_fails_per_minute)
        self._last: PlatformStartFailed | None = None

    @property
    def running(self) -> bool:
        """Whether any process has been started."""
        return bool(self._processes)

    async def port(self) -> int:
        """The port of the process whose turn it is. Raises PlatformStartFailed and
        ProgramMissing.
        """
        self._turn += 1
        slot = self._turn % self.settings.processes
        process = self._processes.get(slot)
        if process is not None and process.alive:
            return process.port
        async with self._lock:
            process = self._processes.get(slot)
            if process is not None and not process.alive:
                await process.stop()
                del self._processes[slot]
                process = None
            if process is None:
                process = self._processes[slot] = await self._start()
            return process.port

    async def _start(self) -> PlatformProcess:
        """A process that is ready. As many tries as startupRetryCount says, while
        rapidFailsPerMinute allows them.
        """
        tries = max(1, self.settings.startup_retry_count)
        while tries and not self._fails.used_up:
            tries -= 1
            process = await self._spawn()
            try:
                await process.ready(self.settings.startup_time_limit)
                process.when_ended = self._ended
                return process
            except PlatformStartFailed as failure:
                self._last = failure
                self._fails.add()
                await process.stop()
                if failure.ports:
                    break  # it would listen on the same port again: kinder than IIS, which retries
        raise self._failure()

    def _failure(self) -> PlatformStartFailed:
        """Why nothing runs: the last failure, and that no more is tried for now."""
        last = self._last or PlatformStartFailed("it ended", "", 0)
        if not self._fails.used_up:
            return last
        return PlatformStartFailed(
            f"{last} ({self._fails.count} failures within a minute: rapidFailsPerMinute is used up,"
            " nothing is started for the rest of it)",
            last.output,
            last.pid,
            last.ports,
            E_SERVER_DISABLED,
        )

    def _ended(self, process: PlatformProcess) -> None:
        """A process that was ready has ended by itself."""
        self._fails.add()
        limit = f" of {self._fails.limit}" if self._fails.limit else ""
        self._last = PlatformStartFailed(
            f"it ended with exit code {process.code}", "\n".join(process.lines), process.pid
        )
        self._output(
            process.pid,
            "",
            f"ended with exit code {process.code}: failure {self._fails.count}{limit} within a"
            " minute (rapidFailsPerMinute)",
        )

    async def _spawn(self) -> PlatformProcess:
        port = free_port()
        command, environment = command_line(self.site, self.application, self.settings, port)
        return await spawn(
            command, environment, self.application.path, port, self._output, self._log_file()
        )

    def _log_file(self) -> Path | None:
        suffix = log_suffix(os.getpid(), time.gmtime())
        local = log_file(self.site, self.application, self.settings, suffix)
        if not local:
            return None
        path = Path(local)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    async def restart(self) -> None:
        """End the processes; the next request starts new ones."""
        processes, self._processes = self._processes, {}
        self._fails.clear()
        await asyncio.gather(*(process.stop() for process in processes.values()))


class HttpPlatforms:
    """Every <httpPlatform> of a site, by what it says."""

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        self.site = site
        self.forwarder = forwarder
        self._output = output
        self._platforms: dict[tuple[str, HttpPlatform], Platform] = {}

    async def port(self, decision: Decision) -> int:
        """The port that answers for a decision. Raises PlatformStartFailed and ProgramMissing."""
        application, settings = self._settings(decision)
        platform = self._platforms.get((application.url, settings))
        if platform is None:
            platform = self._platforms[application.url, settings] = Platform(
                self.site, application, settings, self._output
            )
        return await platform.port()

    def _settings(self, decision: Decision) -> tuple[Application, HttpPlatform]:
        """The application that answers, and what <httpPlatform> says at its root: elsewhere in it
        the section has no effect.  # inferred from its successor
        """
        application = self.site.application(decision.path)
        return application, self.site.effective(application.url or "/").view(http_platform)

    async def call(self, exchange: Exchange, decision: Decision) -> None:
        """Pass the request to a process; 502.3 where it does not come up or does not answer."""
        try:
            port = await self.port(decision)
        except (PlatformStartFailed, ProgramMissing) as error:
            await self.fail(exchange, decision, error)
            return
        await self.forwarder.forward_local(
            exchange,
            decision,
            f"http://127.0.0.1:{port}{local_target(decision)}",
            self._settings(decision)[1].request_timeout,
        )

    async def fail(
        self, exchange: Exchange, decision: Decision, error: PlatformStartFailed | ProgramMissing
    ) -> None:
        """Answer 502.3: no process came up."""
        path = self._settings(decision)[1].process_path
        action = Respond(
            502,
            3,
            f"The process of httpPlatform, {path}, failed to start: {error}",
            error.hresult if isinstance(error, PlatformStartFailed) else E_FILE_NOT_FOUND,
            notification="ExecuteRequestHandler",
            output=error.output if isinstance(error, PlatformStartFailed) else "",
            hints=tuple(self._hints(decision, error)),
        )
        await self.forwarder.front.fail(exchange, decision, action)

    def _hints(
        self, decision: Decision, error: PlatformStartFailed | ProgramMissing
    ) -> Iterator[str]:
        """What to do about a process that did not come up; the console gets what is likely behind
        it as well.
        """
        if isinstance(error, ProgramMissing):
            yield error.hint
            return
        place, settings = self._settings(decision)
        program = None
        with contextlib.suppress(ProgramMissing):
            program = find_program(settings.process_path, self.site, place)
        found = suspicions(self.site, place, settings, None)
        likely = [known for known in found if known.severity == "error"]
        for known in likely or of_failed_start(settings, place, program, error.output, error.ports):
            words = in_words(known)
            self._output(error.pid, "", f"likely cause: {words}")
            yield words
        command, _ = command_line(self.site, place, settings, "5000")
        yield f"Start it by hand: {by_hand(place, command, 5000)}"

    @property
    def running(self) -> bool:
        return any(platform.running for platform in self._platforms.values())

    def recycles_on(self, changed: Path) -> bool:
        """Whether a changed file is one of recycleOnFileChange of a process that runs."""
        return any(
            platform.running and changed == platform.application.path / name
            for platform in self._platforms.values()
            for name in platform.settings.recycle_on
        )

    async def restart(self) -> None:
        """End every process; the next requests start new ones."""
        await asyncio.gather(*(platform.restart() for platform in self._platforms.values()))

    close = restart
