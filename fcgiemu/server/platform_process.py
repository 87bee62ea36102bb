"""One process of <httpPlatform>: started, ready when it listens, ended with its children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..fastcgi.limits import GRACE_SECONDS
from ..fastcgi.process import KEPT_LINES
from ..lifeline import Lifeline, guarded
from ..modules.http_platform import PORT_VARIABLE
from ..programs.ports import listening_ports, stranger_on
from .output import Output

#: ERROR_CREATE_FAILED and ERROR_TIMEOUT: a process that ended, or did not listen.  # inferred
E_CREATE_FAILED = 0x8007065F
E_TIMEOUT = 0x800705B4
#: Pause between two tries to reach a process that starts.
_POLL_SECONDS = 0.02


class PlatformStartFailed(Exception):
    """The process did not come up; ``output`` is what it wrote last, ``ports`` are those that it
    listens on in place of its own.
    """

    def __init__(
        self,
        message: str,
        output: str = "",
        pid: int = 0,
        ports: Sequence[int] = (),
        hresult: int = E_CREATE_FAILED,
    ) -> None:
        super().__init__(message)
        self.hresult = hresult
        self.output = output
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
        #: Called when the process ends and nobody has asked for it.
        self.when_ended: Callable[[PlatformProcess], None] | None = None
        self._watching = asyncio.ensure_future(self._watch())
        self._pumps = [
            asyncio.ensure_future(self._pump(stream))
            for stream in (process.stdout, process.stderr)
            if stream
        ]

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.returncode

    async def _watch(self) -> None:
        await self._process.wait()
        if self.when_ended is not None:
            self.when_ended(self)

    async def _pump(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.lines.append(text)
            self._output(self._process.pid, "", text)
            if self._log is not None:
                with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as log:
                    log.write(text + "\n")

    async def ready(self, seconds: float) -> None:
        """Until the port answers. Raises PlatformStartFailed."""
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            writer.close()
            stranger = stranger_on(self.port, self.pid, f"{PORT_VARIABLE}={self.port}")
            if not stranger:
                return
            raise PlatformStartFailed(
                f"another program, {stranger}, listens on its port {self.port}"
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*self._pumps), 0.5 if not self.alive else 0.01)
        words = "\n".join(self.lines)
        if not self.alive:
            raise PlatformStartFailed(f"it ended with exit code {self.code}", words, self.pid)
        raise PlatformStartFailed(
            f"it did not listen on port {self.port} (%{PORT_VARIABLE}%) within {seconds:g} seconds"
            " (startupTimeLimit)",
            words,
            self.pid,
            listening_ports(self.pid),
            E_TIMEOUT,
        )

    async def stop(self) -> None:
        """End the process and its children; returns when it has been reaped."""
        self.when_ended = None
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
        for task in (self._watching, *self._pumps):
            task.cancel()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


async def spawn(
    command: tuple[str, ...],
    environment: dict[str, str],
    folder: Path,
    port: int,
    output: Output,
    log: Path | None,
) -> PlatformProcess:
    """Start a process in a session of its own. Raises PlatformStartFailed."""
    lifeline = Lifeline()
    try:
        process = await asyncio.create_subprocess_exec(
            *guarded(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment, **lifeline.environment},
            cwd=str(folder),
            pass_fds=(lifeline.theirs,),
            start_new_session=True,
            limit=1 << 20,
        )
    except OSError as error:
        lifeline.cut()
        raise PlatformStartFailed(f"{command[0]}: {error.strerror}") from error
    finally:
        lifeline.passed()
    return PlatformProcess(port, process, lifeline, output, log)
