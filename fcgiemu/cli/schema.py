"""``fcgiemu schema``."""

from __future__ import annotations

import json

import click

from .. import schemas
from ..errors import SiteError
from ..schemas import web_config
from . import command_groups, fail

#: What NAME may be beside the commands.
XSD = "web.config"


@click.command(
    help=(
        "Print the JSON Schema of what the command NAME prints with --json, or with web.config as"
        " NAME an XML Schema (XSD 1.0) for editors. Without NAME: list them."
    )
)
@click.argument("name", metavar="[NAME]", default="")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@click.option(
    "--dotnet-namespace",
    is_flag=True,
    help="The XML Schema for files whose root has xmlns=…/.NetConfiguration/v2.0.",
)
def command(name: str, as_json: bool, dotnet_namespace: bool) -> None:
    if dotnet_namespace and name.lower() != XSD:
        raise click.UsageError("--dotnet-namespace belongs to: fcgiemu schema web.config")
    if not name:
        rows = [*map(_row, schemas.names()), _XSD_ROW]
        click.echo(json.dumps(rows, indent=1) if as_json else "\n".join(map(_line, rows)))
    elif name.lower() == XSD:
        click.echo(web_config.xsd(web_config.DOTNET if dotnet_namespace else ""), nl=False)
    elif name in schemas.names():
        click.echo(schemas.text(name), nl=False)
    else:
        near = command_groups.near(name, (*schemas.names(), XSD))
        fail(SiteError(f"There is no schema {name!r}."), near or "fcgiemu schema lists them.")


def _row(name: str) -> dict[str, str]:
    found = schemas.schema(name)
    return {"name": name, "id": found["$id"], "title": found["title"]}


_XSD_ROW = {"name": XSD, "id": "", "title": "An XML Schema of web.config, for XML editors"}


def _line(row: dict[str, str]) -> str:
    version = row["id"].rpartition(":")[2]
    return f"{row['name']:<17}{version:<3}{row['title']}"
