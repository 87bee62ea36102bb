"""``fcgiemu check``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from .. import catalogue
from ..catalogue import page
from ..catalogue.values import Finding
from ..errors import SiteError
from . import fail
from .grammar import json_option, site_argument
from .options import open_site, site_options

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@click.command(
    help=(
        "Find what is wrong or surprising in the configuration of SITE. Exit status: 2 errors, 1"
        " warnings, else 0."
    )
)
@site_argument
@json_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json", "sarif", "github", "junit"]),
    default="text",
    show_default=True,
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="CODE",
    help="Leave a code out; may be repeated or a list with commas.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="CODE",
    help="Show a code only, or all that begin so; may be repeated or a list with commas.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Show only what FILE does not hold; where there is none, write what is found today to it.",
)
@click.option("--explain", metavar="CODE", help="Say what a code means, with examples, and end.")
@site_options
def command(
    site: Path,
    kind: str,
    as_json: bool,
    ignore: tuple[str, ...],
    select: tuple[str, ...],
    baseline: Path | None,
    explain: str | None,
    **settings: Any,
) -> None:
    kind = "json" if as_json else kind
    from ..diagnosis.check import check, worst
    from ..diagnosis.configuration import missing
    from ..report import findings as report

    if explain:
        click.echo(_explained(explain), nl=False)
        return
    ignored, selected = _codes(ignore), _selected(select)
    try:
        opened = open_site(site, **settings)
        # what a signed-in user gets is looked at
        opened.settings = replace(opened.settings, easy_auth=None)
        if not opened.tree.load_all(lambda name: name.startswith(".")):
            raise _no_configuration(opened.path, missing(opened.path))
        found = [
            finding
            for finding in check(opened, ignored)
            if selected is None or finding.code in selected
        ]
    except SiteError as error:
        fail(error, error.hint)
    if baseline is not None:
        found = _new(baseline, found)
    if kind != "json":  # its paths are relative to the site, as explain's are
        found = [_from_here(finding, site, kind == "github") for finding in found]
    render = partial(report.text, style=_coloured) if kind == "text" else report.FORMATS[kind]
    output = render(found)
    if output:
        click.echo(output)
    sys.exit(worst(found))


def _no_configuration(site: Path, lack: Finding | None) -> SiteError:
    """That nothing can be checked, as serve and doctor say it."""
    if lack is None:
        return SiteError(f"There is no web.config in {site}.", "Name the folder of the site.")
    return SiteError(f"{lack.message}.", lack.hint)


def _new(path: Path, found: list[Finding]) -> list[Finding]:
    """What a baseline does not hold; writes the baseline where there is none."""
    from ..report import baseline

    try:
        if path.exists():
            return baseline.new(path, found)
        baseline.write(path, found)
    except SiteError as error:
        fail(error, error.hint)
    except OSError as error:
        fail(error, "Name a file that can be written.")
    click.echo(f"{path} holds the {len(found)} findings of today.", err=True)
    return []


def _from_here(finding: Finding, site: Path, always: bool) -> Finding:
    """A finding whose file is named relative to the working directory; outside of that absolutely,
    unless ``always``.
    """
    if finding.span is None:
        return finding
    path = os.path.abspath(site / finding.span.file)
    if not os.path.isdir(os.path.dirname(path)):
        return finding  # a file of the server, or of a virtual directory
    relative = os.path.relpath(path)
    shown = path if relative.startswith("..") and not always else relative
    return replace(finding, span=replace(finding.span, file=shown))


def _codes(texts: Iterable[str]) -> list[str]:
    """Codes of an option; ends the command where one does not exist."""
    found = [code.strip() for text in texts for code in text.split(",") if code.strip()]
    for code in found:
        try:
            catalogue.kind(code)
        except catalogue.UnknownCode as error:
            _unknown(error)
    return found


def _selected(texts: Iterable[str]) -> set[str] | None:
    """The codes that --select names or that begin so; None for all."""
    wanted = [code.strip() for text in texts for code in text.split(",") if code.strip()]
    found: set[str] = set()
    for word in wanted:
        begun = {code for code in catalogue.codes() if code.startswith(f"{word.rstrip('-')}-")}
        found |= begun or {catalogue.kind(code).code for code in _codes([word])}
    return found if wanted else None


def _explained(code: str) -> str:
    """The section of the documentation about a code."""
    try:
        kind = catalogue.kind(code)
    except catalogue.UnknownCode as error:
        _unknown(error)
    return f"{kind.code}\n\n{page.section(kind)}"


def _unknown(error: catalogue.UnknownCode) -> NoReturn:
    near = f"Did you mean {error.near}?" if error.near else "docs/check.md lists the codes."
    fail(SiteError(f"No finding has the code '{error.code}'.", near), near)


def _coloured(word: str, severity: str) -> str:
    return click.style(word, fg=_COLOURS[severity])
