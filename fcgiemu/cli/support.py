"""``fcgiemu support``."""

from __future__ import annotations

import json

import click

from ..errors import SiteError
from ..profiles import PROFILES
from . import command_groups, fail
from .shared_options import format_option


@click.command(
    help=(
        "Say what each section and attribute of IIS's schema does here, or with --facts what is"
        " known about IIS and how; only what holds TEXT."
    )
)
@click.argument("text", metavar="[TEXT]", default="")
@format_option("markdown", "json")
@click.option(
    "--profile", type=click.Choice(tuple(PROFILES)), help="Say what acts on a server of this kind."
)
@click.option(
    "--facts",
    "of_facts",
    is_flag=True,
    help="Say what is measured, documented or inferred, and what would settle it.",
)
def command(text: str, kind: str, as_json: bool, profile: str | None, of_facts: bool) -> None:
    kind = "json" if as_json else kind
    from ..report import facts, profile_support, support

    if of_facts:
        if kind == "json":
            click.echo(json.dumps(facts.as_json(), indent=1, ensure_ascii=False))
        else:
            click.echo(
                facts.markdown() if kind == "markdown" else facts.text(text), nl=kind == "text"
            )
        return

    if text and not any(text.lower() in path.lower() for path in support.sections()):
        names = {path.rpartition("/")[2] for path in support.sections()}
        near = command_groups.near(text, names) or "fcgiemu support lists all sections."
        fail(SiteError(f"No section has {text!r} in its name."), near)
    if profile is not None:
        if kind == "json":
            click.echo(json.dumps(profile_support.as_json(PROFILES[profile]), indent=1))
        else:
            click.echo(profile_support.text(PROFILES[profile], text))
    elif kind == "json":
        click.echo(json.dumps(support.as_json(), indent=1))
    else:
        click.echo(
            support.markdown() if kind == "markdown" else support.text(text), nl=kind == "text"
        )
