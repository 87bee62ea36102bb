"""Everything worth saying about a site before it is published: ``check(site)``. Built on the same
configuration as ``decide``.

Each module of this package looks at one part and yields findings; what they say stands in the
catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import catalogue
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..config.tree import Effective
from ..files import UNWATCHED, content
from ..modules import application_request_routing, web_farms
from ..modules import handlers as handler_mappings
from ..rewrite.compiler import inbound
from ..rewrite.outbound import outbound
from ..site import Site
from . import (
    app_settings,
    application_requests,
    condition_sets,
    configuration_files,
    consequences,
    folder_rules,
    followed_rules,
    handlers,
    hidden_files,
    hidden_folders,
    htaccess,
    identities,
    iis_modules,
    iisnode,
    kinder_than_iis,
    lookaheads,
    malformed_xml,
    mime_maps,
    missing_targets,
    origin_patterns,
    outbound_rules,
    redirects,
    remedies,
    replaced_rewrites,
    rewrite_conditions,
    rewrite_rules,
    rewrite_targets,
    served_files,
    sets_of_letters,
    sign_in,
    source_text,
    stray_text,
    taken_paths,
    transforms,
    unused_maps,
)

_IGNORE = re.compile(r"fcgiemu:\s*ignore\[([^\]]*)\]")
MAPS = "system.webServer/rewrite/rewriteMaps"
#: A code -> the code that says the same of an element, and more exactly.
_SAID_BY = {
    "rewrite-catch-all": "rewrite-hides-file",
    "rewrite-target-missing": "rewrite-leaves-folder",
    "rewrite-unanchored": "rewrite-takes-files",
    "rewrite-unescaped-dot": "rewrite-takes-files",
}
_ORDER = {"error": 0, "warning": 1, "info": 2}


def check(site: Site, ignored: Iterable[str] = ()) -> list[Finding]:
    """Every finding of a site, each once, by file and line; ``ignored`` codes and those that
    comments name are left out. Raises UnknownCode.
    """
    return sorted(stream(site, ignored), key=_sort_key)


def stream(site: Site, ignored: Iterable[str] = ()) -> Iterator[Finding]:
    """The findings of ``check``, file by file as they are found: first those that are about none,
    then those of each file by line. Raises UnknownCode.
    """
    files = site.tree.load_all(is_passed_over)
    files.sort(key=lambda file: file.name)
    keeper = _Keeper(site, files, ignored)
    waiting = keeper.kept(_of_site(site, files))
    for file in files:
        found = waiting + keeper.kept(_of_file(site, file))
        now = [finding for finding in found if _sort_key(finding)[0] <= file.name]
        yield from sorted(now, key=_sort_key)
        waiting = [finding for finding in found if _sort_key(finding)[0] > file.name]
    yield from sorted(waiting, key=_sort_key)


def is_passed_over(folder: str) -> bool:
    """Whether a folder of this name holds no configuration of the site: node_modules, .git."""
    return folder.lower() in UNWATCHED or folder == ".fcgiemu"


class _Keeper:
    """Removes findings that are left out, and repeated ones."""

    def __init__(self, site: Site, files: list[ConfigFile], ignored: Iterable[str]) -> None:
        self._site = site
        self._left_out = {catalogue.kind(code).code for code in ignored}
        self._silenced = {file.name: _silenced(file) for file in files}
        self._seen: set[tuple[object, ...]] = set()
        self._places: set[tuple[str, Span | None]] = set()

    def kept(self, findings: Iterable[Finding]) -> list[Finding]:
        """Those findings that are new and not left out, at the places where they were written."""
        return [self._site.tree.as_written(finding) for finding in findings if self._keeps(finding)]

    def _keeps(self, finding: Finding) -> bool:
        key = (finding.code, finding.span, finding.message)
        if finding.code in self._left_out or key in self._seen:
            return False
        if (_SAID_BY.get(finding.code, ""), finding.span) in self._places:
            return False
        self._seen.add(key)
        self._places.add((finding.code, finding.span))
        comments = self._silenced.get(finding.span.file) if finding.span else None
        return not (comments and _is_silenced(finding, comments))


def _sort_key(finding: Finding) -> tuple[str, int, int, str]:
    span = finding.span
    return (span.file, span.line, span.column, finding.code) if span else ("", 0, 0, finding.code)


def worst(findings: Iterable[Finding]) -> int:
    """The exit status: 2 with an error, 1 with a warning, else 0."""
    return max((2 - _ORDER[finding.severity] for finding in findings), default=0)


def _of_file(site: Site, file: ConfigFile) -> Iterator[Finding]:
    """The findings of one web.config."""
    path = Path(site.local_path(file.directory), file.name.rpartition("/")[2])
    unsaved = site.settings.unsaved.get(str(path))
    for known in file.findings:
        if not _concerns_nothing(known, path.parent):
            yield remedies.of_host_only(malformed_xml.explained(known, path, unsaved))
    for effective in configuration_files.of_file(site, file):
        yield from _of_configuration(site, effective, file)
    yield from _unknown_codes(file)
    yield from source_text.findings(file, site.path)
    if not any(known.severity == "error" for known in file.findings):
        unsaved = site.settings.unsaved.get(str(path))
        yield from stray_text.findings(file.name, path, unsaved)
    yield from htaccess.lines(file.name, _text(path, unsaved))


def _concerns_nothing(finding: Finding, folder: Path) -> bool:
    """Whether a lock is that of a <location> which no URL is in: that has been said."""
    is_lock = finding.code == "config-locked-section"
    return is_lock and source_text.is_of_site(finding.location, folder)


def _text(path: Path, unsaved: bytes | None) -> str:
    """The text of a configuration file, as far as it is UTF-8."""
    data = content(path.parent, path.name) if unsaved is None else unsaved
    return data.decode("utf-8", "replace")


def _of_site(site: Site, files: list[ConfigFile]) -> Iterator[Finding]:
    """The findings of the site as a whole."""
    if not files and (lack := configuration_files.missing(site.path)):
        yield lack
    for section in (application_request_routing.SECTION, web_farms.SECTION):
        yield from site.effective("/").errors(section)  # of the host configuration
    yield from app_settings.findings(site)
    yield from kinder_than_iis.findings(site)
    yield from unused_maps.findings(files, site.tree.host)
    yield from htaccess.files(site, files)
    yield from iisnode.findings(site, files)
    yield from transforms.findings(site)
    yield from hidden_files.findings(site)
    yield from hidden_folders.findings(site)
    yield from served_files.findings(site)
    yield from application_requests.findings(site)
    yield from identities.findings(site, files)


def _of_configuration(site: Site, effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """The findings of a folder's effective configuration that this file causes."""
    compiled, sent = effective.view(inbound), effective.view(outbound)
    found = [
        *effective.findings(),
        *compiled.errors,
        *compiled.global_errors,
        *compiled.warnings,
        *sent.errors,
        *_told(sent.warnings),
    ]
    bad = effective.view(handler_mappings.table).bad_pre_condition
    found += [bad] if bad is not None else []
    own = [rule for rule in compiled.rules if rule.span.file == file.name]
    outside = folder_rules.outside(site, effective, file) if own else ()
    found += taken_paths.findings(site, own)
    above = folder_rules.above(site, file) if own else ()
    found += rewrite_rules.findings(compiled.rules, own, outside, above) if own else []
    at_root = configuration_files.names(site.path) if own else ()
    known = {variable.name.upper() for rule in compiled.rules for variable in rule.variables}
    for rule in own:
        if rule.page_rule is None:
            found += [
                *rewrite_conditions.findings(rule, known),
                *condition_sets.findings(rule),
                *lookaheads.findings(rule),
                *origin_patterns.of_inbound(rule),
                *sets_of_letters.findings(rule, at_root),
                *rewrite_targets.findings(site, effective, rule),
                *htaccess.findings(rule),
            ]
    found += folder_rules.findings(site, effective, file, own, outside)
    found += served_files.of_configuration(site, effective, file)
    if not (compiled.errors or any(finding.severity == "error" for finding in found)):
        found += redirects.findings(site, effective, own)
        found += missing_targets.findings(site, own)
        found += followed_rules.findings(site, effective, own)
        if configuration_files.holds_files(site.path):
            found += replaced_rewrites.findings(site, effective, own)
    found += outbound_rules.findings(effective)
    found += [*handlers.findings(effective, file), *handlers.platform(site, effective, file)]
    found += handlers.not_emulated(effective)
    found += iis_modules.findings(site, effective, file)
    found += mime_maps.of_configuration(effective, file)
    found += sign_in.findings(effective, file)
    bad_templates = {finding.span for finding in found if finding.code == "rewrite-bad-template"}
    served_as_files = handlers.serve_files(effective)
    lost = any(known.code in ("config-unreadable", "config-source") for known in file.findings)
    for finding in consequences.left_out(found, own):
        if finding.span is None or finding.span.file != file.name:
            continue
        if _concerns_nothing(finding, Path(site.local_path(file.directory))):
            continue
        if finding.code == "rewrite-literal-condition" and finding.span in bad_templates:
            continue  # a template that cannot be used is empty: that has been said
        if finding.code == "azure-page-static-rule" and not served_as_files:
            continue  # a handler takes every path: no file is served by itself
        if finding.code == "rewrite-bad-template" and lost:
            continue  # its map may be in the file that cannot be read
        names = [node.text("name") for node in effective.section(MAPS).items]
        yield remedies.near_map(finding, names)


def _told(warnings: Iterable[Finding]) -> Iterator[Finding]:
    """Warnings of outbound rules, but for request headers that are set back after compression, as
    is the custom of rules for proxies.
    """
    return (finding for finding in warnings if "'HTTP_" not in finding.message)


def _silenced(file: ConfigFile) -> dict[int, set[str]]:
    """Line -> codes that comments leave out there; 0 = in the whole file (a comment before the root
    element).
    """
    lines = sorted(file.root.lines()) if file.root is not None else []
    found: dict[int, set[str]] = {}
    for comment in file.comments:
        for match in _IGNORE.finditer(comment.text):
            codes = {known for known, _ in _codes(match[1]) if known}
            whole = file.root is not None and comment.line < file.root.span.line
            line = (
                0 if whole else next((line for line in lines if line >= comment.line), comment.line)
            )
            found.setdefault(line, set()).update(codes)
            if not whole:
                found.setdefault(comment.line, set()).update(codes)
    return found


def _codes(text: str) -> Iterator[tuple[str, str]]:
    """The codes that a comment names as (code as it is called today or "", code as written)."""
    for written in filter(None, (part.strip() for part in text.split(","))):
        try:
            yield catalogue.kind(written).code, written
        except catalogue.UnknownCode:
            yield "", written


def _unknown_codes(file: ConfigFile) -> Iterator[Finding]:
    for comment in file.comments:
        for match in _IGNORE.finditer(comment.text):
            for known, code in _codes(match[1]):
                if not known:
                    near = catalogue.UnknownCode(code).near
                    yield catalogue.finding(
                        f"check-unknown-code{'/near' if near else ''}",
                        Span(file.name, comment.line, 1),
                        code=code,
                        near=near,
                    )


def _is_silenced(finding: Finding, silenced: dict[int, set[str]]) -> bool:
    assert finding.span is not None
    return any(finding.code in silenced.get(line, ()) for line in (0, finding.span.line))
