"""``fcgiemu compare``: a deployed site and the same site here, asked the same."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..diff import compare as diff
from ..errors import SiteError
from ..logs.listing import requests
from ..parity import (
    accepted_differences,
    answer_differences,
    cases,
    comparing,
    crawling,
    requesting,
)
from ..parity.comparing import ChangedAnswer, Report
from ..parity.local_server import LocalSite
from ..parity.requesting import SAFE, Asker, LiveAnswer, Origin, Question
from ..site import Site
from . import fail
from .shared_options import SitePath, format_option, log_option, urls_option
from .site_options import open_site, site_options


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """Where the questions come from."""

    urls: tuple[Path, ...]
    logs: tuple[str, ...]
    crawl: int | None
    limit: int
    any_method: bool


@click.command(
    help=(
        "Ask the deployed site at URL and the local one in SITE the same, slowly, and say what"
        " differs: status, Location, headers, bodies, by rule."
    )
)
@click.argument("arguments", nargs=-1, required=True, metavar="[SITE] URL")
@urls_option
@log_option
@click.option("--crawl", type=click.IntRange(1), metavar="N", help="Follow links, N pages at most.")
@click.option("--limit", type=click.IntRange(1), default=500, show_default=True, help="Requests.")
@click.option(
    "--rate",
    type=click.FloatRange(0, 100, min_open=True),
    default=2.0,
    show_default=True,
    help="Requests a second to the deployed site; never two at a time.",
)
@click.option(
    "--headers",
    "secrets",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Cookies and authorization: 'Name: value' lines, sent to both sides.",
)
@click.option("--any-method", is_flag=True, help="Not only GET and HEAD; sent without a body.")
@click.option("--ignore-header", multiple=True, metavar="NAME", help="Leave a header out.")
@click.option(
    "--ignore-text", multiple=True, metavar="REGEX", help="Take such text out of bodies first."
)
@click.option("--insecure", is_flag=True, help="Accept any certificate of the deployed site.")
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Known differences, which are only counted.",
)
@click.option("--update-baseline", is_flag=True, help="Write what differs now into --baseline.")
@click.option(
    "--capture",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write each difference as a case file without secrets.",
)
@format_option("json")
@site_options
def command(
    arguments: tuple[str, ...],
    urls: tuple[Path, ...],
    logs: tuple[str, ...],
    crawl: int | None,
    limit: int,
    rate: float,
    secrets: Path | None,
    any_method: bool,
    ignore_header: tuple[str, ...],
    ignore_text: tuple[str, ...],
    insecure: bool,
    baseline: Path | None,
    update_baseline: bool,
    capture: Path | None,
    kind: str,
    as_json: bool,
    **settings: Any,
) -> None:
    kind = "json" if as_json else kind
    if len(arguments) > 2:
        raise click.UsageError("Too many arguments. Write: fcgiemu compare [SITE] URL")
    site = SitePath().convert(arguments[0] if len(arguments) == 2 else ".", None, None)
    url = arguments[-1]
    if (bool(urls), bool(logs), crawl is not None).count(True) != 1:
        raise click.UsageError("Give one of --urls FILE, --log FILE or --crawl N.")
    if update_baseline and baseline is None:
        raise click.UsageError("--update-baseline needs --baseline FILE.")
    given = _Input(urls=urls, logs=logs, crawl=crawl, limit=limit, any_method=any_method)
    masks = tuple(_mask(text) for text in ignore_text)
    try:
        where = requesting.origin(url)
        opened = open_site(site, **settings)
        report = comparing.Report(live=where.url, site=str(site))
        headers = requesting.secret_headers(secrets) if secrets else ()
        known = (
            accepted_differences.read(baseline) if baseline and not update_baseline else frozenset()
        )
        with ExitStack() as stack:
            running = stack.enter_context(
                LocalSite(site, _again(settings), where.scheme == "https")
            )
            here = requesting.origin(running.url)
            live = stack.enter_context(
                requesting.Asker(where, requesting.Pace(rate), headers, verify=not insecure)
            )
            local = stack.enter_context(
                requesting.Asker(here, None, headers, authority=where.authority, verify=False)
            )
            ignored = frozenset(name.lower() for name in ignore_header)
            policy = answer_differences.ComparisonPolicy(where, here, ignored=ignored, masks=masks)
            questions, learn = _questions(given, live, report)
            comparing.compare(
                opened,
                live,
                local,
                _shown(questions, report),
                report=report,
                policy=policy,
                baseline=known,
                learn=learn,
                capture=_capture(capture, opened, where) if capture else None,
            )
        if update_baseline and baseline is not None:
            accepted_differences.write(baseline, where.url, report.keys)
    except SiteError as error:
        fail(error, error.hint)
    except (OSError, UnicodeError) as error:
        fail(error)
    click.echo(
        json.dumps(comparing.as_json(report), indent=1)
        if kind == "json"
        else comparing.text(report)
    )
    if update_baseline:
        click.echo(f"wrote {baseline}", err=True)
    sys.exit(1 if report.differing and not update_baseline else 0)


def _mask(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise click.UsageError(
            f"--ignore-text {text!r} is not a regular expression: {error}."
        ) from None


def _again(settings: dict[str, Any]) -> list[str]:
    """The options of the site for another command."""
    names = {param.name: param.opts[0] for param in click.get_current_context().command.params}
    options: list[str] = []
    for name, value in settings.items():
        option = names[name]
        if value is True:
            options.append(option)
        elif isinstance(value, tuple):
            options += [word for one in value for word in (option, str(one))]
        elif value not in (False, None):
            options += [option, str(value)]
    return options


def _questions(
    given: _Input, live: Asker, report: Report
) -> tuple[Iterable[Question], Callable[[Question, LiveAnswer], None] | None]:
    """The questions, and who learns from their answers."""
    if given.crawl is not None:
        crawler = crawling.Crawler(live.where, given.crawl, crawling.robots(live))
        return crawler, crawler.learn
    found = _from_files(given, live.where, report)
    return requesting.unique(found, given.limit, report.left_out), None


def _from_files(given: _Input, where: Origin, report: Report) -> Iterator[Question]:
    """Questions of lists and logs; what is not asked is counted and said at the end."""
    methods: dict[str, int] = {}
    elsewhere = 0
    for host, question in _from_lists(given.urls) if given.urls else _from_logs(given, report):
        if question.method not in SAFE and not given.any_method:
            methods[question.method] = methods.get(question.method, 0) + 1
        elif given.urls and host not in ("localhost", where.host):
            elsewhere += 1
        else:
            yield question
    for method, count in sorted(methods.items()):
        report.left_out.append(
            f"{count} {method} requests were not sent; give --any-method to send them"
        )
    if elsewhere:
        report.left_out.append(f"{elsewhere} URLs of other hosts were not asked")


def _from_lists(paths: Iterable[Path]) -> Iterator[tuple[str, Question]]:
    for path in paths:
        with click.open_file(str(path), "rb") as stream:
            lines = (line.decode("utf-8", "replace").removeprefix("\ufeff") for line in stream)
            for asked in diff.from_urls(lines):
                yield asked.host, Question(asked.target, asked.method)


def _from_logs(given: _Input, report: Report) -> Iterator[tuple[str, Question]]:
    with requests(given.logs) as (asked, facts):
        for key, _ in asked:
            query = f"?{key.query}" if key.query else ""
            yield key.host, Question(key.target + query, key.method)
        if facts.skipped:
            report.left_out.append(f"{facts.skipped} lines of the log hold no request")


def _shown(questions: Iterable[Question], report: Report) -> Iterator[Question]:
    """The questions, with what is being asked on a terminal."""
    for question in questions:
        if sys.stderr.isatty():
            line = f"\r\x1b[K{report.asked + 1}  {question.method} {question.target}"[:120]
            click.echo(line, err=True, nl=False)
        yield question
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)


def _capture(folder: Path, site: Site, where: Origin) -> Callable[[ChangedAnswer], None]:
    """Writes cases as case-0001.json and so on, behind those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("case-*.json")))

    def write(found: ChangedAnswer) -> None:
        nonlocal number
        number += 1
        case = cases.of_comparison(found, site, where.url, where.host)
        cases.write(folder / f"case-{number:04}.json", case)

    return write
