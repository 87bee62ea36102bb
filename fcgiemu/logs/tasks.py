"""The two kinds of task: count some logs, decide a section. Each leaves one file, complete or not
at all.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import sys
import tempfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import SiteError, beside
from ..settings import Settings
from ..site import Site
from . import formats, store
from .deciding import Judge, Kinds, Stopped
from .entry import Wanted
from .line_counting import Tally
from .results import Section
from .sources import LogSource
from .workers import stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTask:
    """Logs to be counted into ``target``. ``memory`` in bytes."""

    sources: tuple[LogSource, ...]
    target: Path
    wanted: Wanted
    engine: str
    threads: int
    memory: int
    encoding: str

    @property
    def size(self) -> int:
        return sum(source.size for source in self.sources)


def count(task: CountTask) -> CountTask:
    """Count the logs of a task, if that is not done yet."""
    if task.target.exists():
        return task
    with tempfile.TemporaryDirectory(dir=task.target.parent, prefix="counting-") as folder:
        writer = store.Writer(task.target, task.memory // 4)
        tally = Tally(writer, task.wanted, task.encoding)
        engine = engine_of(task, Path(folder))
        try:
            for source in task.sources:
                formats.count(source, tally, engine)
            engine.hand_over(tally)
            writer.close(tally.facts)
        except BaseException:
            writer.discard()
            raise
        finally:
            engine.close()
    return task


def has_duckdb() -> bool:
    """Whether DuckDB is installed."""
    return importlib.util.find_spec("duckdb") is not None


def engine_of(task: CountTask, folder: Path) -> formats.Engine:
    """The engine that a task names. Raises SiteError."""
    if task.engine == "lines" or (task.engine == "auto" and not has_duckdb()):
        return formats.Lines()
    if not has_duckdb():
        raise SiteError("DuckDB is not installed.", f"Run: {beside('fcgiemu[logs]')}")
    from .duck import DuckDbEngine  # an extra

    return DuckDbEngine(task.threads, task.memory // 2, folder)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the site, so that another process can open it."""

    path: Path
    settings: Settings

    @classmethod
    def of(cls, site: Site) -> Version:
        """The version that ``site`` is."""
        return cls(site.path, site.settings)

    def open(self) -> Site:
        """The site. Raises SiteError."""
        return Site(self.path, self.settings)


def pickled(old: Site, new: Site, ignored: Kinds) -> bytes:
    """Both versions as bytes. Raises SiteError."""
    try:
        return pickle.dumps((Version.of(old), Version.of(new), ignored))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SiteError(
            f"The settings cannot be handed to other processes: {error}.",
            "Let --provider name a function of a module, or write --jobs 1.",
        ) from error


@lru_cache(maxsize=1)
def judge(versions: bytes, folders: tuple[str, ...], _mark: str) -> Judge:
    """The judge of both versions, made once a process and state of their files, which ``_mark``
    stands for. ``folders`` may hold modules of providers.
    """
    sys.path[:0] = folders
    try:
        old, new, ignored = pickle.loads(versions)
    finally:
        for folder in folders:
            sys.path.remove(folder)
    return Judge(old.open(), new.open(), ignored)


@dataclass(frozen=True, slots=True)
class DecideTask:
    """A section to be decided into ``target``."""

    versions: bytes
    folders: tuple[str, ...]
    counts: tuple[Path, ...]
    number: int
    target: Path


def decide(task: DecideTask) -> int:
    """Decide a section, if that is not done yet. Returns its requests, -1 where it was given up."""
    if task.target.exists():
        return read(task.target).requests
    counts = store.section(task.counts, task.number)
    try:
        found = judge(task.versions, task.folders, task.target.parent.name).section(
            counts, stopping
        )
    except Stopped:
        return -1
    write(task.target, found)
    return found.requests


def write(path: Path, section: Section) -> None:
    """Write a section, as a whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    partial.write_bytes(zlib.compress(json.dumps(section.as_json()).encode(), 1))
    os.replace(partial, path)


def read(path: Path) -> Section:
    """A section that was decided."""
    return Section.of_json(json.loads(zlib.decompress(path.read_bytes())))
