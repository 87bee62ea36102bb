"""The worker processes of a site as they are now."""

from __future__ import annotations

from typing import TypedDict

from .. import posix
from ..fastcgi.process import WorkerProcess
from ..server.fastcgi import FastCgi


class Worker(TypedDict):
    """A process. ``age`` in seconds and ``memory`` in bytes, None where the system does not say."""

    pid: int
    application: str
    program: str
    state: str
    requests: int
    age: float | None
    memory: int | None
    last_output: str | None


def workers(fastcgi: FastCgi) -> list[Worker]:
    """Every process of every pool, by its number."""
    found = [
        _worker(worker, url, processor)
        for (processor, url), pool in fastcgi.applications.items()
        for worker in pool.processes
        if worker.pid
    ]
    return sorted(found, key=lambda worker: worker["pid"])


def _worker(worker: WorkerProcess, url: str, processor: str) -> Worker:
    return {
        "pid": worker.pid,
        "application": url or "/",
        "program": processor,
        "state": worker.state.value,
        "requests": worker.requests,
        "age": posix.age(worker.pid),
        "memory": posix.memory(worker.pid),
        "last_output": worker.lines[-1] if worker.lines else None,
    }


def restart(fastcgi: FastCgi, pid: int) -> bool:
    """Replace a process; False where there is none of this number that serves."""
    return any(pool.replace(pid) for pool in fastcgi.applications.values())
