"""``fcgiemu freb``: genuine failed-request traces, shown, listed, and compared with a site."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import SiteError
from ..freb import listing, trace_masking, trace_text
from ..freb.model import FrebTrace, TraceError
from ..http.url import UrlRefused
from ..parity import cases, findings, trace_replay
from ..rewrite.pattern import compile_matcher
from ..rewrite.regex import PatternError, TooComplex
from . import fail
from .shared_options import SitePath, json_option
from .site_options import open_site, site_options


@click.command(
    help=(
        "Show failed-request traces of IIS: the story of one, a list of many. PATH is a file, a"
        " folder such as FailedReqLogFiles or LogFiles, or a zip."
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@json_option
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one self-contained page.",
)
@click.option("--all", "every", is_flag=True, help="Every event on its own line.")
@click.option("--story", "stories", is_flag=True, help="The story of each trace, not a list.")
@click.option(
    "--sort", type=click.Choice(listing.SORTS), default="file", show_default=True, help="Order."
)
@click.option("--status", metavar="N", help="Only traces of this status, such as 404 or 404.7.")
@click.option("--url", metavar="TEXT", help="Only traces whose URL holds this text.")
@click.option(
    "--failed-in", "module", metavar="TEXT", help="Only traces that failed in such a module."
)
@click.option(
    "--site",
    type=SitePath(),
    metavar="SITE",
    help="Run each request here, and show the first event that differs.",
)
@click.option(
    "--expect",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Add what the server did to a file for fcgiemu test.",
)
@click.option(
    "--case",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --site: write the first difference for a bug report, without secrets.",
)
@site_options
def command(
    paths: tuple[Path, ...],
    as_json: bool,
    html: Path | None,
    every: bool,
    stories: bool,
    sort: str,
    status: str | None,
    url: str | None,
    module: str | None,
    site: Path | None,
    expect: Path | None,
    case: Path | None,
    **settings: Any,
) -> None:
    if case is not None and site is None:
        raise click.UsageError("--case needs --site SITE.")
    several = len(paths) > 1 or listing.is_several(paths[0])
    errors: list[TraceError] = []
    found: list[FrebTrace] = []
    rows: list[listing.TraceSummary] = []
    keep = not several or stories or any(one is not None for one in (html, site, expect))
    for trace in listing.traces(paths):
        if isinstance(trace, TraceError):
            errors.append(trace)
            continue
        row = listing.summary(trace)
        if _wanted(row, status, url, module):
            rows.append(row)
            if keep:
                found.append(trace)
    if errors and not rows:
        fail(errors[0], errors[0].hint)
    found = _sorted(found, rows, sort) if keep else found
    differs = False
    if expect is not None:
        _add_expectations(expect, found)
    if site is not None:
        differs = _compare(site, settings, found, as_json, case)
    elif html is not None:
        _write_page(html, found, sort, errors)
    elif keep and expect is None:
        _show(found, as_json, every)
    elif expect is None:
        _list(listing.ordered(rows, sort), as_json)
    for error in errors:
        click.echo(f"fcgiemu: {error} {error.hint}".rstrip(), err=True)
    sys.exit(2 if errors else 1 if differs else 0)


def _wanted(
    row: listing.TraceSummary, status: str | None, url: str | None, module: str | None
) -> bool:
    return (
        (status is None or status in (row.status, row.status.partition(".")[0]))
        and (url is None or url.lower() in row.url.lower())
        and (module is None or module.lower() in row.module.lower())
    )


def _sorted(found: list[FrebTrace], rows: list[listing.TraceSummary], sort: str) -> list[FrebTrace]:
    order = {row.source: place for place, row in enumerate(listing.ordered(rows, sort))}
    return sorted(found, key=lambda trace: order[trace.source])


def _show(found: list[FrebTrace], as_json: bool, every: bool) -> None:
    if as_json:
        answers = [trace_text.as_json(trace) for trace in found]
        click.echo(json.dumps(answers[0] if len(answers) == 1 else answers, indent=1))
        return
    for position, trace in enumerate(found):
        if position:
            click.echo()
        click.echo(_coloured(trace, every))


#: Role of a line -> how click shows it on a terminal.
_STYLES: dict[str, dict[str, Any]] = {
    "request": {"bold": True},
    "rule": {"bold": True},
    "yes": {"fg": "green"},
    "no": {"dim": True},
    "action": {"fg": "blue"},
    "warning": {"fg": "yellow"},
    "error": {"fg": "red"},
}


def _coloured(trace: FrebTrace, every: bool) -> str:
    shown = trace_text.timed(trace, trace_text.lines(trace, every=every))
    return "\n".join(
        "  " * line.depth + when + click.style(line.text, **_STYLES.get(line.role, {}))
        for line, when in shown
    )


def _list(rows: list[listing.TraceSummary], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], indent=1))
    elif rows:
        click.echo(listing.table(rows))
    else:
        click.echo("No trace was found.")


def _write_page(path: Path, found: list[FrebTrace], sort: str, errors: list[TraceError]) -> None:
    from ..freb.page import page

    try:
        path.write_bytes(page(found, sort, errors, _captures))
    except OSError as error:
        fail(error)
    click.echo(f"wrote {path}")


def _add_expectations(path: Path, found: list[FrebTrace]) -> None:
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.writelines(findings.expectation(trace) for trace in found)
    except (OSError, TraceError) as error:
        fail(error)
    click.echo(f"wrote {path}", err=True)


def _compare(
    path: Path,
    settings: dict[str, Any],
    found: list[FrebTrace],
    as_json: bool,
    case: Path | None,
) -> bool:
    """Compare each trace with the site; whether any differs."""
    try:
        site = open_site(path, **settings)
        results = [(trace, trace_replay.compare(trace, site)) for trace in found]
    except SiteError as error:
        fail(error, error.hint)
    except UrlRefused as error:
        fail(error)
    if as_json:
        answers = [{"file": trace.source, **trace_replay.as_json(one)} for trace, one in results]
        click.echo(json.dumps(answers[0] if len(answers) == 1 else answers, indent=1))
    else:
        for trace, one in results:
            click.echo(f"{trace.source}: {trace_text.headline(trace_masking.masked(trace))}")
            click.echo(textwrap.indent(trace_replay.text(one), "  "))
    different = [(trace, one) for trace, one in results if one.difference is not None]
    if case is not None and different:
        trace, one = different[0]
        try:
            cases.write(case, findings.case(trace, one, site))
        except OSError as error:
            fail(error)
        click.echo(f"wrote {case}", err=True)
    return bool(different)


def _captures(pattern: str, text: str) -> Sequence[str] | None:
    """What a pattern of a trace captures: there is one syntax that has captures."""
    try:
        return compile_matcher(pattern, "ECMAScript", True)(text)
    except (PatternError, TooComplex):
        return None
