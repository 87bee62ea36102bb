"""``fcgiemu serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..applications import SiteError
from ..fastcgi.application import Limits
from . import fail
from .options import open_site, site_options


@click.command(help="Serve SITE (default: this folder) as IIS would.")
@click.argument("site", default=".", type=click.Path(path_type=Path))
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 = any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--reload/--no-reload", default=True, show_default=True, help="Restart workers when files change.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes per application.")
@click.option("--no-timeouts", is_flag=True, help="No activityTimeout and requestTimeout, for debugging.")
@click.option("--log-format", type=click.Choice(["text", "w3c", "json"]), default="text", show_default=True,
              help="How a request's line looks: for people, as in IIS's log, or as JSON.")
@site_options
def command(site: Path, port: int, host: str, reload: bool, workers: int, no_timeouts: bool, log_format: str,
            **settings: Any) -> None:
    from ..server.serve import Options, Serving

    limits = Limits(max_instances=workers)
    if no_timeouts:
        limits = Limits(max_instances=workers, activity_timeout=float("inf"), request_timeout=float("inf"))
    try:
        Serving(open_site(site, **settings), Options(host, port, reload, limits, log_format=log_format)).run()
    except SiteError as error:
        fail(error, error.hint)
