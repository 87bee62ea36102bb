"""A whole run: count, then decide, by as many workers as there are."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..site import Site
from . import fingerprint, store, tasks
from .comparison import Comparison, Part, of_sections, write_part
from .deciding import Kinds
from .inputs import Inputs, inputs
from .results import Section
from .sources import STDIN, LogSource, is_url, listed, look_alike, share
from .store import SECTIONS, Facts
from .tasks import CountTask, DecideTask
from .workers import Here, KeptWorkers, Workers, require_dask, workers

#: Logs are counted together up to this many bytes of text, so that there are not too many files.
_GROUP = 256 << 20
#: How much text a packed byte stands for, roughly.
_PACKED = 10
_PACKED_NAMES = (".gz", ".zip", ".zst", ".bz2", ".xz")
#: Less than this is not worth the start of processes: bytes of text, different requests.
SMALL_TEXT = 16 << 20
SMALL_COUNTS = 5_000

#: Told of progress: what is done (``counting``, ``deciding``), how much now, of how much.
Progress = Callable[[str, int, int], None]


def _quiet(_what: str, _done: int, _whole: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a run is done; nothing of it but ``encoding`` and ``ignored`` changes its result.

    ``jobs`` processes (default: one a core), ``memory`` in bytes for all of them, ``engine``
    ``auto``, ``duckdb`` or ``lines``, ``dask`` ``local`` or an address, ``checkpoint`` a folder
    that keeps what is done, ``part`` which part of how many.
    """

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory: int = 1 << 30
    engine: str = "auto"
    encoding: str = "cp1252"
    dask: str | None = None
    checkpoint: Path | None = None
    part: tuple[int, int] = (1, 1)
    ignored: Kinds = frozenset()
    #: Folders with modules that ``providers`` of the settings come from.
    folders: tuple[str, ...] = ()
    small_text: int = SMALL_TEXT
    small_counts: int = SMALL_COUNTS
    progress: Progress = _quiet
    #: Workers that several steps share: see ``together``.
    kept: KeptWorkers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Counts of logs in ``folder``; ``paths`` are complete."""

    folder: Path
    paths: tuple[Path, ...]
    facts: Facts
    inputs: Inputs
    notes: tuple[str, ...] = ()
    rows: int = 0
    complete: bool = True
    fingerprint: str = ""


@contextmanager
def place(options: Options) -> Iterator[Path]:
    """The folder for what is done: the one of the options, else one that is removed at the end."""
    if options.checkpoint is not None:
        options.checkpoint.mkdir(parents=True, exist_ok=True)
        yield options.checkpoint.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="fcgiemu-logs-") as folder:
        yield Path(folder)


@contextmanager
def together(options: Options) -> Iterator[Options]:
    """Options with which counting and deciding have the same workers, started once. Raises
    SiteError.
    """
    if options.dask is not None:
        require_dask()
    kept = KeptWorkers(lambda: workers(options.jobs, options.dask))
    try:
        yield replace(options, kept=kept)
    finally:
        kept.end()


@contextmanager
def _workers(options: Options, is_small: bool) -> Iterator[Workers]:
    chosen: Workers = Here()
    if not is_small or options.dask is not None:
        chosen = options.kept or workers(options.jobs, options.dask)
    with closing(chosen):
        yield chosen


@contextmanager
def _counters(options: Options, is_small: bool, number: int) -> Iterator[Workers]:
    """Who counts a number of logs: a single one this process, while a local cluster starts."""
    if number > 1 or options.dask != "local":
        with _workers(options, is_small) as chosen:
            yield chosen
        return
    if options.kept is not None:
        options.kept.begin()
    yield Here()


# -- counting --------------------------------------------------------------------------------------


def count(names: Iterable[str], sites: Iterable[Site], folder: Path, options: Options) -> Counted:
    """Count the requests of logs as far as ``sites`` can tell them apart.

    ``names`` are files, folders, patterns, URLs, or ``-``. What is in ``folder`` already is not
    counted again. After Ctrl-C the counts are those that are complete. Raises SiteError.
    """
    return count_by(names, inputs(sites), folder, options)


def count_by(names: Iterable[str], columns_read: Inputs, folder: Path, options: Options) -> Counted:
    """Count the requests of logs as far as the columns of ``asked`` tell them apart. Raises
    SiteError.
    """
    found = listed(names)
    chosen = share(found, *options.part) if options.part != (1, 1) else found
    mark = fingerprint.of_logs(chosen, columns_read.wanted, options.encoding)
    target = folder / f"counts-{mark}"
    target.mkdir(parents=True, exist_ok=True)
    wanted = _count_tasks(chosen, target, columns_read, options)
    complete = _count_all(wanted, options)
    facts, rows = Facts(), 0
    paths = tuple(task.target for task in wanted if task.target.exists())
    for path in paths:
        own, number = store.facts_of(path)
        facts.add(own)
        rows += number
    notes = tuple(f"{name} is there packed as well: both are counted" for name in look_alike(found))
    whole = fingerprint.of_all_logs(found, columns_read.wanted, options.encoding)
    return Counted(
        folder=folder,
        paths=paths,
        facts=facts,
        inputs=columns_read,
        notes=notes,
        rows=rows,
        complete=complete,
        fingerprint=f"{mark} {whole}",
    )


def _weight(source: LogSource) -> int:
    packed = source.name.lower().endswith(_PACKED_NAMES)
    return source.size * (_PACKED if packed else 1)


def _groups(sources: Iterable[LogSource]) -> list[tuple[LogSource, ...]]:
    """Sources that are counted together: the same for any number of workers."""
    groups: list[list[LogSource]] = []
    size = 0
    for source in sources:
        if not groups or size + _weight(source) > _GROUP or source.name == STDIN:
            groups.append([])
            size = 0
        groups[-1].append(source)
        size += _weight(source) if source.name != STDIN else _GROUP
    return [tuple(group) for group in groups]


def _count_tasks(
    sources: Iterable[LogSource], target: Path, columns_read: Inputs, options: Options
) -> list[CountTask]:
    groups = _groups(sources)
    side_by_side = max(1, min(options.jobs, len(groups)))
    return [
        CountTask(
            sources=group,
            target=target / f"{number}.sqlite",
            wanted=columns_read.wanted,
            engine=options.engine,
            threads=max(1, options.jobs // side_by_side),
            memory=options.memory // side_by_side,
            encoding=options.encoding,
        )
        for number, group in enumerate(groups)
    ]


def _count_all(wanted: list[CountTask], options: Options) -> bool:
    """Count what is not counted yet. Returns whether all is."""
    left = [task for task in wanted if not task.target.exists()]
    whole = sum(task.size for task in wanted)
    options.progress("counting", whole - sum(task.size for task in left), whole)
    here = [task for task in left if task.sources[0].name == STDIN]
    there = [task for task in left if task.sources[0].name != STDIN]
    weights = [_weight(source) for task in there for source in task.sources]
    is_small = len(there) < 2 or (
        sum(weights) < options.small_text
        and not any(is_url(source.name) for task in there for source in task.sources)
    )
    try:
        for task in map(tasks.count, here):
            options.progress("counting", task.size, whole)
        if there:
            with _counters(options, is_small, len(there)) as chosen:
                for task in chosen.run(tasks.count, there):
                    options.progress("counting", task.size, whole)
    except KeyboardInterrupt:
        return False
    for task in wanted[:1]:
        _remove_leftovers(task.target.parent)
    return True


def _remove_leftovers(folder: Path) -> None:
    """What runs that were ended have left beside the counts."""
    for path in (*folder.glob("*.tmp"), *folder.glob("counting-*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


# -- deciding --------------------------------------------------------------------------------------


def decide(
    counted: Counted, old: Site, new: Site, options: Options, save: Path | None = None
) -> Comparison:
    """Decide all counted requests at both versions; with ``save`` write the part for ``merge``.

    What has been decided before in the same folder is taken from there. After Ctrl-C the
    comparison is of what is decided, and not ``complete``. Raises SiteError.
    """
    versions = fingerprint.of_versions((old, new), options.ignored)
    own, _, whole = counted.fingerprint.partition(" ")
    target = counted.folder / f"decided-{own}-{versions}"
    target.mkdir(exist_ok=True)
    packed = tasks.pickled(old, new, options.ignored)
    wanted = [
        DecideTask(packed, options.folders, counted.paths, number, target / f"{number}.json")
        for number in range(SECTIONS)
    ]
    complete = counted.complete and _decide_all(wanted, counted, options)
    if not counted.complete:
        sections: list[Path] = []
    else:
        sections = [task.target for task in wanted if task.target.exists()]
    found = of_sections(map(tasks.read, sections), counted.facts, counted.inputs, new)
    found.notes += counted.notes
    found.complete = complete
    if save is not None:
        part = Part(*options.part, f"{whole} {versions}")
        write_part(save, part, found, map(_read_or_nothing, (task.target for task in wanted)))
    return found


def _read_or_nothing(path: Path) -> Section:
    return tasks.read(path) if path.exists() else Section()


def _decide_all(wanted: list[DecideTask], counted: Counted, options: Options) -> bool:
    """Decide what is not decided yet. Returns whether all is."""
    options.progress("deciding", 0, counted.facts.requests)
    complete = True
    try:
        with _workers(options, counted.rows < options.small_counts) as chosen:
            for requests in chosen.run(tasks.decide, wanted):
                options.progress("deciding", max(requests, 0), counted.facts.requests)
                complete = complete and requests >= 0
    except KeyboardInterrupt:
        return False
    return complete
