"""The worker processes of a site as they are now."""

from __future__ import annotations

from typing import TypedDict

from .. import posix
from ..fastcgi.process import ProcessState, WorkerProcess
from ..server.app import Server
from ..server.process_handlers.supervised_process import SupervisedProcess
from ..server.process_handlers.supervisor import Supervisor
from ..site import Site


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


def workers(server: Server) -> list[Worker]:
    """Every process of every pool and of httpPlatform and iisnode, by its number."""
    pooled = [
        _worker(worker, url, processor)
        for (processor, url), pool in server.fastcgi.applications.items()
        for worker in pool.processes
        if worker.pid
    ]
    supervised = [
        _supervised(process, server.site, supervisor)
        for supervisor in server.processes.supervisors
        for process in supervisor.alive
    ]
    return sorted([*pooled, *supervised], key=lambda worker: worker["pid"])


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


def _supervised(process: SupervisedProcess, site: Site, supervisor: Supervisor) -> Worker:
    urls = [one.url for one in site.layout.applications if one.path == supervisor.folder]
    state = ProcessState.BUSY if process.requests else ProcessState.IDLE
    return {
        "pid": process.pid,
        "application": (urls[0] if urls else "") or "/",
        "program": process.program,
        "state": state.value,
        "requests": process.answered,
        "age": posix.age(process.pid),
        "memory": posix.memory(process.pid),
        "last_output": process.lines[-1] if process.lines else None,
    }


async def restart(server: Server, pid: int) -> bool:
    """Replace a process; False where there is none of this number that serves."""
    if any(pool.replace(pid) for pool in server.fastcgi.applications.values()):
        return True
    for supervisor in server.processes.supervisors:
        for process in supervisor.alive:
            if process.pid == pid:
                await supervisor.replace(process)
                return True
    return False
