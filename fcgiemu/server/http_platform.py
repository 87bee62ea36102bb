"""Acting on CallHttpPlatform: the processes of <httpPlatform>, started, supervised, and asked over
loopback HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ..applications import Application
from ..decision import Decision, Respond
from ..diagnosis.causes import in_words
from ..diagnosis.platform import by_hand, of_failed_start, suspicions
from ..fastcgi.limits import GRACE_SECONDS
from ..fastcgi.process import KEPT_LINES
from ..lifeline import Lifeline, guarded
from ..modules.http_platform import PORT_VARIABLE, HttpPlatform, compiled
from ..programs.http_platform import command_line, log_file
from ..programs.interpreters import ProgramMissing, find_program
from ..programs.ports import listening_ports
from ..site import Site
from .exchange import Exchange
from .forward import Forwarder
from .forwarded import local_target
from .output import Output

#: Pause between two tries to reach a process that starts.
_POLL_SECONDS = 0.02


class StartFailed(Exception):
    """The process did not come up; ``words`` is what it wrote last, ``ports`` are those that it
    listens on in place of its own.
    """

    def __init__(
        self, message: str, words: str = "", pid: int = 0, ports: Sequence[int] = ()
    ) -> None:
        super().__init__(message)
        self.words = words
        self.pid = pid
        self.ports = tuple(ports)


class PlatformProcess:
    """One process and the port it was given."""

    def __init__(
        self,
        port: int,
        process: asyncio.subprocess.Process,
        lifeline: Lifeline,
        output: Output,
        log: Path | None,
    ) -> None:
        self.port = port
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process = process
        self._lifeline = lifeline
        self._output = output
        self._log = log
        self._pumps = [
            asyncio.ensure_future(self._pump(stream))
            for stream in (process.stdout, process.stderr)
            if stream
        ]

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def _pump(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.lines.append(text)
            self._output(self._process.pid, "", text)
            if self._log is not None:
                with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as log:
                    log.write(text + "\n")

    async def ready(self, seconds: float) -> None:
        """Until the port answers. Raises StartFailed."""
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            writer.close()
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*self._pumps), 0.5 if not self.alive else 0.01)
        why = (
            f"it ended with exit code {self._process.returncode}"
            if not self.alive
            else (
                f"it did not listen on port {self.port} (%{PORT_VARIABLE}%) within {seconds:g}"
                " seconds (startupTimeLimit)"
            )
        )
        ports = listening_ports(self._process.pid) if self.alive else ()
        raise StartFailed(why, "\n".join(self.lines), self._process.pid, ports)

    async def stop(self) -> None:
        """End the process and its children; returns when it has been reaped."""
        for end in (
            partial(self._signal, signal.SIGTERM),
            self._lifeline.cut,
            partial(self._signal, signal.SIGKILL),
        ):
            if not self.alive:
                break
            end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), GRACE_SECONDS)
        self._lifeline.cut()
        for pump in self._pumps:
            pump.cancel()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class Platform:
    """The processes of one <httpPlatform>: started by the first request, replaced when they end,
    used in turn.
    """

    def __init__(
        self, site: Site, application: Application, settings: HttpPlatform, output: Output
    ) -> None:
        self.site = site
        self.application = application
        self.settings = settings
        self._output = output
        self._processes: list[PlatformProcess] = []
        self._turn = 0
        self._lock = asyncio.Lock()
        self._fails: deque[float] = deque(maxlen=max(1, settings.rapid_fails_per_minute))

    async def port(self) -> int:
        """The port of the process whose turn it is. Raises StartFailed and ProgramMissing."""
        self._turn += 1
        slot = self._turn % self.settings.processes
        if slot < len(self._processes) and self._processes[slot].alive:
            return self._processes[slot].port
        async with self._lock:
            while len(self._processes) <= slot:
                self._processes.append(await self._start())
            if not self._processes[slot].alive:
                await self._processes[slot].stop()
                self._processes[slot] = await self._start()
            return self._processes[slot].port

    async def _start(self) -> PlatformProcess:
        error: StartFailed | None = None
        for _ in range(self.settings.startup_retry_count + 1):
            if self._too_many_fails():
                break
            process = await self._spawn()
            try:
                await process.ready(self.settings.startup_time_limit)
                return process
            except StartFailed as failure:
                error = failure
                self._fails.append(time.monotonic())
                await process.stop()
                if failure.ports:
                    break  # it would listen on the same port again: kinder than IIS, which retries
        if error is None:
            error = StartFailed(
                f"it failed {len(self._fails)} times within a minute (rapidFailsPerMinute)"
            )
        raise error

    def _too_many_fails(self) -> bool:
        limit = self.settings.rapid_fails_per_minute
        return bool(limit) and len(self._fails) >= limit and time.monotonic() - self._fails[0] < 60

    async def _spawn(self) -> PlatformProcess:
        port = _free_port()
        command, environment = command_line(self.site, self.application, self.settings, port)
        lifeline = Lifeline()
        try:
            process = await asyncio.create_subprocess_exec(
                *guarded(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**environment, **lifeline.environment},
                cwd=str(self.application.path),
                pass_fds=(lifeline.theirs,),
                start_new_session=True,
                limit=1 << 20,
            )
        except OSError as error:
            lifeline.cut()
            raise StartFailed(f"{command[0]}: {error.strerror}") from error
        finally:
            lifeline.passed()
        return PlatformProcess(port, process, lifeline, self._output, self._log_file(process.pid))

    def _log_file(self, pid: int) -> Path | None:
        suffix = f"_{pid}_{time.strftime('%Y%m%d%H%M%S')}.log"
        local = log_file(self.site, self.application, self.settings, suffix)
        if not local:
            return None
        path = Path(local)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    async def restart(self) -> None:
        """End the processes; the next request starts new ones."""
        processes, self._processes = self._processes, []
        self._fails.clear()
        await asyncio.gather(*(process.stop() for process in processes))


class HttpPlatforms:
    """Every <httpPlatform> of a site, by what it says."""

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        self.site = site
        self.forwarder = forwarder
        self._output = output
        self._platforms: dict[tuple[str, HttpPlatform], Platform] = {}

    async def port(self, decision: Decision) -> int:
        """The port that answers for a decision. Raises StartFailed and ProgramMissing."""
        settings = decision.effective.view(compiled)
        application = self.site.application(decision.path)
        platform = self._platforms.get((application.url, settings))
        if platform is None:
            platform = self._platforms[application.url, settings] = Platform(
                self.site, application, settings, self._output
            )
        return await platform.port()

    async def call(self, exchange: Exchange, decision: Decision) -> None:
        """Pass the request to a process; 502.3 where it does not come up or does not answer."""
        try:
            port = await self.port(decision)
        except (StartFailed, ProgramMissing) as error:
            await self._fail(exchange, decision, error)
            return
        await self.forwarder.forward_local(
            exchange,
            decision,
            f"http://127.0.0.1:{port}{local_target(decision)}",
            decision.effective.view(compiled).request_timeout,
        )

    async def _fail(
        self, exchange: Exchange, decision: Decision, error: StartFailed | ProgramMissing
    ) -> None:
        path = decision.effective.view(compiled).process_path
        action = Respond(
            502,
            3,
            f"The process of httpPlatform, {path}, failed to start: {error}",
            0x80070002,
            notification="ExecuteRequestHandler",
            output=error.words if isinstance(error, StartFailed) else "",
            hints=tuple(self._hints(decision, error)),
        )
        await self.forwarder.front.fail(exchange, decision, action)

    def _hints(self, decision: Decision, error: StartFailed | ProgramMissing) -> Iterator[str]:
        """What to do about a process that did not come up; the console gets what is likely behind
        it as well.
        """
        if isinstance(error, ProgramMissing):
            yield error.hint
            return
        settings = decision.effective.view(compiled)
        place = self.site.application(decision.path)
        program = None
        with contextlib.suppress(ProgramMissing):
            program = find_program(settings.process_path, self.site, place)
        found = suspicions(self.site, place, settings, None)
        likely = [known for known in found if known.severity == "error"]
        for known in likely or of_failed_start(settings, place, program, error.words, error.ports):
            words = in_words(known)
            self._output(error.pid, "", f"likely cause: {words}")
            yield words
        command, _ = command_line(self.site, place, settings, "5000")
        yield f"Start it by hand: {by_hand(place, command, 5000)}"

    @property
    def running(self) -> bool:
        return any(platform._processes for platform in self._platforms.values())

    def recycles_on(self, changed: Path) -> bool:
        """Whether a changed file is one of recycleOnFileChange of a process that runs."""
        return any(
            platform._processes and changed == platform.application.path / name
            for platform in self._platforms.values()
            for name in platform.settings.recycle_on
        )

    async def restart(self) -> None:
        """End every process; the next requests start new ones."""
        await asyncio.gather(*(platform.restart() for platform in self._platforms.values()))

    close = restart


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
