"""``fcgiemu diff``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ..errors import SiteError
from . import fail
from .options import settings_of, site_options


@click.command(
    help=(
        "Say which URLs change destination from OLD to NEW: folders, web.config files or git"
        " revisions of a site."
    )
)
@click.argument("old")
@click.argument("new", default=".")
@click.option(
    "--urls",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="One URL a line; - = standard input.",
)
@click.option(
    "--log",
    "logs",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="IIS's W3C log; may be repeated.",
)
@click.option(
    "--site",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="The site that a web.config or a revision belongs to.",
)
@click.option(
    "--format", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@site_options
def command(
    old: str,
    new: str,
    urls: tuple[Path, ...],
    logs: tuple[Path, ...],
    site: Path,
    kind: str,
    **settings: Any,
) -> None:
    from ..diff import compare as diff
    from ..diff import report as changes

    if bool(urls) == bool(logs):
        raise click.UsageError("Give either --urls FILE or --log FILE.")
    report = diff.Report()
    try:
        with ExitStack() as stack:
            given = settings_of(site, **settings)
            sites = [diff.open_version(text, site, given, stack) for text in (old, new)]
            lines = _lines(urls or logs)
            requests = diff.from_urls(lines) if urls else diff.from_log(lines, report)
            diff.compare(sites[0], sites[1], requests, report)
    except SiteError as error:
        fail(error, error.hint)
    except OSError as error:
        fail(error)
    click.echo(
        json.dumps(changes.as_json(report), indent=1) if kind == "json" else changes.text(report)
    )
    sys.exit(1 if report.changed else 0)


def _lines(files: tuple[Path, ...]) -> Iterator[str]:
    """The lines of all files, with a progress bar on a terminal."""
    sizes = [os.path.getsize(path) if str(path) != "-" else 0 for path in files]
    with click.progressbar(
        length=sum(sizes), file=sys.stderr, label="reading", hidden=not sys.stderr.isatty()
    ) as bar:
        for path in files:
            with click.open_file(str(path), "rb") as stream:
                read = 0
                for line in stream:
                    read += len(line)
                    if read > 1 << 20:
                        bar.update(read)
                        read = 0
                    yield line.decode("utf-8", "replace").removeprefix("\ufeff")
                bar.update(read)
