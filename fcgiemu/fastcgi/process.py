"""One process of a FastCGI application: how it is started, what it may do next, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from .. import posix
from ..http.numbers import MAX_LENGTH, bounded
from ..http.request import Request
from ..lifeline import Lifeline
from ..socket_folder import SocketFolder
from .connection import FastCgiConnection
from .limits import GRACE_SECONDS, Limits

#: Seconds in which a guard has ended everything.
GUARD_SECONDS = 2.0
#: Seconds for the rest of an answer to come after its process has ended.
REST_SECONDS = 1.0
#: Lines of output kept of each process for error pages.
KEPT_LINES = 200
#: Requests that are remembered for output that comes late.
KEPT_REQUESTS = 64
#: A longer line is left out.
MAX_LINE = 1 << 16
#: What is shown in its place.
LEFT_OUT = b"(a line longer than 64 KiB was left out)\n"
#: The variable by which a process knows that it stands by.
STANDBY = "FCGIEMU_STANDBY"
#: Seconds for a process to listen that was given no socket, and between two tries to reach it.
LISTEN_SECONDS = 30.0
_POLL_SECONDS = 0.02
#: Characters of a worker's report that are kept; worker/standby.py stays below.
MAX_REPORT = 1 << 18


class ProcessState(enum.Enum):
    """What a process is doing; ALLOWED says what may follow."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    RETIRING = "retiring"  # busy with its last request
    STOPPING = "stopping"
    GONE = "gone"

    __hash__ = (
        object.__hash__
    )  # each member is one object; Enum would hash its name at every look-up


_S = ProcessState
ALLOWED: Mapping[ProcessState, frozenset[ProcessState]] = {
    _S.STARTING: frozenset({_S.IDLE, _S.STOPPING, _S.GONE}),
    _S.IDLE: frozenset({_S.BUSY, _S.STOPPING, _S.GONE}),
    _S.BUSY: frozenset({_S.IDLE, _S.RETIRING, _S.STOPPING, _S.GONE}),
    _S.RETIRING: frozenset({_S.STOPPING, _S.GONE}),
    _S.STOPPING: frozenset({_S.GONE}),
    _S.GONE: frozenset(),
}


class StartFailed(Exception):
    """The process could not be started or reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a process. With ``listens`` descriptor 0 is a listening socket (the FastCGI
    specification), else it is
    the connection itself (what wfastcgi expects)."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    listens: bool = True
    #: Whether the process is told of changed files: wfastcgi.py decides by itself when to end.
    watches: bool = False
    #: Whether the connection is TCP on loopback instead of a Unix socket (protocol="Tcp").
    tcp: bool = False
    #: What stands before ``127.0.0.1:PORT`` on its command line where it has to listen there by
    #: itself, since no socket can be passed on (Windows); None where it cannot.
    binds: tuple[str, ...] | None = None
    #: Seconds between the polite end and the other one (signalBeforeTerminateSeconds).
    grace: float = GRACE_SECONDS
    #: Whether a guard runs the program, which ends it and all it has started when its lifeline
    #: goes.
    guarded: bool = False
    #: Our worker's own: begins the lines that say which request its output belongs to, and nobody
    #: else knows it.
    mark: str = ""
    #: Whether one may be started ahead, to stand by until another one is needed.
    may_stand_by: bool = False

    def is_like(self, other: Launch) -> bool:
        """Whether both start the same, but for the mark."""
        return replace(self, environment={}, mark="") == replace(
            other, environment={}, mark=""
        ) and self._named(STANDBY) == other._named(STANDBY)

    def _named(self, without: str) -> dict[str, str]:
        """The environment, but for ``without`` and with a word in place of the mark."""
        return {
            name: value.replace(self.mark, "mark") if self.mark else value
            for name, value in self.environment.items()
            if name != without
        }

    def ahead(self, loads: str) -> Launch:
        """The same, of one that stands by. ``loads`` says what it loads meanwhile: see
        worker/standby.py.
        """
        return replace(self, environment={**self.environment, STANDBY: loads})


class Spawned(Protocol):
    """A started process, as WorkerProcess needs it; tests bring their own."""

    pid: int
    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None

    async def wait(self) -> int: ...
    def send_signal(self, number: int) -> None: ...


Spawner = Callable[..., "asyncio.Future[Spawned]"]
#: Told of every line a process writes: the process, the name of the request that the line belongs
#: to ("" where it is nobody's), the text.
OutputSink = Callable[["WorkerProcess", str, str], None]


async def next_line(stream: asyncio.StreamReader) -> bytes:
    """The next line that a process has written, with its end; empty when no more comes. The stream
    is made with the limit MAX_LINE: of a longer line nothing is kept, and LEFT_OUT is returned.
    """
    is_long = False
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            line = error.partial
        except asyncio.LimitOverrunError as error:
            await stream.readexactly(error.consumed)
            is_long = True
            continue
        return LEFT_OUT if is_long else line


class WorkerProcess:
    """A process and its one connection."""

    def __init__(self, launch: Launch, sink: OutputSink) -> None:
        self.launch = launch
        self.state = ProcessState.STARTING
        self.connection: FastCgiConnection
        self.requests = 0
        #: The name of the request whose output comes now, "" where it is nobody's.
        self.label = ""
        self.exit_code: int | None = None
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.idle_since = 0.0
        #: Whether it has closed its connection between requests, which it was asked not to do.
        self.closes = False
        #: Whether a debugger is attached: no timeout ends a request then, and nothing recycles the
        #: process.
        self.debugged = False
        #: What the process has loaded that another one could load ahead, as it says itself; and
        #: who is told when it has said so.
        self.report = ""
        self.when_reported: Callable[[WorkerProcess], None] = lambda _: None
        #: Whether it stands by, ready to take the site up, and which modules it leaves out.
        self.is_ready = launch.watches
        self.left_out: list[str] = []
        #: Whether it has had to begin loading again without some of them.
        self.began_again = False
        #: Why it has started itself again instead of taking the site up from its stand-by.
        self.gave_up = ""
        self._reporting = ""
        #: The request that each of ``lines`` belongs to, 0 where that is unknown.
        self._owners: deque[int] = deque(maxlen=KEPT_LINES)
        self._owner = 0
        self._begun: dict[int, str] = {}
        self._sink = sink
        self._process: Spawned | None = None
        self._exited = asyncio.Event()
        self._exited_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._lifeline: Lifeline | None = None
        self._changes: int | None = None
        self._sockets: SocketFolder | None = None
        self._socket_path: str | None = None
        self._address: tuple[str, int] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def may_close(self) -> bool:
        """Whether it could close its connection between requests and go on: our own worker does
        not, wfastcgi.py cannot.
        """
        return self.launch.listens and not self.launch.mark

    @property
    def is_free(self) -> bool:
        """Whether it can be given a request now. That a process has ended, and that its connection
        has been lost, are told apart, in any order, and a request may come in between.
        """
        return self.state is ProcessState.IDLE and self.connection.alive

    def begin(self, request: Request) -> None:
        """The process works on ``request`` from now."""
        name = self._begun[self.requests] = request.label
        self._begun.pop(self.requests - KEPT_REQUESTS, None)
        if not self.launch.mark:
            self.label = name
            self._owner = self.requests

    def overdue(self, limits: Limits, now: float) -> tuple[str, float] | None:
        """The timeout that the request has run into, by its attribute's name, and its seconds.

        The time in which a debugger is attached does not count; that in which fcgiemu waits for the
        client is not inactivity.
        """
        connection = self.connection
        if connection.ended:  # its request has not been sent yet: the times are another one's
            return None
        if self.debugged:
            connection.started = connection.last_activity = now
        elif connection.waits_for_client:
            connection.last_activity = now
        if now - connection.last_activity > limits.activity_timeout:
            return "activityTimeout", limits.activity_timeout
        if now - connection.started > limits.request_timeout:
            return "requestTimeout", limits.request_timeout
        return None

    @property
    def is_working(self) -> bool:
        """Whether a request waits for its answer, be it that of a process that has ended."""
        if self.state is ProcessState.GONE:
            return not self.connection.ended
        return self.state in (ProcessState.BUSY, ProcessState.RETIRING)

    def is_outlived(self, now: float) -> bool:
        """Whether the process has ended and no answer comes any more over its connection, which
        something that it has left behind keeps open. Ask after ``overdue``.
        """
        if self.state is not ProcessState.GONE or self.connection.error is not None:
            return False
        return now - max(self._exited_at, self.connection.last_activity) > REST_SECONDS

    def change_state(self, state: ProcessState) -> None:
        """Change state; raises ValueError for a step the table does not allow."""
        if state not in ALLOWED[self.state]:
            raise ValueError(f"a process cannot go from {self.state.value} to {state.value}")
        self.state = state

    async def start(self, spawn: Spawner | None = None) -> None:
        """Start the process and connect to it. Raises StartFailed; nothing is left behind then."""
        try:
            theirs, connect = self._endpoint()
        except OSError as error:
            raise StartFailed(str(error)) from error
        self._lifeline = Lifeline()
        passed = [self._lifeline.theirs]
        environment = {**self.launch.environment, **self._lifeline.environment}
        if self.launch.watches:
            changes, self._changes = os.pipe()
            posix.do_not_wait(self._changes)
            environment["FCGIEMU_CHANGES"] = str(changes)
            passed.append(changes)
        try:
            self._process = await (spawn or asyncio.create_subprocess_exec)(
                *self.launch.command,
                *self._binding(),
                stdin=asyncio.subprocess.DEVNULL if theirs is None else theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                cwd=self.launch.directory,
                limit=MAX_LINE,
                **posix.apart(passed),
            )
            self._lifeline.holds(self._process.pid)
        except (OSError, ValueError) as error:
            self._close_pipes()
            self._forget_socket()
            self.state = ProcessState.GONE
            raise StartFailed(
                f"{self.launch.command[0]}: {getattr(error, 'strerror', None) or error}"
            ) from error
        finally:
            for descriptor in passed:
                os.close(descriptor)
            if theirs is not None:
                theirs.close()
        self._tasks = [
            asyncio.ensure_future(self._watch()),
            asyncio.ensure_future(self._pump(self._process.stdout)),
            asyncio.ensure_future(self._pump(self._process.stderr)),
        ]
        try:
            self.connection = await connect()
        except OSError as error:
            await self.stop()
            raise StartFailed(str(error)) from error
        if self.launch.mark:  # our own keeps its connection: nobody connects a second time
            self._forget_socket()
        if self.state is ProcessState.STARTING:
            self.change_state(ProcessState.IDLE)

    def _endpoint(self) -> tuple[socket.socket | None, Callable[[], Awaitable[FastCgiConnection]]]:
        """The socket for descriptor 0, and how to reach the process through it. Raises OSError."""
        loop = asyncio.get_running_loop()
        if not posix.PASSES_SOCKETS:
            if self.launch.binds is None:
                raise OSError(
                    f"{self.launch.command[0]} cannot be run on Windows: it would need to be given"
                    " a socket. fcgiemu's own worker and php-cgi can"
                )
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._address = free.getsockname()[:2]
            return None, self._reach
        if not self.launch.listens:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)

            async def use_pair() -> FastCgiConnection:
                return (await loop.create_connection(FastCgiConnection, sock=ours))[1]

            return theirs, use_pair
        if self.launch.tcp:
            theirs = socket.create_server(("127.0.0.1", 0))
            self._address = theirs.getsockname()[:2]
            return theirs, self._connect
        self._sockets = SocketFolder()
        self._socket_path = self._sockets.name()
        theirs = posix.unix_socket()
        theirs.bind(self._socket_path)
        theirs.listen(8)
        return theirs, self._connect

    async def _connect(self) -> FastCgiConnection:
        """A new connection to a listening process."""
        loop = asyncio.get_running_loop()
        if self._address is not None:
            return (await loop.create_connection(FastCgiConnection, *self._address))[1]
        return (await loop.create_unix_connection(FastCgiConnection, self._socket_path))[1]

    def _binding(self) -> tuple[str, ...]:
        """What tells the process where it has to listen by itself."""
        if posix.PASSES_SOCKETS or self._address is None:
            return ()
        host, port = self._address
        return (*(self.launch.binds or ()), f"{host}:{port}")

    async def _reach(self) -> FastCgiConnection:
        """A connection to a process that is about to listen. Raises OSError where it does not."""
        loop = asyncio.get_running_loop()
        end = loop.time() + LISTEN_SECONDS
        while True:
            try:
                return await self._connect()
            except OSError:
                if self._exited.is_set():
                    raise OSError(f"it ended with exit code {self.exit_code}") from None
                if loop.time() > end:
                    raise
            await asyncio.sleep(_POLL_SECONDS)

    async def reconnect(self) -> bool:
        """A new connection to a listening process that closes them; False where there is none to be
        had: our own worker has lost its only one because it ends.
        """
        if not self.may_close or self._exited.is_set():
            return False
        self.closes = True
        try:
            self.connection = await self._connect()
        except OSError:
            return False
        return True

    async def wait_exit(self, seconds: float) -> int | None:
        """The exit code, waiting at most so long; None where the process lives on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._exited.wait(), seconds)
            await asyncio.wait(self._tasks[1:], timeout=seconds)  # its last words
        return self.exit_code

    def file_changed(self, changed: str) -> None:
        """Tell a process that watches of a changed file, relative to its folder."""
        if self._changes is not None:
            with contextlib.suppress(OSError):
                os.write(
                    self._changes, changed.replace("/", "\\").encode("utf-8", "replace") + b"\n"
                )

    async def stop(self, patience: float = 0.0) -> None:
        """End the process: wait ``patience`` seconds for it to do so by itself, close its
        connection, ask, then insist.

        Returns when it has been reaped.
        """
        if self.state is not ProcessState.GONE:
            self.state = ProcessState.STOPPING
            if patience:
                await self.wait_exit(patience)
            if hasattr(self, "connection"):
                self.connection.close()
            self._signal(posix.ASK)
            try:
                await asyncio.wait_for(self._exited.wait(), self.launch.grace)
            except TimeoutError:
                self._insist()
                await self._exited.wait()
        for task in self._tasks:
            if not task.done():
                task.cancel()

    def kill(self) -> None:
        """End the process at once; it is reaped by its watcher."""
        if hasattr(self, "connection"):
            self.connection.abort()
        self._insist()

    def last_output(self) -> str:
        """What the process wrote last, but for what belongs to requests before the one in
        progress.
        """
        return "\n".join(
            line
            for line, owner in zip(self.lines, self._owners, strict=True)
            if owner in (0, self.requests)
        )

    def _insist(self) -> None:
        """End the process and all it has started at once."""
        if not self.launch.guarded:
            self._signal(posix.KILL)
        elif self._lifeline is not None and self._lifeline.cut():  # else the guard is at it already
            asyncio.get_running_loop().call_later(GUARD_SECONDS, self._signal, posix.KILL)

    def _signal(self, number: int) -> None:
        """Signal the process's own group, so that children of the application end with it."""
        if self._process is None or self._exited.is_set():
            return
        posix.signal_group(self._process.pid, number)

    async def _watch(self) -> None:
        assert self._process is not None
        self.exit_code = await self._process.wait()
        posix.end_left_behind(self._process.pid)
        self.state = ProcessState.GONE
        self._exited_at = asyncio.get_running_loop().time()
        self._close_pipes()
        self._forget_socket()
        self._exited.set()

    async def _pump(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        begun = ""  # what the site has written of a line that it has not ended
        while True:
            line = await next_line(stream)
            text, mark, said = self._parted(begun + line.decode("utf-8", "replace").rstrip("\r\n"))
            begun = ""
            if mark and not said.isdigit():
                begun = text
            elif text or line and not mark:
                self._show(text)
            if mark:
                self._told(said)
            if not line:
                return

    def _parted(self, line: str) -> tuple[str, str, str]:
        """What the site has written, the mark, and what our own worker says after it. The worker
        writes whole lines, but one may come where the site has not ended its own.
        """
        return line.partition(f"\x1e{self.launch.mark} ") if self.launch.mark else (line, "", "")

    def _show(self, text: str) -> None:
        self.lines.append(text)
        self._owners.append(self._owner)
        self._sink(self, self.label, text)

    def _told(self, said: str) -> None:
        """Our own worker's word: whose output follows, that a debugger has come or gone, or what it
        has loaded.
        """
        word, _, rest = said.partition(" ")
        if word == "debugger":
            self.debugged = rest == "attached"
            self._sink(
                self,
                self.label,
                "a debugger is attached: no timeouts and no recycling until it leaves"
                if self.debugged
                else "the debugger has left: timeouts and recycling are on again",
            )
        elif word == "report":
            self._reporting = (self._reporting + rest)[:MAX_REPORT]
        elif word == "reported":
            self.report, self._reporting = self._reporting, ""
            self.when_reported(self)
        elif word == "standby":
            self._told_of_standby(rest)
        else:
            self._owner = bounded(said, MAX_LENGTH) or 0
            self.label = self._begun.get(self._owner, "")

    def _told_of_standby(self, said: str) -> None:
        word, *modules = said.split()
        if word in ("ready", "skips"):
            self.is_ready, self.left_out = word == "ready", modules
            self.began_again = self.began_again or word == "skips"
        else:
            self.gave_up = said

    def _close_pipes(self) -> None:
        if self._lifeline is not None:
            self._lifeline.cut()
        if self._changes is not None:
            os.close(self._changes)
            self._changes = None

    def _forget_socket(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = self._socket_path = None
