"""The server's end of worker/lifeline.py: a pipe whose closing ends a process with all it has
started. On Windows a Job Object does so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import posix
from .worker import lifeline

if TYPE_CHECKING:
    from .windows import Job

_GUARD = str(Path(__file__).parent / "worker" / "guard.py")


def guarded(command: tuple[str, ...]) -> tuple[str, ...]:
    """A program that does not watch its lifeline, run by one that does: see worker/guard.py.
    Windows passes no lifeline on and needs no guard.
    """
    if posix.IS_WINDOWS:
        return command
    return (sys.executable, "-S", "-E", _GUARD, *command)


def end_with_starter() -> None:
    """Where the process that has started this one holds a lifeline of it: end with it, however
    it ends.
    """
    descriptor = lifeline.take()
    if descriptor is not None and not lifeline.hold(descriptor):
        lifeline.watch(descriptor)


class Lifeline:
    """For one process, which is to be started with ``environment`` and the descriptor ``theirs``
    passed on.
    """

    def __init__(self) -> None:
        self.theirs, ours = os.pipe()
        self._ours: int | None = ours
        self._job: Job | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {} if posix.IS_WINDOWS else {"FCGIEMU_LIFELINE": str(self.theirs)}

    def holds(self, pid: int) -> None:
        """The process has been started."""
        self._job = posix.job(pid)

    def passed(self) -> None:
        """The process has its end, or will never have it."""
        os.close(self.theirs)

    def cut(self) -> bool:
        """Let the process end. Returns whether that had not been done before."""
        if self._ours is None:
            return False
        os.close(self._ours)
        self._ours = None
        if self._job is not None:
            self._job.close()
        return True
