"""One process of the site that listens: started, ready when it accepts connections, ended with its
children.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from ... import posix
from ...fastcgi.limits import GRACE_SECONDS
from ...fastcgi.process import KEPT_LINES, MAX_LINE, next_line
from ...lifeline import Lifeline, guarded
from ...programs.ports import listening_ports
from ..process_output import Output
from .address import Address

#: The words of a program, and its environment.
CommandLine = tuple[tuple[str, ...], dict[str, str]]

#: ERROR_CREATE_FAILED and ERROR_TIMEOUT: a process that ended, or did not listen.  # inferred
E_CREATE_FAILED = 0x8007065F
E_TIMEOUT = 0x800705B4
#: Pause between two tries to reach a process that starts.
_POLL_SECONDS = 0.02
#: Seconds for the output of a process that has closed a connection, and may be ending.
_LAST_WORDS = 0.5


class ProcessStartFailed(Exception):
    """A process did not come up; ``output`` is what it wrote last, ``ports`` are those that it
    listens on in place of its own. ``hresult`` is E_TIMEOUT where it runs and does not listen.
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


class SupervisedProcess:
    """One process, and the address and environment that it was given."""

    def __init__(
        self,
        address: Address,
        environment: Mapping[str, str],
        process: asyncio.subprocess.Process,
        *,
        lifeline: Lifeline,
        output: Output,
        log: Path | None,
        program: str = "",
    ) -> None:
        self.address = address
        self.environment = environment
        #: Its command line, for people.
        self.program = program
        #: What it has written last: all of it, and that of stderr.
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.error_lines: deque[str] = deque(maxlen=KEPT_LINES)
        #: How many requests it has in progress, and has had in all: see in_use.
        self.requests = self.answered = 0
        self._awaited = 0
        self._process = process
        self._lifeline = lifeline
        self._output = output
        self._log = log
        self._idle = asyncio.Event()
        #: Called when the process ends and nobody has asked for it.
        self.when_ended: Callable[[SupervisedProcess], None] | None = None
        self._watching = asyncio.ensure_future(self._watch())
        self._pumps = [
            asyncio.ensure_future(self._pump(stream, kept))
            for stream, kept in (
                (process.stdout, (self.lines,)),
                (process.stderr, (self.lines, self.error_lines)),
            )
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

    @contextlib.contextmanager
    def in_use(self, *, is_awaited: bool = True) -> Iterator[None]:
        """While a request is with the process; ``is_awaited`` = ``finish`` waits for its end."""
        self.requests += 1
        self.answered += 1
        self._awaited += is_awaited
        self._idle.clear()
        try:
            yield
        finally:
            self.requests -= 1
            self._awaited -= is_awaited
            if not self._awaited:
                self._idle.set()

    async def _watch(self) -> None:
        await self._process.wait()
        if self.when_ended is not None:
            self.when_ended(self)

    async def _pump(self, stream: asyncio.StreamReader, kept: tuple[deque[str], ...]) -> None:
        while line := await next_line(stream):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            for lines in kept:
                lines.append(text)
            self._output(self._process.pid, "", text)
            if self._log is not None:
                with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as log:
                    log.write(text + "\n")

    async def ready(self, seconds: float, attribute: str, variable: str, secret: str = "") -> None:
        """Until the address, which ``variable`` told the process, accepts a connection;
        ``attribute`` is what limits that to ``seconds``. ``secret`` is a variable that no other
        process has, "" = none. Raises StartFailed.
        """
        marks = [f"{name}={self.environment.get(name, '')}" for name in (variable, secret) if name]
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end:
            if not await self._accepts():
                await asyncio.sleep(_POLL_SECONDS)
                continue
            stranger = self.address.stranger(self.pid, marks)
            if not stranger:
                return
            raise ProcessStartFailed(f"another program, {stranger}, listens on its {self.address}")
        await asyncio.wait(self._pumps, timeout=0.01 if self.alive else _LAST_WORDS)
        words = "\n".join(self.lines)
        if not self.alive:
            raise ProcessStartFailed(f"it ended with exit code {self.code}", words, self.pid)
        raise ProcessStartFailed(
            f"it did not listen on {self.address} (%{variable}%) within {seconds:g} seconds"
            f" ({attribute})",
            words,
            self.pid,
            listening_ports(self.pid),
            E_TIMEOUT,
        )

    async def _accepts(self) -> bool:
        try:
            connection = await self.address.connect(_Knock)
        except OSError:
            return False
        connection.transport.close()
        return True

    async def last_words(self) -> None:
        """Until all has been read that it wrote before its end, where it is just ending."""
        await asyncio.wait(self._pumps, timeout=_LAST_WORDS)

    async def finish(self, seconds: float) -> None:
        """Let it finish the requests that it has in progress."""
        self.when_ended = None
        if self._awaited and seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), seconds)

    async def leave(self, farewell: Farewell, seconds: float) -> None:
        """Ask it to end by itself, and wait where it agrees."""
        self.when_ended = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if await farewell(self):
                    await self._process.wait()

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End the process and its children; returns when it has been reaped. SIGTERM gives it
        ``grace`` seconds.
        """
        self.when_ended = None
        for end in (
            partial(self._signal, posix.ASK),
            self._lifeline.cut,
            partial(self._signal, posix.KILL),
        ):
            if not self.alive:
                break
            end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace)
            grace = GRACE_SECONDS
        self._lifeline.cut()
        for task in (self._watching, *self._pumps):
            task.cancel()
        self.address.release()

    def _signal(self, number: int) -> None:
        posix.signal_group(self._process.pid, number)


#: Asks a process to end by itself; whether it agrees.
Farewell = Callable[[SupervisedProcess], Awaitable[bool]]


class _Knock(asyncio.Protocol):
    """A connection that is closed as soon as it stands."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


async def spawn(
    command_line: CommandLine, folder: Path, address: Address, output: Output, log: Path | None
) -> SupervisedProcess:
    """Start a process in a session of its own. Raises StartFailed."""
    command, environment = command_line
    lifeline = Lifeline()
    try:
        process = await asyncio.create_subprocess_exec(
            *guarded(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment, **lifeline.environment},
            cwd=str(folder),
            limit=MAX_LINE,
            **posix.apart((lifeline.theirs,)),
        )
        lifeline.holds(process.pid)
    except OSError as error:
        lifeline.cut()
        raise ProcessStartFailed(f"{command[0]}: {error.strerror}") from error
    finally:
        lifeline.passed()
    return SupervisedProcess(
        address,
        environment,
        process,
        lifeline=lifeline,
        output=output,
        log=log,
        program=shlex.join(command),
    )
