"""What several commands share: the argument SITE, options that two or more of them have, and what
the environment says of colours. Options of every command that opens a site are in site_options.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

from ..errors import SiteError
from ..files import find
from ..http.url import NOT_A_URL, is_url


def colour() -> bool | None:
    """What the environment says of colours, for every command: NO_COLOR none, FORCE_COLOR always;
    None where a terminal has them and a file has not.
    """
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def in_colour(stream: TextIO) -> bool:
    """Whether to write colours to a stream."""
    said = colour()
    return stream.isatty() if said is None else said


def variable(option: click.Option) -> str:
    """The variable of an option: ``--no-timeouts`` is FCGIEMU_NO_TIMEOUTS."""
    return "FCGIEMU_" + key(option).upper().replace("-", "_")


def key(option: click.Option) -> str:
    """The long name of an option, which is its key in the settings of a site."""
    return max(option.opts, key=len).lstrip("-")


class SitePath(click.Path):
    """The folder of a site, or the web.config in it; the value is the folder."""

    name = "site"

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Path:
        """The folder. Ends the command for any other file."""
        path = Path(os.fsdecode(super().convert(value, param, context)))
        if not path.is_file():
            return path
        if path.name.lower() == "web.config":
            return path.parent
        self.fail(
            f"{path} is a file. Name the folder of the site, or its web.config.", param, context
        )


def site_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """``[SITE]``: the current folder where it is left out."""
    return click.argument("site", default=".", type=SitePath())(command)


#: ``--json`` of commands whose answer is text or JSON.
json_option = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
urls_option = click.option(
    "--urls",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="One URL a line; - = standard input.",
)
log_option = click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="FILE",
    help=(
        "A log of IIS, App Service, Front Door or Application Gateway: a file, a folder, a pattern"
        " in quotes, a URL, or - for standard input; may be repeated."
    ),
)


def format_option(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--format`` with these kinds as ``kind``, text by default, and ``--json`` as ``as_json``."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        short = click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
        long = click.option(
            "--format",
            "kind",
            type=click.Choice(["text", *kinds]),
            default="text",
            show_default=True,
        )
        return short(long(command))

    return add


_URL = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*://")


def site_and_url(arguments: tuple[str, ...], has_batch: bool) -> tuple[str, str | None]:
    """``[SITE] [URL]`` of ``explain``. Raises UsageError, and SiteError for one word that can be
    either.
    """
    if len(arguments) > 2 or has_batch and len(arguments) == 2:
        raise click.UsageError(
            f"Too many arguments: {' '.join(arguments)}. Write: fcgiemu explain [SITE] URL"
        )
    if len(arguments) == 2:
        if not is_url(arguments[1]):
            raise click.UsageError(f"{arguments[1]} is not a URL. {NOT_A_URL}")
        return arguments[0], arguments[1]
    if has_batch:
        return (arguments[0] if arguments else "."), None
    if not arguments or not _URL.match(arguments[0]):
        raise click.UsageError(
            "Give a URL or --batch FILE: fcgiemu explain "
            + (
                f"{arguments[0]} /"
                if arguments and os.path.exists(arguments[0])
                else "'/cart?id=3'"
            )
        )
    word = arguments[0]
    folder = Path(word).parent if Path(word).is_file() else Path(word)
    if word != "/" and folder.is_dir() and find(folder, "web.config") is not None:
        raise SiteError(
            f"{word} is the folder of a site, and could be a URL of this one.",
            f"Write fcgiemu explain {word} / for the site, fcgiemu explain . {word} for the URL.",
        )
    return ".", word
