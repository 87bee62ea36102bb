"""``fcgiemu doctor``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..diagnosis.doctor_steps import DoctorStep
from ..errors import SiteError
from . import fail
from .shared_options import site_argument
from .site_options import open_site, site_options

_COLOURS = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}


@click.command(help="Find out why the Python of SITE does not answer, and what to change.")
@site_argument
@click.option("--json", "as_json", is_flag=True, help="A list of objects, one a step.")
@site_options
def command(site: Path, as_json: bool, **settings: Any) -> None:
    from ..diagnosis.doctor import examine

    found: list[tuple[str, DoctorStep]] = []
    try:
        opened = open_site(site, **settings)
        for application in opened.layout.applications:
            if application.url and not as_json:
                click.echo(f"application {application.url}")
            for step in examine(opened, application):
                found.append((application.url, step))
                if not as_json:
                    _show(step)
    except SiteError as error:
        fail(error, error.hint)
    problems = sum(step.status == "problem" for _, step in found)
    if as_json:
        click.echo(json.dumps([step.as_json(url) for url, step in found], indent=1))
    else:
        several = "s" if problems > 1 else ""
        click.echo(f"{problems} problem{several} found." if problems else "Everything is in place.")
    sys.exit(1 if problems else 0)


def _show(step: DoctorStep) -> None:
    code = f" [{step.finding.code}]" if step.finding is not None else ""
    status = click.style(f"{step.status:<8}", fg=_COLOURS[step.status])
    click.echo(f"{status}{step.name:<13} {step.text}{code}")
    if step.remedy:
        click.echo(f"{'':<22}{step.remedy}")
