"""What only POSIX systems have, and what stands in for it on Windows. Nothing else in the package
names what Windows lacks, but ``server/process_one.py``, which does nothing there, and the worker.

On Windows a process cannot be given a socket as its descriptor 0: it listens on a port of its own
(``PASSES_SOCKETS``). There are no groups of processes that end together, but Job Objects: see
windows.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # explain and check need neither, and they cost more than all of ours
    import asyncio
    import socket

    from .windows import Job

    #: What a server calls for a connection.
    Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

if sys.platform == "win32":
    import msvcrt

    IS_WINDOWS = True
    #: For ``os.open``: refuse a symbolic link.
    NO_LINK = 0
    #: For ``os.open``: read bytes.
    READ_FLAGS = os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT
    #: The signal that asks a process to end.
    ASK: int = signal.CTRL_BREAK_EVENT
    #: The signal that no process can refuse.
    KILL: int = signal.SIGTERM
    #: Whether a process can be given a listening socket as its descriptor 0.
    PASSES_SOCKETS = False
    #: Where an environment has its programs, and how their names end.
    PROGRAMS, EXE = "Scripts", ".exe"
    #: Whether ``send_file`` can be called.
    CAN_SEND_FILES = False

    def pread(descriptor: int, size: int, start: int) -> bytes:
        """At most ``size`` bytes from a place in a file; moves the place where others read."""
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, size)

    def pwrite(descriptor: int, data: bytes, start: int) -> int:
        """Write at a place in a file; how many bytes were. Moves the place where others write."""
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.write(descriptor, data)

    def send_file(_to: int, _descriptor: int, _start: int, _size: int) -> int:
        raise OSError("Windows has no sendfile.")

    def do_not_wait(_descriptor: int) -> None:
        raise OSError("Pipes of Windows wait.")

    def unix_socket() -> socket.socket:
        raise OSError("Python has no Unix sockets on Windows.")

    async def unix_server(_connected: Connected, _path: str) -> asyncio.Server:
        raise OSError("Python has no Unix sockets on Windows.")

    def apart(_passed: Sequence[int] = ()) -> dict[str, Any]:
        """Options of a process that signals of this one's terminal do not reach."""
        import subprocess

        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}

    def signal_group(pid: int, number: int) -> None:
        """Signal a process. ASK reaches what it has started too; what KILL leaves, its job ends."""
        with contextlib.suppress(OSError):
            os.kill(pid, number)

    def end_left_behind(_pid: int) -> None:
        """End what a process that has ended has started: its job does so."""

    def job(pid: int) -> Job | None:
        """What ends a process, with all it will have started, when it is closed or this process
        ends.
        """
        from .windows import Job

        with contextlib.suppress(OSError):  # it has ended already
            return Job(pid)
        return None

    def is_ours(_found: os.stat_result) -> bool:
        """Whether a file is this user's; Windows does not say."""
        return False

    def lock(descriptor: int, wait: bool) -> None:
        """Hold a file alone until it is closed. Raises BlockingIOError where another does and
        ``wait`` is False.
        """
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if not wait:
                raise BlockingIOError(error.errno, error.strerror) from None
            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def terminal() -> str:
        """The device that this process reads from, where that is a terminal."""
        return ""

    def memory(_pid: int) -> int | None:
        """Resident bytes of a process, None where the system does not say."""
        return None

    def age(_pid: int) -> float | None:
        """Seconds since a process was started, None where the system does not say."""
        return None

else:
    import fcntl

    IS_WINDOWS = False
    #: For ``os.open``: refuse a symbolic link.
    NO_LINK = os.O_NOFOLLOW
    #: For ``os.open``: read, and wait for no FIFO.
    READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    #: The signal that asks a process to end.
    ASK: int = signal.SIGTERM
    #: The signal that no process can refuse.
    KILL: int = signal.SIGKILL
    #: Whether a process can be given a listening socket as its descriptor 0.
    PASSES_SOCKETS = True
    #: Where an environment has its programs, and how their names end.
    PROGRAMS, EXE = "bin", ""
    #: Whether ``send_file`` can be called.
    CAN_SEND_FILES = hasattr(os, "sendfile")

    pread = os.pread
    pwrite = os.pwrite

    def send_file(to: int, descriptor: int, start: int, size: int) -> int:
        """Let the kernel copy a part of a file to a socket; how many bytes it took."""
        return os.sendfile(to, descriptor, start, size)

    def do_not_wait(descriptor: int) -> None:
        """From now on, reading and writing raise BlockingIOError instead of waiting."""
        os.set_blocking(descriptor, False)

    def unix_socket() -> socket.socket:
        """A socket that a path will name."""
        import socket

        return socket.socket(socket.AF_UNIX)

    async def unix_server(connected: Connected, path: str) -> asyncio.Server:
        """A server at a path."""
        import asyncio

        return await asyncio.start_unix_server(connected, path)

    def apart(passed: Sequence[int] = ()) -> dict[str, Any]:
        """Options of a process that leads a group of its own, and gets these descriptors."""
        return {"start_new_session": True, "pass_fds": tuple(passed)}

    def signal_group(pid: int, number: int) -> None:
        """Signal the group of a process, so that all it has started ends with it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)

    def end_left_behind(pid: int) -> None:
        """End what is left of the group of a process that has ended."""
        signal_group(pid, KILL)

    def job(_pid: int) -> Job | None:
        """None: groups and lifelines do what Job Objects do on Windows."""
        return None

    def is_ours(found: os.stat_result) -> bool:
        """Whether a file is this user's."""
        return found.st_uid == os.getuid()

    def lock(descriptor: int, wait: bool) -> None:
        """Hold a file alone until it is closed. Raises BlockingIOError where another does and
        ``wait`` is False.
        """
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

    def terminal() -> str:
        """The device that this process reads from, where that is a terminal."""
        try:
            return os.ttyname(0) if os.isatty(0) and os.isatty(1) else ""
        except OSError:
            return ""

    def memory(pid: int) -> int | None:
        """Resident bytes of a process, None where the system does not say (Linux does)."""
        try:
            pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return None
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def age(pid: int) -> float | None:
        """Seconds since a process was started, None where the system does not say (Linux does)."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        now: float = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME"))  # noqa: B009 macOS
        return round(max(0.0, now - started), 1)
