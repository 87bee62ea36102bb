"""``fcgiemu deploy``."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SiteError
from . import fail

if TYPE_CHECKING:
    from ..azure.deployment import Deployment, Progress
    from ..azure.prepared_site import Say

#: Where a deployment goes if --to does not say.
HOME = Path(".fcgiemu") / "home"


@click.command(
    help="Deploy SOURCE as Kudu would: site/wwwroot, env, pip, web.X.Y.config, collectstatic."
)
@click.argument("source", default=".", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help=(
        "The folder that is D:\\home; by default .fcgiemu/home in SOURCE. The site is its"
        " site/wwwroot."
    ),
)
@click.option(
    "--python",
    metavar="X.Y",
    help="The Python that the portal would set, kept for what follows; runtime.txt wins.",
)
@click.option(
    "--app-settings",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="App settings for collectstatic and the command of .deployment; see serve.",
)
@click.option(
    "--run-custom",
    is_flag=True,
    help="Run the command of .deployment, which is only shown otherwise.",
)
@click.option(
    "--nearest-config/--no-nearest-config",
    default=None,
    help=(
        "Where there is no web.config and no web.X.Y.config of the chosen Python, copy the one of"
        " the nearest version; kept for what follows."
    ),
)
@click.option("--dry-run", is_flag=True, help="Print the plan only.")
@click.option(
    "--git-init", is_flag=True, help="Make a repository to push to instead; each push deploys."
)
@click.option("--json", "as_json", is_flag=True, help="Print one report at the end, as JSON.")
@click.option("--receive", is_flag=True, hidden=True)
def command(
    source: Path,
    target: Path | None,
    python: str | None,
    app_settings: Path | None,
    run_custom: bool,
    nearest_config: bool | None,
    dry_run: bool,
    git_init: bool,
    as_json: bool,
    receive: bool,
) -> None:
    from ..app_service.environment import read
    from ..app_service.home import Home, LeadsOut
    from ..azure import repository
    from ..azure.deployment import of_home
    from ..azure.failure import DeploymentFailed
    from ..azure.runtime import RuntimeRefused, parse_option

    if git_init and as_json:
        raise click.UsageError("--json reports a deployment, and --git-init makes none.")
    if not source.is_dir():
        fail(
            SiteError(f"There is no folder {source}."),
            "Name the folder that holds the site's files.",
        )
    home = Home((target or source / HOME).absolute())
    try:
        if python is not None:
            parse_option(python)
        if app_settings is not None:
            read(app_settings)
        if not dry_run:
            home.remember(
                python=python,
                app_settings=str(app_settings.absolute()) if app_settings else None,
                nearest_config=None if nearest_config is None else str(nearest_config).lower(),
            )
        if git_init:
            path = repository.create(home)
            click.echo(
                f"git remote add azure {shlex.quote(str(path))}\ngit push azure HEAD:master\n"
                f"fcgiemu serve {shlex.quote(str(home.wwwroot))}"
            )
            return
        if receive:
            sys.exit(0 if repository.receive(home, sys.stdin, _say) else 1)
        if as_json:
            report = _report(
                partial(
                    of_home, source, home, python=python, custom=run_custom, nearest=nearest_config
                ),
                dry_run,
            )
            places = {"source": source.absolute(), "home": home.root, "site": home.wwwroot}
            click.echo(json.dumps({**_texts(places), **report}, indent=1))
            sys.exit(1 if report["error"] else 0)
        if dry_run:
            for number, step in enumerate(
                of_home(
                    source,
                    home,
                    _say,
                    python=python,
                    custom=run_custom,
                    nearest=nearest_config,
                ).plan(),
                1,
            ):
                click.echo(f"{number}. {step.name}: {step.why}")
            return
        with _shown() as (say, progress):
            of_home(
                source,
                home,
                say,
                python=python,
                custom=run_custom,
                nearest=nearest_config,
                progress=progress,
            ).run()
    except DeploymentFailed as error:
        if dry_run:
            fail(error)
        sys.exit(1)
    except (LeadsOut, RuntimeRefused) as error:
        fail(error)
    except SiteError as error:
        fail(error, error.hint)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(error)
    click.echo(f"fcgiemu serve {shlex.quote(str(home.wwwroot))}")


def _texts(places: dict[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in places.items()}


def _report(deployment: Callable[..., Deployment], dry_run: bool) -> dict[str, object]:
    """Deploy, or plan only, and tell it as JSON; see schemas/json/deploy.json. Raises SiteError."""
    from ..azure.deployment import DeploymentStep
    from ..azure.failure import DeploymentFailed

    log: list[str] = []
    steps: list[DeploymentStep] = []
    begun = 0
    failure: DeploymentFailed | None = None

    def progress(number: int, _count: int, _name: str) -> None:
        nonlocal begun
        begun = number

    try:
        made = deployment(say=log.append, progress=progress)
        steps = made.plan()
        if not dry_run:
            made.run()
    except DeploymentFailed as error:
        failure = error

    def status(number: int) -> str:
        if number > begun:
            return "planned" if dry_run else "not run"
        return "failed" if failure is not None and number == begun else "done"

    return {
        "status": "failed" if failure is not None else "planned" if dry_run else "success",
        "steps": [
            {"name": step.name, "why": step.why, "status": status(number)}
            for number, step in enumerate(steps, 1)
        ],
        "log": log,
        "error": ({"step": failure.step, "message": str(failure)} if failure is not None else None),
    }


@contextmanager
def _shown() -> Iterator[tuple[Say, Progress]]:
    """How a deployment is shown: its lines, and on a terminal below them the step, how far it is,
    and the time.
    """
    if not sys.stdout.isatty():
        yield _say, lambda number, count, name: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(highlight=False), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield (
            lambda text: bar.console.print(text, markup=False, soft_wrap=True),
            lambda number, count, name: bar.update(
                task, description=name, completed=number - 1, total=count
            ),
        )


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()
