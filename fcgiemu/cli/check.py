"""``fcgiemu check``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import click

from .. import catalogue
from ..catalogue import page
from ..catalogue.findings import Finding
from ..diagnosis.check import stream, worst
from ..errors import SiteError
from ..site import Site
from ..version import DOCUMENTATION
from . import fail
from .grammar import format_option, site_argument
from .options import open_site, site_options
from .watching import again

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@click.command(
    help=(
        "Find what is wrong or surprising in the configuration of SITE. Exit status: 2 errors, 1"
        " warnings, else 0."
    )
)
@site_argument
@format_option("json", "sarif", "github", "junit")
@click.option(
    "--ignore",
    multiple=True,
    metavar="CODE",
    help="Leave a code out; may be repeated or a list with commas.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="CODE",
    help="Show a code only, or all that begin so; may be repeated or a list with commas.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Show only what FILE does not hold; where there is none, write what is found today to it.",
)
@click.option("--explain", metavar="CODE", help="Say what a code means, with examples, and end.")
@click.option(
    "--fix",
    is_flag=True,
    help="Make the changes that leave no choice in the files, and show what is left.",
)
@click.option("--diff", is_flag=True, help="Show the changes of --fix, and make none.")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until Ctrl-C.")
@site_options
def command(
    site: Path,
    kind: str,
    as_json: bool,
    ignore: tuple[str, ...],
    select: tuple[str, ...],
    baseline: Path | None,
    explain: str | None,
    fix: bool,
    diff: bool,
    watch: bool,
    **settings: Any,
) -> None:
    if explain:
        click.echo(_explained(explain), nl=False)
        return
    if watch and (fix or diff):
        raise click.UsageError("--watch does not go with --fix or --diff.")
    run = _Run(
        site=site,
        kind="json" if as_json else kind,
        ignored=_codes(ignore),
        selected=_selected(select),
        baseline=baseline,
        settings=settings,
    )
    if not watch:
        sys.exit(run.changed(write=not diff) if fix or diff else run.status())
    again(site, run.watched)


@dataclass(kw_only=True)
class _Run:
    """One call of the command: what is looked at, and how it is shown."""

    site: Path
    kind: str
    ignored: list[str]
    #: None for all codes.
    selected: set[str] | None
    baseline: Path | None
    settings: dict[str, Any]

    def status(self) -> int:
        """Show what is found; the exit status."""
        return self._show(self._found(self._open()))

    def watched(self) -> None:
        """As ``status``, for one of many times: a site that cannot be read is one message."""
        try:
            self.status()
        except SystemExit:
            pass
        click.echo(f"Watching {self.site}; Ctrl-C ends.", err=True)

    def changed(self, write: bool) -> int:
        """Make the changes of --fix, or show them; the exit status."""
        from ..diagnosis import fixes

        if self.settings.get("transforms"):
            fail(SiteError("--fix changes web.config itself.", "Leave out --transform."))
        try:
            for _ in range(_MAX_ROUNDS):
                opened = self._open()
                found = list(self._found(opened))
                changes = fixes.changes(opened, found)
                if not write:
                    click.echo("".join(change.diff() for change in changes), nl=False)
                    if not changes:
                        click.echo(f"--fix changes nothing; found: {len(found)}", err=True)
                    return worst(found)
                for change in changes:
                    change.write()
                    click.echo(f"{_shown(change.path)}: {_counted(change.fixed)}", err=True)
                if not changes:
                    break
        except SiteError as error:
            fail(error, error.hint)
        except OSError as error:
            fail(error)
        return self._show(found)

    def _open(self) -> Site:
        from ..diagnosis.configuration_files import missing

        try:
            opened = open_site(self.site, **self.settings)
            # what a signed-in user gets is looked at
            opened.settings = replace(opened.settings, easy_auth=None)
            if not opened.tree.load_all(lambda name: name.startswith(".")):
                raise _no_configuration(opened.path, missing(opened.path))
            return opened
        except SiteError as error:
            fail(error, error.hint)

    def _found(self, opened: Site) -> Iterator[Finding]:
        try:
            found = stream(opened, self.ignored)
            if self.selected is not None:
                found = (finding for finding in found if finding.code in self.selected)
            if self.baseline is not None:
                found = iter(_new(self.baseline, list(found)))
            yield from found
        except SiteError as error:
            fail(error, error.hint)

    def _show(self, found: Iterable[Finding]) -> int:
        """Show findings, as text one by one; the exit status."""
        from ..report import findings as report

        if self.kind != "json":  # its paths are relative to the site, as explain's are
            found = (_from_here(finding, self.site, self.kind == "github") for finding in found)
        shown: list[Finding] = []
        if self.kind == "text":
            for line in report.lines(_noted(found, shown), _coloured):
                click.echo(line)
        else:
            shown += found
            if output := report.FORMATS[self.kind](shown):
                click.echo(output)
        return worst(shown)


#: Fixes may lead to others: so often is looked again.
_MAX_ROUNDS = 10


def _noted(found: Iterable[Finding], shown: list[Finding]) -> Iterator[Finding]:
    """Findings one by one, each kept in ``shown`` as well."""
    for finding in found:
        shown.append(finding)
        yield finding


def _counted(fixed: Sequence[Finding]) -> str:
    counts = Counter(finding.code for finding in fixed)
    return "fixed " + ", ".join(f"{code} ({count})" for code, count in counts.items())


def _shown(path: Path) -> str:
    """A path relative to the working directory, where it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _no_configuration(site: Path, lack: Finding | None) -> SiteError:
    """That nothing can be checked, as serve and doctor say it."""
    if lack is None:
        return SiteError(f"There is no web.config in {site}.", "Name the folder of the site.")
    return SiteError(f"{lack.message}.", lack.hint)


def _new(path: Path, found: list[Finding]) -> list[Finding]:
    """What a baseline does not hold; writes the baseline where there is none."""
    from ..report import baseline

    try:
        if path.exists():
            return baseline.new(path, found)
        baseline.write(path, found)
    except SiteError as error:
        fail(error, error.hint)
    except OSError as error:
        fail(error, "Name a file that can be written.")
    click.echo(f"{path} holds the {len(found)} findings of today.", err=True)
    return []


def _from_here(finding: Finding, site: Path, always: bool) -> Finding:
    """A finding whose file is named relative to the working directory; outside of that absolutely,
    unless ``always``.
    """
    if finding.span is None:
        return finding
    path = os.path.abspath(site / finding.span.file)
    if not os.path.isdir(os.path.dirname(path)):
        return finding  # a file of the server, or of a virtual directory
    relative = os.path.relpath(path)
    shown = path if relative.startswith("..") and not always else relative
    return replace(finding, span=replace(finding.span, file=shown))


def _codes(texts: Iterable[str]) -> list[str]:
    """Codes of an option; ends the command where one does not exist."""
    found = [code.strip() for text in texts for code in text.split(",") if code.strip()]
    for code in found:
        try:
            catalogue.kind(code)
        except catalogue.UnknownCode as error:
            _unknown(error)
    return found


def _selected(texts: Iterable[str]) -> set[str] | None:
    """The codes that --select names or that begin so; None for all."""
    listed = [code.strip() for text in texts for code in text.split(",") if code.strip()]
    found: set[str] = set()
    for word in listed:
        begun = {code for code in catalogue.codes() if code.startswith(f"{word.rstrip('-')}-")}
        found |= begun or {catalogue.kind(code).code for code in _codes([word])}
    return found if listed else None


def _explained(code: str) -> str:
    """The section of the documentation about a code."""
    try:
        kind = catalogue.kind(code)
    except catalogue.UnknownCode as error:
        _unknown(error)
    return f"{kind.code}\n\n{page.plain(kind)}"


def _unknown(error: catalogue.UnknownCode) -> NoReturn:
    near = f"Did you mean {error.near}?" if error.near else f"All codes: {DOCUMENTATION}check.md."
    fail(SiteError(f"No finding has the code '{error.code}'.", near), near)


def _coloured(word: str, severity: str) -> str:
    return click.style(word, fg=_COLOURS[severity])
