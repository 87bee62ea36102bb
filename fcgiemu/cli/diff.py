"""``fcgiemu diff``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SiteError
from ..version import DOCUMENTATION
from . import fail
from .log_options import Bar, log_options, options_of
from .shared_options import SitePath, format_option, log_option, urls_option
from .site_options import settings_of, site_options

if TYPE_CHECKING:
    from ..logs.comparison import Comparison

_USAGE = (
    "Give URLs, one a line: fcgiemu diff HEAD . --urls urls.txt; or a log: fcgiemu diff HEAD ."
    " --log u_ex261122.log"
)


@click.command(
    help=(
        "Say which URLs change destination from OLD to NEW: folders, web.config files or git"
        " revisions of a site. NEW is the current folder by default."
    )
)
@click.argument("versions", nargs=-1, metavar="OLD [NEW]")
@urls_option
@log_option
@click.option(
    "--site",
    type=SitePath(),
    default=".",
    show_default=True,
    help="The site that a web.config or a revision belongs to.",
)
@format_option("json", "junit", "html")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report there.",
)
@click.option(
    "--ignore-kind",
    "ignored",
    multiple=True,
    metavar="OLD:NEW",
    help="A kind of outcome that becomes another one is not a change, as fastcgi:httpPlatform.",
)
@click.option(
    "--part",
    metavar="K/N",
    help="Decide about the logs of one machine out of N, and write them down for --merge.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the part goes; part-K-of-N.json by default.",
)
@click.option(
    "--merge", is_flag=True, help="Report about parts: their files are named instead of versions."
)
@log_options
@site_options
def command(
    versions: tuple[str, ...],
    urls: tuple[Path, ...],
    logs: tuple[str, ...],
    site: Path,
    kind: str,
    as_json: bool,
    output: Path | None,
    ignored: tuple[str, ...],
    part: str | None,
    save: Path | None,
    merge: bool,
    jobs: int | None,
    memory: str,
    engine: str,
    dask: str | None,
    checkpoint: Path | None,
    log_encoding: str,
    **settings: Any,
) -> None:
    kind = "json" if as_json else kind
    from ..diff import report as changes
    from ..logs.comparison import merged

    try:
        if merge:
            comparison = merged([Path(name) for name in versions])
        else:
            given = settings_of(site, **settings)
            bar = Bar()
            options = replace(
                options_of(
                    jobs=jobs,
                    memory=memory,
                    engine=engine,
                    dask=dask,
                    checkpoint=checkpoint,
                    encoding=log_encoding,
                ),
                ignored=frozenset(map(_kinds, ignored)),
                part=_part(part),
                folders=(str(site.absolute()),) if given.providers else (),
                progress=bar,
            )
            if part is not None and save is None:
                save = Path("part-{}-of-{}.json".format(*options.part))
            with ExitStack() as stack:
                stack.enter_context(bar)
                sites = _sites(_two(versions), site, given, stack)
                comparison = _compare(sites, urls, logs, options, save)
        text = changes.FORMATS[kind](comparison)
        if output is not None:
            output.write_text(text + "\n", "utf-8")
        else:
            click.echo(text)
    except SiteError as error:
        fail(error, error.hint)
    except OSError as error:
        fail(error)
    if not comparison.complete:
        if checkpoint is not None:
            click.echo("fcgiemu: The same command goes on where this one has stopped.", err=True)
        sys.exit(130 if not merge else 2)
    sys.exit(1 if comparison.totals.changed else 0)


def _two(versions: tuple[str, ...]) -> tuple[str, str]:
    if not 1 <= len(versions) <= 2:
        raise click.UsageError("Name one version or two: fcgiemu diff HEAD . --urls urls.txt")
    return versions[0], versions[1] if len(versions) == 2 else "."


def _sites(versions: tuple[str, str], folder: Path, settings: Any, stack: ExitStack) -> list[Any]:
    from ..diff import compare as diff

    return [diff.open_version(text, folder, settings, stack) for text in versions]


def _compare(
    sites: list[Any],
    urls: tuple[Path, ...],
    logs: tuple[str, ...],
    options: Any,
    save: Path | None,
) -> Comparison:
    from ..diff import compare as diff
    from ..logs import run

    if bool(urls) == bool(logs):
        raise click.UsageError(_USAGE)
    if urls:
        return diff.compare(sites[0], sites[1], diff.from_urls(_lines(urls)), options.ignored)
    with run.place(options) as folder, run.together(options) as options:
        counted = run.count(logs, sites, folder, options)
        if counted.complete and not counted.facts.requests and options.part == (1, 1):
            _nothing(counted.facts.named())
        return run.decide(counted, sites[0], sites[1], options, save)


def _nothing(problems: Iterable[object]) -> None:
    """Nothing could be read, and there are reasons. Raises SiteError."""
    first = next(iter(problems), None)
    if first is not None:
        raise SiteError(
            f"There is no request in the log. {first}.", f"The formats: {DOCUMENTATION}logs.md."
        )


def _kinds(text: str) -> tuple[str, str]:
    old, colon, new = text.replace("->", ":").partition(":")
    if not (old.strip() and colon and new.strip()):
        raise SiteError(
            f"--ignore-kind {text} is not OLD:NEW.", "Write --ignore-kind fastcgi:httpPlatform."
        )
    return old.strip(), new.strip()


def _part(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    number, slash, parts = text.partition("/")
    if (
        not (slash and number.isdigit() and parts.isdigit())
        or not 1 <= int(number) <= int(parts) <= 10_000
    ):
        raise SiteError(f"--part {text} is not K/N.", "Write --part 3/16 for the third of sixteen.")
    return int(number), int(parts)


def _lines(files: tuple[Path, ...]) -> Iterator[str]:
    """The lines of all files."""
    for path in files:
        with click.open_file(str(path), "rb") as stream:
            for number, line in enumerate(stream):
                if number == 0 and (b"\0" in line or line.startswith(b"\x1f\x8b")):
                    raise SiteError(
                        f"{path} is not a text with one URL a line.",
                        f"A log, packed or not, goes to --log: --log {shlex.quote(str(path))}",
                    )
                yield line.decode("utf-8", "replace").removeprefix("\ufeff")
