"""What commands have in common: where a site is named, options that several have (those of a site
are in options.py), the groups of ``--help``, and the near name of a command that does not exist.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import click

from ..errors import SiteError
from ..files import find
from ..http.url import NOT_A_URL, is_url

#: Group of ``fcgiemu --help`` -> command -> (what it does, an example).
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "A site on this machine": {
        "init": ("Write the web.config of a site, by what its folder holds.", "init"),
        "serve": ("Serve a site as IIS would.", "serve"),
        "explain": ("Say what IIS would do with a URL, and why.", "explain '/cart?id=3'"),
        "check": ("Find what is wrong or surprising in a configuration.", "check"),
        "doctor": ("Look for what keeps the Python of a site from answering.", "doctor"),
    },
    "Where people write": {
        "lsp": ("Serve editors that know language servers.", "lsp"),
        "mcp": ("Let agents ask about the sites of a folder.", "mcp ."),
    },
    "Before it is published": {
        "test": ("Compare what IIS would do with expectations in a file.", "test site.expect"),
        "diff": ("Say which URLs change destination.", "diff HEAD . --log u_ex261122.log"),
        "xdt": ("Apply web.Release.config to a file.", "xdt web.config web.Release.config"),
        "deploy": ("Deploy a site as Azure's Kudu would.", "deploy --dry-run"),
    },
    "Beside a server with IIS": {
        "compare": (
            "Ask a deployed site and the local one the same.",
            "compare . https://www.example.org --crawl 50",
        ),
        "freb": ("Show failed-request traces of IIS.", "freb FailedReqLogFiles"),
        "capture": ("Read what the capture kit collected on a server.", "capture --kit kit"),
    },
    "About fcgiemu": {
        "schema": ("Print the schema of an output, or of web.config.", "schema explain"),
        "support": ("Say what each section and attribute does here.", "support httpErrors"),
        "trust": ("Let browsers trust the certificate of serve --https.", "trust"),
        "clean": ("Remove everything that fcgiemu keeps.", "clean --dry-run"),
        "completion": ("Print the completion script for a shell.", "completion bash"),
    },
}
#: Command -> what it does.
COMMANDS = {name: text for group in GROUPS.values() for name, (text, _) in group.items()}
_EXAMPLES = {name: example for group in GROUPS.values() for name, (_, example) in group.items()}


def example(name: str) -> str:
    """A call of a command, to be typed as it is."""
    return f"fcgiemu {_EXAMPLES[name]}"


def write_groups(formatter: click.HelpFormatter) -> None:
    """The commands by group, each with an example."""
    for title, group in GROUPS.items():
        with formatter.section(title):
            for name, (text, _) in group.items():
                formatter.write(f"  {name:<11} {text}\n{'':<14}{example(name)}\n")


def near(word: str, names: Iterable[str]) -> str:
    """``Did you mean …?`` for a word that is almost one of the names; "" for others."""
    found = difflib.get_close_matches(word, list(names), 1, 0.6)
    return f"Did you mean {found[0]}?" if found else ""


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
