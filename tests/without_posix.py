"""This interpreter as it would be on Windows, as far as Python's own names go: what Windows lacks is
removed, then a module runs; without one, the tests of what works there (``make test-as-windows``).

    python -m tests.without_posix
    python -m tests.without_posix fcgiemu explain samples/flask /
    python -m tests.without_posix pytest -p no:cacheprovider tests/unit/test_explain.py
    python -m tests.without_posix fcgiemu serve samples/flask

A server runs over TCP as it would there, with Job Objects of a kernel32 of our own.

The standard library and other people's packages are imported first: they have their own code for
Windows, which cannot run here. So this shows that nothing of ours names what Windows lacks. Paths
stay those of this system.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
from functools import partial
from pathlib import Path
from typing import Any

#: What our code may use of other packages, and they of the names below at import.
FIRST = (
    "asyncio concurrent.futures multiprocessing.pool pathlib sqlite3 ssl tarfile zipfile "
    "click.testing click._termui_impl rich.console rich.progress lxml.html jinja2 httpx httptools "
    "watchdog.observers werkzeug.http cryptography.x509 duckdb dask.distributed pytest _pytest.pathlib "
    "_pytest.pytester hypothesis.extra.pytestplugin xdist"
).split()

MODULES = "fcntl grp posix pty pwd resource spwd syslog termios tty uvloop".split()
NAMES = {
    os: (
        "EX_OK O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK P_ALL P_PID WEXITED WEXITSTATUS"
        " WIFEXITED WIFSIGNALED WNOHANG WTERMSIG chown chroot confstr ctermid fchmod fchown fork"
        " forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getresuid"
        " getsid getuid killpg lchown mkfifo mknod nice openpty pathconf pidfd_open posix_spawn"
        " pread preadv pwrite pwritev register_at_fork sched_getaffinity sendfile set_blocking"
        " setegid seteuid setgid setpgid setsid setuid splice statvfs sync sysconf tcgetpgrp ttyname"
        " uname wait wait3 wait4 waitid"
    ),
    signal: (
        "ITIMER_REAL SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1"
        " SIGUSR2 SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm pause pthread_kill pthread_sigmask"
        " setitimer siginterrupt sigpending sigwait sigwaitinfo sigtimedwait"
    ),
    socket: "AF_UNIX CMSG_LEN SCM_RIGHTS recv_fds send_fds",
}

#: pytest's arguments for what works on Windows: every command but ``serve`` (see tests/live/test_windows.py), and ``iis_site``.
JOB = ["pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/cases"] + [
    f"tests/unit/test_{name}.py"
    for name in (
        "applications check config diff error_pages explain freb freb_translate grammar init kinder"
        " rule_index sending story testing windows_paths xdt xdt_site xdt_xpath"
    ).split()
]


#: What the event loop of this system and ``subprocess`` look up while they run; Windows has others.
WHILE_SERVING = {"os": {"WNOHANG", "pidfd_open", "set_blocking"}, "signal": {"SIGCHLD", "SIGKILL"}}


class Kernel32:
    """Job Objects over the processes of this system, as far as windows.py asks for them."""

    def __init__(self, *_: object, **__: object) -> None:
        self.jobs: dict[int, set[int]] = {}
        self.limits: dict[int, int] = {}
        self._handles = 0x7FFF_0000_0000

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(type(self), f"_{name}"), self)

    def _CreateJobObjectW(self, _attributes: None, _name: None) -> int:
        self._handles += 4
        self.jobs[self._handles] = set()
        return self._handles

    def _SetInformationJobObject(self, job: Any, kind: Any, information: Any, size: Any) -> int:
        self.limits[job.value] = information._obj.basic.limit_flags
        return int(kind.value == 9 and size.value == ctypes.sizeof(information._obj))

    def _OpenProcess(self, _access: Any, _inherit: Any, pid: Any) -> int:
        return int(pid.value) if Path(f"/proc/{pid.value}").exists() else 0

    def _AssignProcessToJobObject(self, job: Any, process: Any) -> int:
        self.jobs[job.value].add(process.value)
        return 1

    def _CloseHandle(self, handle: Any) -> int:
        for pid in self.jobs.pop(handle.value, ()):
            for member in _descendants(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, 9)
        return 1


def _end_with(lifeline: int) -> None:
    """End where the process has gone that holds the other end, which Windows would do by a job."""
    os.read(lifeline, 1)
    os._exit(1)


def _not_there(*_: object) -> None:
    raise NotImplementedError


def _descendants(pid: int) -> list[int]:
    """A process and what it has started."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _descendants(int(child))
    return found


def become_windows(*, serving: bool = False) -> None:
    """Take away what Windows lacks, and add the names that Python has there alone."""
    for name in FIRST:
        importlib.import_module(name)
    tempfile.gettempdir()
    if lifeline := os.environ.pop("FCGIEMU_LIFELINE", ""):
        threading.Thread(target=_end_with, args=(int(lifeline),), daemon=True).start()
    shutil._use_fd_functions = False  # type: ignore[attr-defined]  # as on Windows
    socket.socketpair = partial(socket.socketpair, socket.AF_UNIX)  # Windows has it over TCP
    sys.modules["msvcrt"] = types.ModuleType("msvcrt")
    subprocess.CREATE_NEW_PROCESS_GROUP = 0  # type: ignore[attr-defined]
    os.O_BINARY = os.O_NOINHERIT = 0  # type: ignore[attr-defined]
    signal.CTRL_BREAK_EVENT = signal.SIGTERM  # type: ignore[attr-defined]
    asyncio.SelectorEventLoop.add_signal_handler = _not_there  # type: ignore[method-assign]
    ctypes.WinDLL = Kernel32  # type: ignore[attr-defined]
    assert not [name for name in sys.modules if name.startswith("fcgiemu.")]
    before, sys.platform = sys.platform, "win32"
    posix = importlib.import_module("fcgiemu.posix")
    posix.PROGRAMS, posix.EXE = "bin", ""  # the environments here are those of this system
    sys.platform = before
    kept = WHILE_SERVING if serving else {}
    for module, names in NAMES.items():
        for name in set(names.split()) - kept.get(module.__name__, set()):
            vars(module).pop(name, None)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]


if __name__ == "__main__":
    module, *sys.argv[1:] = sys.argv[1:] or JOB
    become_windows(serving=not {"serve", "--run"}.isdisjoint(sys.argv))
    if module == "pytest":  # its plugin of ours is imported before it could rewrite asserts
        sys.argv += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
