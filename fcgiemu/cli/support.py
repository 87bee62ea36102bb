"""``fcgiemu support``."""

from __future__ import annotations

import json

import click


@click.command(
    help=(
        "Say what each section and attribute of IIS's schema does here; only sections that hold"
        " TEXT."
    )
)
@click.argument("wanted", metavar="[TEXT]", default="")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
def command(wanted: str, kind: str) -> None:
    from ..report import support

    if kind == "json":
        click.echo(json.dumps(support.as_json(), indent=1))
    else:
        click.echo(
            support.markdown() if kind == "markdown" else support.text(wanted), nl=kind == "text"
        )
