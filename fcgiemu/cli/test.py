"""``fcgiemu test``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import SiteError
from ..files import UNWATCHED, is_empty
from ..init.recognise import place_of_site
from . import fail
from .shared_options import SitePath, format_option
from .site_options import open_site, site_options

#: How a file of expectations beside a site is called.
PATTERN = "*.expect"


@click.command(
    help=(
        "Compare what IIS would do with the expectations in FILES (default: *.expect beside the"
        " site)."
    )
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--site",
    type=SitePath(),
    help="The site; by default the nearest folder with a web.config.",
)
@click.option(
    "--coverage",
    is_flag=True,
    help="Also tell which rules, conditions and handlers no expectation touches.",
)
@format_option("github", "json")
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit's XML as well."
)
@click.option(
    "--init", is_flag=True, help="Write a first file, site.expect, from the site's rules and files."
)
@click.option(
    "--from-log",
    "logs",
    multiple=True,
    metavar="FILE",
    help=(
        "Write log.expect, from what is asked most in a log (as diff --log takes it); may be"
        " repeated."
    ),
)
@click.option(
    "--top",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    metavar="N",
    help="How many URLs --from-log takes.",
)
@site_options
def command(
    files: tuple[Path, ...],
    site: Path | None,
    coverage: bool,
    kind: str,
    as_json: bool,
    junit: Path | None,
    init: bool,
    logs: tuple[str, ...],
    top: int,
    **settings: Any,
) -> None:
    kind = "json" if as_json else kind
    from ..testing import report
    from ..testing.client import Client
    from ..testing.coverage import Coverage, first_file
    from ..testing.expectations import BadExpectation, judge, read

    try:
        folder = site or _site_of(files[0] if files else Path())
        opened = open_site(folder, **settings)
        if init:
            _something(folder)
            _write(folder / "site.expect", first_file(opened))
            return
        if logs:
            from ..testing.from_log import expectations as from_log

            _write(folder / "log.expect", from_log(opened, logs, top))
            return
        found = _expectations(files) if files else _beside(folder)
        expectations = [expectation for file in found for expectation in read(file)]
        if not expectations:
            raise SiteError(
                f"{', '.join(map(str, found))}: there is no expectation.",
                "Write one a line, such as: /old -> 301 /new",
            )
    except SiteError as error:
        fail(error, error.hint)
    except (BadExpectation, OSError, UnicodeDecodeError) as error:
        fail(error)
    results = list(judge(Client(opened).open, expectations))
    covered = Coverage(opened)
    for result in results:
        covered.add(result.answer)
    click.echo(report.FORMATS[kind](results), nl=bool(results))
    if coverage:
        click.echo(report.coverage(covered), err=kind == "json")
    if junit is not None:
        try:
            junit.write_text(report.junit(results), "utf-8")
        except OSError as error:
            fail(error)
    sys.exit(1 if any(result.differences for result in results) else 0)


def _beside(folder: Path) -> list[Path]:
    """The files of expectations in the site's own folder. Raises SiteError."""
    found = sorted(folder.glob(PATTERN))
    if not found:
        raise _without_expectations(folder, folder)
    return found


def _without_expectations(place: Path, site: Path) -> SiteError:
    command = f"fcgiemu test --init --site {shlex.quote(str(site))}"
    return SiteError(f"There is no {PATTERN} in {place}.", f"Write one. Run: {command}")


def _something(folder: Path) -> None:
    """Raises SiteError for an empty folder: nothing can be expected of it."""
    if folder.is_dir() and is_empty(folder):
        raise SiteError(
            f"{folder} is empty: there is nothing to expect of it.",
            "Put the files of the site there first, or name another folder with --site.",
        )


def _expectations(places: tuple[Path, ...]) -> list[Path]:
    """The files of expectations: those named, and all below the folders named. Raises SiteError."""
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue
        below = [
            path
            for path in sorted(place.rglob(PATTERN))
            if path.is_file() and not UNWATCHED.intersection(path.relative_to(place).parts)
        ]
        if not below:
            raise _without_expectations(place, _site_of(place))
        found += below
    return found


def _site_of(path: Path) -> Path:
    """The nearest folder from ``path`` up that holds a web.config. Raises SiteError."""
    start = path.absolute()
    if not start.exists():
        raise SiteError(
            f"There is no file {path}.", "Name a file of expectations, or a folder of them."
        )
    for folder in (start, *start.parents):
        if folder.is_dir() and any(
            entry.name.lower() == "web.config" for entry in folder.iterdir()
        ):
            return folder
    place = start if start.is_dir() else start.parent
    _something(place)
    known = place_of_site(place)
    init = f" Or write one. Run: fcgiemu init {shlex.quote(str(known))}" if known else ""
    raise SiteError(
        f"There is no web.config in {place}, nor above it.", f"Name the site with --site.{init}"
    )


def _write(path: Path, text: str) -> None:
    """A new file. Raises SiteError where there is one."""
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise SiteError(f"{path} exists already.", "Remove it, or edit it by hand.") from None
    click.echo(f"wrote {path}")
