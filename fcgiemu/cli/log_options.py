"""Options of commands that read logs, and their progress on a terminal."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SiteError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..logs.run import Options

_OPTIONS = (
    click.option(
        "--jobs",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="Processes; one a core by default.",
    ),
    click.option(
        "--memory",
        default="1GB",
        show_default=True,
        metavar="SIZE",
        help="What counting may use in all.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["auto", "duckdb", "lines"]),
        default="auto",
        show_default=True,
        help="What counts: DuckDB where it is installed, or plain Python.",
    ),
    click.option(
        "--dask",
        metavar="ADDRESS",
        help="Let Dask's workers do it: 'local', or a scheduler as tcp://host:8786.",
    ),
    click.option(
        "--checkpoint",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Keep what is done there, so that a stopped run goes on; all workers must see it.",
    ),
    click.option(
        "--log-encoding",
        default="cp1252",
        show_default=True,
        metavar="NAME",
        help="The encoding of lines that are not UTF-8.",
    ),
)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def options_of(
    *,
    jobs: int | None,
    memory: str,
    encoding: str,
    dask: str | None,
    checkpoint: Path | None,
    engine: str,
) -> Options:
    """The options for logs. Raises SiteError."""
    from ..logs.run import Options

    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise SiteError(
            f"--log-encoding {encoding} is not an encoding.", "Write for example cp1251."
        ) from error
    if dask not in (None, "local") and checkpoint is None:
        raise SiteError(
            "Workers on other machines need a folder that all of them see.",
            "Name it with --checkpoint DIR.",
        )
    return Options(
        jobs=jobs or os.cpu_count() or 1,
        memory=_bytes(memory),
        encoding=encoding,
        dask=dask,
        checkpoint=checkpoint,
        engine=engine,
    )


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(?i)(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", text.strip())
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size < 64 * _UNITS["M"]:
        raise SiteError(f"--memory {text} is not a size of 64 MB or more.", "Write --memory 2GB.")
    return size


class Bar:
    """Progress with rate and remaining time, on a terminal only."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            self._progress = _progress()
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, what: str, done: int, whole: int) -> None:
        """Some more is done."""
        if self._progress is None:
            return
        if what not in self._tasks:
            unit = "MB" if what == "counting" else "requests"
            self._tasks[what] = self._progress.add_task(what, total=whole or None, unit=unit)
        self._progress.advance(self._tasks[what], done)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Done, and how much a second."""

        def render(self, task: Task) -> Text:
            by_bytes = task.fields["unit"] == "MB"
            unit = 1e6 if by_bytes else 1
            speed = (task.finished_speed or task.speed or 0) / unit
            return Text(f"{task.completed / unit:,.0f} {task.fields['unit']}, {speed:,.0f}/s")

    return Progress(
        "{task.description}",
        BarColumn(),
        "{task.percentage:>3.0f} %",
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
