"""``fcgiemu serve``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import SiteError
from ..reload import RELOAD_ALSO
from . import data_folders, fail
from .option_sources import Serve, from_environment
from .shared_options import in_colour, site_argument
from .site_options import open_site, site_options


@click.command(cls=Serve, help="Serve SITE (default: this folder) as IIS would.")
@site_argument
@click.option(
    "-p",
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 = any free port.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--local-host",
    "local_hosts",
    multiple=True,
    metavar="NAME",
    help="Another name of this machine by which detailed error pages may be asked for.",
)
@click.option(
    "--reload/--no-reload",
    default=True,
    show_default=True,
    help="Restart workers when files change.",
)
@click.option(
    "--reload-also",
    multiple=True,
    default=RELOAD_ALSO,
    show_default=True,
    metavar="GLOB",
    help="Files that restart workers here and not on IIS; may be repeated, '' = none.",
)
@click.option(
    "--standby/--no-standby",
    default=True,
    show_default=True,
    help="Keep an interpreter ready that takes the site up when files change.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Processes per scriptProcessor; by default what the host configuration says, else 2.",
)
@click.option(
    "--worker",
    type=click.Choice(["fcgiemu", "wfastcgi"]),
    default="fcgiemu",
    show_default=True,
    help="What runs Python sites: fcgiemu's own worker, or Microsoft's wfastcgi.py.",
)
@click.option(
    "--strict-pool",
    is_flag=True,
    help="IIS's own limits: recycling after 200 requests, rapidFailsPerMinute …",
)
@click.option(
    "--https", is_flag=True, help="Serve over TLS, with a certificate made on first use and kept."
)
@click.option(
    "--cert",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own certificate (PEM); implies --https.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its key, if that is in another file.",
)
@click.option(
    "--debugpy",
    "debug_port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="One worker, without timeouts, that a debugger can attach to (needs fcgiemu[debug]).",
)
@click.option(
    "--no-timeouts", is_flag=True, help="No activityTimeout and requestTimeout, for debugging."
)
@click.option(
    "--app-init",
    is_flag=True,
    help="Ask for the initialization pages of <applicationInitialization> at start.",
)
@click.option(
    "--health-checks/--no-health-checks",
    default=True,
    show_default=True,
    help="Test the servers of web farms as their <healthCheck url> says.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "w3c", "json"]),
    default="text",
    show_default=True,
    help="How a request's line looks: for people, as in IIS's log, or as JSON.",
)
@click.option(
    "--freb",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write failed-request traces, by <traceFailedRequests>; without it, of every error.",
)
@click.option(
    "--measured-only",
    is_flag=True,
    help="Leave out of traces what genuine ones have not shown.",
)
@click.option(
    "--ui",
    is_flag=True,
    help="Pages that show the requests, on another port.",
)
@click.option("--ui-open", is_flag=True, help="Open them in a browser; implies --ui.")
@click.option(
    "--ui-host",
    metavar="ADDRESS",
    help="Address that they listen on, by default 127.0.0.1; implies --ui.",
)
@click.option(
    "--ui-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Their port, by default any free one; implies --ui.",
)
@click.option("--ui-write", is_flag=True, help="Let them save the site's web.config; implies --ui.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and what the site prints.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Also the rules and the handler behind each request."
)
@click.option(
    "--editor",
    metavar="NAME",
    help="Links of error pages open it: vscode, pycharm, cursor, zed … or a URL with {file}.",
)
@click.option("--open", "opens", is_flag=True, help="Open the site's first page in a browser.")
@site_options
def command(
    site: Path,
    port: int,
    host: str,
    local_hosts: tuple[str, ...],
    reload: bool,
    reload_also: tuple[str, ...],
    standby: bool,
    workers: int | None,
    no_timeouts: bool,
    app_init: bool,
    health_checks: bool,
    log_format: str,
    worker: str,
    strict_pool: bool,
    debug_port: int | None,
    https: bool,
    cert: Path | None,
    key: Path | None,
    freb: Path | None,
    measured_only: bool,
    quiet: bool,
    verbose: bool,
    opens: bool,
    editor: str | None,
    ui: bool,
    ui_open: bool,
    ui_host: str | None,
    ui_port: int | None,
    ui_write: bool,
    **settings: Any,
) -> None:
    from ..lifeline import end_with_starter
    from ..programs.fastcgi_launch import PoolOptions
    from ..server import tls
    from ..server.process_one import reap_as_process_1
    from ..server.serve import ServeOptions, Serving

    if debug_port is not None and worker == "wfastcgi":
        raise click.UsageError("--debugpy needs fcgiemu's own worker: leave --worker wfastcgi out.")
    end_with_starter()
    reap_as_process_1()
    pool = PoolOptions(
        workers=workers,
        worker=worker,
        strict_pool=strict_pool,
        no_timeouts=no_timeouts,
        debug_port=debug_port,
        standby=standby and reload,
    )
    try:
        certificate = (
            tls.own(cert, key)
            if cert
            else tls.local(data_folders.folder() / "tls")
            if https
            else None
        )
        options = ServeOptions(
            host=host,
            port=port,
            reload=reload,
            reload_also=tuple(filter(None, reload_also)),
            pool=pool,
            log_format=log_format,
            certificate=certificate,
            freb=freb,
            measured_only=measured_only,
            local_hosts=local_hosts,
            app_init=app_init,
            health_checks=health_checks,
            quiet=quiet and not verbose,
            verbose=verbose,
            colour=in_colour(sys.stdout),
            opens=opens,
            editor=editor,
        )
        serving = Serving(open_site(site, **settings), options)
        wants_ui = ui or ui_open or ui_write or ui_host is not None or ui_port is not None
        if wants_ui or serving.site.settings.ui:
            from ..inspector.inspector import Inspector

            host = "127.0.0.1" if ui_host is None else ui_host
            serving.attach_inspector(
                Inspector(serving, host, ui_port or 0, opens=ui_open, writes=ui_write)
            )
        serving.run()
    except SiteError as error:
        fail(error, error.hint)


from_environment(command)
