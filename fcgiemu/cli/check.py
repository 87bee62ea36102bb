"""``fcgiemu check``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..errors import SiteError
from . import fail
from .options import open_site, site_options

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@click.command(
    help=(
        "Find what is wrong or surprising in the configuration of SITE. Exit status: 2 errors, 1"
        " warnings, else 0."
    )
)
@click.argument("site", default=".", type=click.Path(path_type=Path))
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
@site_options
def command(site: Path, kind: str, ignore: tuple[str, ...], **settings: Any) -> None:
    from ..diagnosis.check import check, worst
    from ..report import findings as report

    try:
        opened = open_site(site, **settings)
        if not opened.tree.load_all(lambda name: name.startswith(".")):
            raise SiteError(f"There is no web.config in {site}.", "Name the folder of the site.")
        found = check(opened, [code.strip() for text in ignore for code in text.split(",")])
    except SiteError as error:
        fail(error, error.hint)
    if kind == "github":  # annotations are relative to the repository, where such a job runs
        found = [
            replace(
                finding,
                span=finding.span
                and replace(finding.span, file=os.path.relpath(site / finding.span.file)),
            )
            for finding in found
        ]
    render = partial(report.text, style=_coloured) if kind == "text" else report.FORMATS[kind]
    output = render(found)
    if output:
        click.echo(output)
    sys.exit(worst(found))


def _coloured(word: str, severity: str) -> str:
    return click.style(word, fg=_COLOURS[severity])
