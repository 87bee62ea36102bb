"""``fcgiemu check``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import catalogue
from ..catalogue import page
from ..catalogue.findings import Finding
from ..config.reader import MAX_BYTES
from ..diagnosis.check import is_passed_over, stream, worst
from ..errors import SiteError
from ..files import find
from ..site import Site
from ..version import DOCUMENTATION
from . import fail
from .shared_options import format_option, site_argument
from .site_options import settings_of, site_options
from .watching import again

if TYPE_CHECKING:
    from ..diagnosis.fixes import FileChange

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@click.command(
    help=(
        "Find what is wrong or surprising in the configuration of SITE. Exit status: 2 errors, 1"
        " warnings, else 0. SITE may be -: the web.config of the current folder, as standard input"
        " has it."
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
    is_input = str(site) == "-"
    if is_input and (fix or diff or watch):
        raise click.UsageError("--fix, --diff and --watch need a file, and - is none.")
    run = _Run(
        site=Path() if is_input else site,
        text=sys.stdin.buffer.read(MAX_BYTES + 1) if is_input else None,
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
    #: What is read in the place of web.config; None for the file itself.
    text: bytes | None = None
    #: What --watch has shown last: findings, or that the site cannot be read.
    _before: list[Finding] | str | None = None

    def status(self) -> int:
        """Show what is found; the exit status."""
        try:
            return self._show(shown for _, _, shown in self._found(self._parts()))
        except SiteError as error:
            fail(error, error.hint)

    def watched(self) -> None:
        """As ``status``, for one of many times: a site that cannot be read is one message, and what
        was said already is not said again: the output may lie in the site itself.
        """
        found: list[Finding] | str
        try:
            found = [shown for _, _, shown in self._found(self._parts())]
        except SiteError as error:
            found = f"fcgiemu: {error} {error.hint}".rstrip()
        if found == self._before:
            if sys.stderr.isatty():
                click.echo("Checked again: nothing has changed.", err=True)
            return
        self._before = found
        if isinstance(found, str):
            click.echo(found, err=True)
        else:
            self._show(found)
        click.echo(f"Watching {self.site}; Ctrl-C ends.", err=True)

    def changed(self, write: bool) -> int:
        """Make the changes of --fix, or show them; the exit status."""
        from ..diagnosis import fixes

        if self.settings.get("transforms"):
            fail(SiteError("--fix changes web.config itself.", "Leave out --transform."))
        try:
            for _ in range(_MAX_ROUNDS):
                found = list(self._found(self._parts()))
                changes = _once(
                    change
                    for part, those in groupby(found, itemgetter(0))
                    for change in fixes.changes(part.site, [finding for _, finding, _ in those])
                )
                if not write:
                    click.echo("".join(map(_patch, changes)), nl=False)
                    if not changes:
                        click.echo(f"--fix changes nothing; found: {len(found)}", err=True)
                    return worst(finding for _, finding, _ in found)
                for change in changes:
                    change.write()
                    click.echo(f"{_shown(change.path)}: {_counted(change.fixed)}", err=True)
                if not changes:
                    break
        except SiteError as error:
            fail(error, error.hint)
        except OSError as error:
            fail(error)
        return self._show(shown for _, _, shown in found)

    def _parts(self) -> list[_Part]:
        """The site, or where its folder is none, as the root of a repository, those below it."""
        from ..diagnosis.configuration_files import missing

        opened = self._open(self.site)
        files = opened.tree.load_all(is_passed_over)
        if not files:
            raise _no_configuration(opened.path, missing(opened.path))
        folders = _sites_below(opened, [file.directory.strip("/") for file in files])
        if not folders:
            return [_Part("", opened)]
        listed = ", ".join(folders)
        click.echo(f"No web.config in {self.site}; sites below it: {listed}", err=True)
        return [_Part(folder, self._open(self.site / folder)) for folder in folders]

    def _open(self, folder: Path) -> Site:
        settings = settings_of(folder, **self.settings)
        if self.text is not None:
            own = Path(os.path.abspath(folder))
            file = find(own, "web.config") or own / "web.config"
            settings = replace(settings, unsaved={str(file): self.text})
        opened = Site(folder, settings)
        # what a signed-in user gets is looked at
        opened.settings = replace(opened.settings, easy_auth=None)
        return opened

    def _found(self, parts: Sequence[_Part]) -> Iterator[tuple[_Part, Finding, Finding]]:
        """Findings with their site, as it names their files and as SITE does."""
        found: Iterable[tuple[_Part, Finding, Finding]] = (
            (part, finding, part.named(finding))
            for part in parts
            for finding in stream(part.site, self.ignored)
            if self.selected is None or finding.code in self.selected
        )
        if self.baseline is not None:
            found = list(found)
            new = {id(shown) for shown in _new(self.baseline, [shown for *_, shown in found])}
            found = [one for one in found if id(one[2]) in new]
        yield from found

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


@dataclass(frozen=True)
class _Part:
    """A site that is checked, and its folder below the one that was named: "" for that itself."""

    folder: str
    site: Site

    def named(self, finding: Finding) -> Finding:
        """A finding whose file is named from the folder that was given to the command."""
        span = finding.span
        if not self.folder or span is None or not (self.site.path / span.file).exists():
            return finding
        return replace(finding, span=replace(span, file=f"{self.folder}/{span.file}"))


#: What IIS sends for a folder: one of them makes the folder a site, without web.config as well.
_FIRST_PAGES = (
    "default.htm",
    "index.htm",
    "index.html",
    "default.aspx",
    "default.asp",
    "index.php",
)


def _sites_below(opened: Site, folders: Sequence[str]) -> list[str]:
    """The topmost folders with a web.config, where SITE itself is not one; [] where it is."""
    is_laid_out = len(opened.layout.directories) > 1
    if "" in folders or is_laid_out or any(opened.find(f"/{page}") for page in _FIRST_PAGES):
        return []
    return [
        folder
        for folder in sorted(folders)
        if not any(folder.startswith(f"{other}/") for other in folders)
    ]


#: Fixes may lead to others: so often is looked again.
_MAX_ROUNDS = 10


def _noted(found: Iterable[Finding], shown: list[Finding]) -> Iterator[Finding]:
    """Findings one by one, each kept in ``shown`` as well."""
    for finding in found:
        shown.append(finding)
        yield finding


def _once(changes: Iterable[FileChange]) -> list[FileChange]:
    """Changes of files that have several names, by links, under the shortest of these."""
    by_file: dict[Path, FileChange] = {}
    for change in sorted(changes, key=lambda change: len(str(change.path))):
        by_file.setdefault(change.path.resolve(), change)
    return sorted(by_file.values(), key=lambda change: change.name)


def _counted(fixed: Sequence[Finding]) -> str:
    counts = Counter(finding.code for finding in fixed)
    return "fixed " + ", ".join(f"{code} ({count})" for code, count in counts.items())


def _shown(path: Path) -> str:
    """A path relative to the working directory, where it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _patch(change: FileChange) -> str:
    """A change as a diff that can be applied in the working directory, where its file is there."""
    name = _shown(change.path)
    return change.diff("" if os.path.isabs(name) else name.replace(os.sep, "/"))


def _no_configuration(site: Path, lack: Finding | None) -> SiteError:
    """That nothing can be checked, as serve and doctor say it."""
    if lack is None:
        return SiteError(f"There is no web.config in {site}.", "Name the folder of the site.")
    return SiteError(f"{lack.message}.", lack.hint)


def _new(path: Path, found: list[Finding]) -> list[Finding]:
    """What a baseline does not hold; writes the baseline where there is none. Raises SiteError."""
    from ..report import known_findings

    try:
        if path.exists():
            return known_findings.new(path, found)
        known_findings.write(path, found)
    except OSError as error:
        raise SiteError(f"{path}: {error.strerror}.", "Name a file that can be written.") from error
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
