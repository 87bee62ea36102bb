"""The server of the live tests is the one that users' own tests get."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from fcgiemu.testing.server import READY_SECONDS, STOP_SECONDS, LiveServer
from fcgiemu.testing.server import Response as Answer

__all__ = ["READY_SECONDS", "STOP_SECONDS", "Answer", "LiveServer", "all_end", "eventually"]

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], seconds: float = READY_SECONDS) -> Found:
    """What ``look`` returns once that is true; where the time ends before, what it returned last."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


@contextmanager
def all_end(pids: str) -> Iterator[None]:
    """After the block these processes must have ended, whatever their parents are (Linux: pidfd)."""
    descriptors = [os.pidfd_open(int(pid)) for pid in pids.split()]
    try:
        yield
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], STOP_SECONDS)[0], "it outlived its server"
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
