"""``fcgiemu capture``: the capture kit for servers with IIS, and what it collected."""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
from importlib import resources
from pathlib import Path
from typing import Any

import click

from ..errors import SiteError
from ..parity import bundle as bundles
from . import fail
from .shared_options import SitePath, json_option
from .site_options import open_site, site_options


@click.command(
    help=(
        "Say what is in a capture of a server with IIS, and what differs here. --kit FOLDER writes"
        " the script that makes one."
    )
)
@click.argument("path", required=False, type=click.Path(path_type=Path), metavar="[ZIP]")
@click.option(
    "--kit",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the PowerShell script and its page of text.",
)
@click.option(
    "--site",
    type=SitePath(),
    metavar="SITE",
    help="Compare with this site, not with the configuration in the capture.",
)
@json_option
@site_options
def command(
    path: Path | None, kit: Path | None, site: Path | None, as_json: bool, **settings: Any
) -> None:
    if (path is None) == (kit is None):
        raise click.UsageError("Give a capture or --kit FOLDER.")
    try:
        if kit is not None:
            _write_kit(kit)
            return
        assert path is not None
        bundle = bundles.read(path)
        with tempfile.TemporaryDirectory(prefix="fcgiemu-") as folder:
            unpacked = bundles.unpack(bundle, Path(folder)) if site is None else site
            opened = open_site(unpacked, **settings)
            checked = list(bundles.check(bundle, opened))
    except SiteError as error:
        fail(error, error.hint)
    except OSError as error:
        fail(error)
    click.echo(_json(bundle, checked) if as_json else _text(bundle, checked))
    sys.exit(1 if any(one.differs for one in checked) else 0)


def _write_kit(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Collect-Site.ps1", "README.txt"):
        data = resources.files("fcgiemu.parity").joinpath("kit", name).read_bytes()
        # as Windows' editors and PowerShell like it
        (folder / name).write_bytes(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        click.echo(f"wrote {folder / name}")


def _text(bundle: bundles.Bundle, checked: list[bundles.Checked]) -> str:
    about = bundle.about
    lines = [
        f"{bundle.source}: {bundle.site_name or 'a site'}, IIS {about.get('iis') or '?'}, made"
        f" {about.get('made') or '?'}{'' if about.get('redacted') else ', not redacted'}",
        f"{len(bundle.configurations)} web.config, {len(bundle.files)} files,"
        f" {len(bundle.traces)} traces, {len(bundle.answers)} answers",
    ]
    lines += [f"problem: {text}" for text in bundle.problems]
    for one in checked:
        lines += [one.what, textwrap.indent(one.found, "  ")]
    differing = sum(one.differs for one in checked)
    lines.append(f"{differing} of {len(checked)} differ")
    return "\n".join(lines)


def _json(bundle: bundles.Bundle, checked: list[bundles.Checked]) -> str:
    return json.dumps(
        {
            "file": bundle.source,
            "about": bundle.about,
            "configurations": sorted(bundle.configurations),
            "files": len(bundle.files),
            "traces": len(bundle.traces),
            "answers": len(bundle.answers),
            "problems": bundle.problems,
            "checked": [
                {"what": one.what, "differs": one.differs, "found": one.found} for one in checked
            ],
        },
        indent=1,
    )
