"""The commands in the groups of ``--help``, each with what it does and an example; and the name
that a misspelt one is nearest to.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click

#: Group of ``fcgiemu --help`` -> command -> (what it does, an example).
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "A site on this machine": {
        "init": ("Write the web.config of a site, by what its folder holds.", "init"),
        "serve": ("Serve a site as IIS would.", "serve"),
        "explain": ("Say what IIS would do with a URL, and why.", "explain '/cart?id=3'"),
        "check": ("Find what is wrong or surprising in a configuration.", "check"),
        "doctor": ("Find out why a site's Python does not answer.", "doctor"),
    },
    "For editors and agents": {
        "lsp": ("Serve editors that know language servers.", "lsp"),
        "mcp": ("Let agents ask about the sites of a folder.", "mcp ."),
    },
    "Before it is published": {
        "test": ("Compare what IIS would do with expectations in a file.", "test site.expect"),
        "diff": ("Say which URLs change destination.", "diff HEAD . --log u_ex261122.log"),
        "xdt": ("Apply web.Release.config to a file.", "xdt web.config web.Release.config"),
        "deploy": ("Deploy a site as Azure's Kudu would.", "deploy --dry-run"),
    },
    "Comparing with a real IIS server": {
        "compare": (
            "Send the same requests to a deployed site and the local one.",
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
