"""Who does the work: this process, others on this machine, or Dask's on any.

A task is a function of a module and an argument that can be pickled; results come as they are
ready. Tasks write what they find to files of their own, so nothing large travels.
"""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any, Protocol, TypeVar

from ..errors import SiteError, beside

T = TypeVar("T")
R = TypeVar("R")


class Workers(Protocol):
    """Runs tasks; closed when all is done, or given up."""

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]: ...
    def close(self) -> None: ...


class Here:
    """This process, one task after the other."""

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """The results in the order of the tasks."""
        return map(function, tasks)

    def close(self) -> None:
        """Nothing to end."""


_stop: Event | None = None


def stopping() -> bool:
    """Whether the process that has started this one wants it to give up."""
    return _stop is not None and _stop.is_set()


class Processes:
    """Processes of this machine, started afresh (spawn) as on every system."""

    def __init__(self, jobs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(jobs, context, _begin, (self._stop,))

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """The results as they are ready."""
        for future in as_completed([self._pool.submit(function, task) for task in tasks]):
            yield future.result()

    def close(self) -> None:
        """End the processes; what they are at is given up."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


def _begin(stop: Event) -> None:
    """In a new process: Ctrl-C is its parent's business, and it ends with its parent."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Thread(target=_end_when_told, args=(stop,), daemon=True).start()


#: How long a task that is to stop may take to do so, in seconds.
_GRACE = 2.0


def _end_when_told(stop: Event) -> None:
    stop.wait()
    time.sleep(_GRACE)
    os._exit(1)  # a task that asks nobody; what it has written counts only when it is complete


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def require_dask() -> None:
    """Raises SiteError where Dask is not installed."""
    if importlib.util.find_spec("distributed") is None:
        raise SiteError(
            "--dask needs Dask, which is not installed.", f"Run: {beside('fcgiemu[logs]')}"
        )


#: Of a worker, roughly: what a task costs the scheduler are milliseconds.
_TASKS_OF_EACH = 16


def _each(function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    return list(map(function, tasks))


#: Nobody looks at what a worker was doing a hundred times a second.
_WITHOUT_PROFILE = {"distributed.worker.profile.enabled": False}


class Dask:
    """Workers of Dask: of a cluster made here (``local``), or of a scheduler at an address."""

    def __init__(self, address: str, jobs: int) -> None:
        require_dask()
        distributed = importlib.import_module("distributed")
        self._as_completed: Callable[..., Iterator[Any]] = distributed.as_completed
        self._cluster: Any = None
        if address == "local":
            with importlib.import_module("dask").config.set(_WITHOUT_PROFILE):
                self._cluster = distributed.LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,  # what ends a task is raised here
                )
        try:
            self._client: Any = distributed.Client(self._cluster or address, timeout="15s")
        except (OSError, ValueError) as error:
            raise SiteError(
                f"There is no scheduler of Dask at {address}: {error}.",
                "Start one with 'dask scheduler', or write --dask local.",
            ) from error

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """The results as they are ready."""
        size = max(1, len(tasks) // (_TASKS_OF_EACH * len(self._client.ncores()) or 1))
        several = [tasks[at : at + size] for at in range(0, len(tasks), size)]
        futures = self._client.map(partial(_each, function), several, pure=False)
        for _, results in self._as_completed(futures, with_results=True):
            yield from results

    def close(self) -> None:
        """End the client, and the cluster that was made here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class KeptWorkers:
    """Workers that are made when they are first needed, and serve until ``end``."""

    def __init__(self, make: Callable[[], Workers]) -> None:
        self._make = make
        self._made: Future[Workers] | None = None

    def begin(self) -> None:
        """Begin to make them, beside whatever else is done."""
        if self._made is None:
            starter = ThreadPoolExecutor(1)
            self._made = starter.submit(self._make)
            starter.shutdown(wait=False)

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """The results as they are ready. Raises what making them has raised."""
        self.begin()
        assert self._made is not None
        return self._made.result().run(function, tasks)

    def close(self) -> None:
        """Nothing: others need them."""

    def end(self) -> None:
        """End them."""
        if self._made is not None and self._made.exception() is None:
            self._made.result().close()


def workers(jobs: int, dask: str | None) -> Workers:
    """Those that the options name. Raises SiteError."""
    if dask is not None:
        return Dask(dask, jobs)
    return Processes(jobs) if jobs > 1 else Here()
