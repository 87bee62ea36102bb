"""One configuration file: its sections found, checked against the schema, against what the files
above lock (an error or a warning), and typed. All errors in one pass.
"""

from __future__ import annotations

import errno
import os
from difflib import get_close_matches
from pathlib import Path, PureWindowsPath

from .. import catalogue
from ..catalogue.findings import Span
from ..files import FileView
from . import meant_names, schema
from .errors import ConfigurationError
from .locks import NO_OVERRIDES, UNLOCKED_BY_IISNODE, Overrides, uses_iisnode
from .model import SHIPPED_POLICY, ConfigFile, LockPolicy, Override, SectionInstance
from .reader import Element, read_bytes, read_file
from .typed import MAX_HINTS, REWRITE, Typer

__all__ = ["SHIPPED_POLICY", "ConfigFile", "LockPolicy", "load"]

#: Parts of the rewrite section whose errors have a status of their own (500.52, 500.51).
_APART = {REWRITE + "/outboundRules", REWRITE + "/globalRules"}


def load(
    path: Path | bytes,
    name: str,
    directory: str = "",
    *,
    is_host: bool = False,
    application_root: bool = True,
    policy: LockPolicy = SHIPPED_POLICY,
    overrides: Overrides = NO_OVERRIDES,
    content: bytes | None = None,
) -> ConfigFile:
    """Load a file (or its bytes). A file that is not well-formed yields a ConfigFile whose only
    content is the error.

    ``overrides`` is what the files above lock and unlock. ``content`` is read in the place of the
    file's own.
    """
    given = path if isinstance(path, bytes) else content
    file = ConfigFile(
        name=name,
        directory=directory,
        is_host=is_host,
        is_shipped=is_host and isinstance(path, bytes),
    )
    try:
        document = (
            read_file(path, name)
            if given is None and isinstance(path, Path)
            else read_bytes(given or b"", name)
        )
    except ConfigurationError as error:
        file.findings.append(error.finding)
        return file
    file.root, file.comments = document.root, document.comments
    loader = _Loader(
        file, path.parent if isinstance(path, Path) else None, application_root, policy, overrides
    )
    loader.configuration(document.root)
    return file


class _Loader:
    """Walks one document into a ConfigFile."""

    def __init__(
        self,
        file: ConfigFile,
        folder: Path | None,
        application_root: bool,
        policy: LockPolicy,
        overrides: Overrides,
    ) -> None:
        self.file = file
        self.folder = folder
        self.application_root = application_root
        self.policy = policy
        self.overrides = overrides
        #: The overrideMode of the <location> that is being read: True = Allow.
        self.mode: bool | None = None
        self.declared: set[str] = set()
        #: Sections and groups of the file's own, for programs.
        self.own: set[str] = set()
        self.seen: set[tuple[str, str]] = set()
        #: The <location> path that is being read, "" outside of one.
        self.place = ""

    def report(
        self,
        code: str,
        span: Span,
        /,
        *,
        severity: str = "",
        section: str = "",
        **values: object,
    ) -> None:
        """Note a finding of the catalogue; ``severity`` replaces its own."""
        self.file.findings.append(
            catalogue.filled(
                code, values, span, severity=severity, section=section, location=self.place
            )
        )

    # -- structure ---------------------------------------------------------------------------------

    def configuration(self, root: Element) -> None:
        if (
            root.tag == "system.webServer" and self.file.is_host
        ):  # a fragment of applicationHost.config
            self.group(root, schema.WEB_SERVER, "", True)
            return
        if root.tag != "configuration":
            self.other_root(root)
            return
        self.top_level(root, "", True)

    def other_root(self, root: Element) -> None:
        """A root element that is not <configuration>, as IIS wants it."""
        tag = root.tag.rpartition("}")[2]
        paths = (path.split("/") for path in schema.sections())
        place = next((path[: path.index(tag)] for path in paths if tag in path), None)
        around = ["configuration", *(place or ())]
        form = (
            "namespace"
            if tag == "configuration"
            else "case"
            if tag.lower() == "configuration"
            else "page"
            if tag.lower() == "html"
            else "rules"
            if tag == "rewrite" and root.find("rule") is not None
            else ""
            if place is not None or tag in _TOP_LEVEL
            else "other"
        )
        self.report(
            f"config-root{form and '/' + form}",
            root.span,
            tag=tag,
            outer="".join(f"<{name}>" for name in around),
            closing="".join(f"</{name}>" for name in reversed(around)),
        )

    def top_level(self, parent: Element, location: str, inherit: bool) -> None:
        for index, child in enumerate(parent.children):
            if child.tag == "system.webServer":
                self.group(child, schema.WEB_SERVER, location, inherit)
            elif child.tag in ("appSettings", "webFarms"):
                self.section(child.tag, child, location, inherit)
            elif child.tag == "location":
                self.location(child, nested=bool(location))
            elif child.tag == "configSections":
                self.config_sections(child, index)
            elif child.tag == "system.applicationHost":
                if not self.file.is_host:
                    self.locked(child, "system.applicationHost", fatal=self.policy.strict_locks)
            elif child.tag == "configuration":
                self.report("config-misplaced-section/nested", child.span)
            elif child.tag in _MISPLACED and child.tag not in self.own:
                self.report(
                    "config-misplaced-section",
                    child.span,
                    tag=child.tag,
                    parent=parent.tag,
                    place=_MISPLACED[child.tag],
                )

    def location(self, element: Element, nested: bool) -> None:
        unknown = set(element.attributes) - {
            "path",
            "overrideMode",
            "allowOverride",
            "inheritInChildApplications",
        }
        for name in sorted(unknown):
            self.report(
                "config-unknown-attribute",
                element.span,
                name=name,
                remedy="Remove it: this place knows no such attribute.",
            )
        if nested:
            self.report("config-nested-location", element.span)
            return
        path = element.attributes.get("path", "").replace("\\", "/").strip("/")
        inherit = element.attributes.get("inheritInChildApplications", "true").lower() != "false"
        if {"overrideMode", "allowOverride"} <= set(element.attributes):
            text = element.attributes["allowOverride"]
            self.report("config-override-mode", element.span, text=text)
        if element.attributes.get("overrideMode", "Allow") not in ("Allow", "Deny", "Inherit"):
            self.report("config-bad-value/mode", element.span)
        mode = element.attributes.get("overrideMode", "Inherit")
        if "allowOverride" in element.attributes:
            mode = "Allow" if element.attributes["allowOverride"].lower() == "true" else "Deny"
        self.mode = {"Allow": True, "Deny": False}.get(mode)
        self.place = "" if path in ("", ".") else path.lower()
        if self.place:
            self.file.locations.setdefault(self.place, len(self.file.locations))
        self.top_level(element, self.place or ".", inherit)
        self.place, self.mode = "", None

    def config_sections(self, element: Element, index: int) -> None:
        if index:
            self.report("config-sections-position", element.span)
        self.declarations(element)
        for tag in ("section", "sectionGroup"):
            self.own |= {part.attributes.get("name", "") for part in element.iter(tag)}
        for group in element.iter("sectionGroup"):
            if group.attributes.get("name") == "system.webServer":
                self.declared |= {str(part.attributes.get("name")) for part in group.children}
                if self.file.is_host:
                    self.section_modes(group, schema.WEB_SERVER)

    def declarations(self, element: Element) -> None:
        """What stands in <configSections> is declarations alone."""
        for part in element.children:
            if part.tag == "sectionGroup":
                self.declarations(part)
            elif part.tag not in ("section", "remove", "clear"):
                self.report(
                    "config-unknown-element",
                    part.span,
                    name=part.tag,
                    remedy="Move it out of <configSections>, directly into <configuration>.",
                )

    def section_modes(self, group: Element, prefix: str) -> None:
        """overrideModeDefault of the <section> elements of a server's own configuration."""
        for part in group.children:
            path = prefix + part.attributes.get("name", "")
            if part.tag == "sectionGroup":
                self.section_modes(part, path + "/")
            elif path not in schema.LOCKED and part.attributes.get("overrideModeDefault") == "Deny":
                self.file.overrides.append(Override(path, "", False, part.span))
            elif part.attributes.get(
                "overrideModeDefault", "Allow" if path in schema.LOCKED else ""
            ) == "Allow":  # fmt: skip
                self.file.overrides.append(Override(path, "", True, part.span))

    def group(self, element: Element, prefix: str, location: str, inherit: bool) -> None:
        """The children of system.webServer or of one of its section groups."""
        for child in element.children:
            relative = (prefix + child.tag).removeprefix(schema.WEB_SERVER)
            if relative in schema.GROUPS:
                self.group(child, prefix + child.tag + "/", location, inherit)
            elif self.is_declared(prefix + child.tag):
                self.section(prefix + child.tag, child, location, inherit)
            elif relative.partition("/")[0] in schema.TOLERATED | self.declared:
                continue
            elif prefix == schema.WEB_SERVER and child.tag in schema.OF_OTHERS:
                module = schema.OF_OTHERS[child.tag]
                self.report("config-other-module", child.span, element=child.tag, module=module)
            else:
                self.unknown_section(prefix, child)

    def is_declared(self, path: str) -> bool:
        """Whether the server knows a section."""
        module = schema.EXTENSIONS.get(path)
        return path in schema.sections() and (module is None or module in self.policy.modules)

    def unknown_section(self, prefix: str, child: Element) -> None:
        known = [
            path.removeprefix(prefix)
            for path in schema.sections()
            if path.startswith(prefix) and path not in schema.EXTENSIONS
        ]
        self.file.unknown_names += 1
        near = (
            get_close_matches(child.tag, [*known, *schema.GROUPS], 1)
            if self.file.unknown_names <= MAX_HINTS
            else []
        )
        elsewhere = [path for path in schema.sections() if path.endswith("/" + child.tag)]
        remedy = (
            f"Did you mean <{near[0]}>?"
            if near
            else "Install the module that brings this section, or remove it."
        )
        own = meant_names.in_right_case(*child.attributes)
        inner = dict.fromkeys((*own, *meant_names.in_another_case(child)))
        if near and near[0].lower() == child.tag.lower() and inner:
            names = ", ".join(inner)
            remedy = f"Write <{near[0]}>, and below it {names}: case counts in all names."
        if module := schema.EXTENSIONS.get(prefix + child.tag):
            remedy = (
                f"Install {module} on the server, and say here that it is: --module {module}. Or"
                " remove the section."
            )
        elif child.tag == "system.webServer":
            remedy = "Remove this <system.webServer> and its end, and keep what is between them."
        elif child.tag in schema.GROUPS and prefix != schema.WEB_SERVER:
            remedy = "This section belongs in system.webServer."
        elif child.tag in _OF_ROOT:
            remedy = f"Move <{child.tag}> out of here, directly into <configuration>."
        elif child.tag in _OF_SYSTEM_WEB:
            remedy = f"Move <{child.tag}> into <system.web>, or remove it: it is for ASP.NET alone."
        elif elsewhere:
            remedy = f"This section belongs in {elsewhere[0].rpartition('/')[0]}."
        elif self.file.unknown_names <= MAX_HINTS and (homes := meant_names.homes(child, prefix)):
            remedy = f"Put it into {homes}."
        path = (prefix + child.tag).removeprefix(schema.WEB_SERVER)
        if prefix.startswith(REWRITE):
            self.report("config-unknown-section/element", child.span, name=child.tag, remedy=remedy)
        else:
            self.report("config-unknown-section/section", child.span, name=path, remedy=remedy)

    # -- one section -------------------------------------------------------------------------------

    def section(self, path: str, element: Element, location: str, inherit: bool) -> None:
        if not self.allowed(path, element):
            return
        if "configProtectionProvider" in element.attributes:
            self.report("config-encrypted-section", element.span, section=path, name=path)
            return
        if self.mode is not None:
            self.file.overrides.append(Override(path, self.place, self.mode, element.span))
        key = (path, "" if location == "." else location)
        if key in self.seen and path != "appSettings":  # public reports, empty ones too
            self.report("config-duplicate-section", element.span, name=path)
            return
        self.seen.add(key)
        source = self.config_source(element)
        if source is None:
            return
        issue_section = REWRITE if path.startswith(REWRITE) and path not in _APART else path
        typer = Typer(self.file, issue_section, self.place)
        typed = typer.element(source, schema.section(path, self.policy.modules))
        if typer.locks:
            self.file.locking.add(path)
        self.file.add(SectionInstance(path, "" if location == "." else location, typed, inherit))

    def allowed(self, path: str, element: Element) -> bool:
        """Whether the section may stand in this file; reports where IIS as shipped says no."""
        if self.file.is_host:
            return True
        if path in schema.APPLICATION_ROOT_ONLY and not (self.application_root and not self.place):
            return False  # measured: ignored silently below the application root
        if path in schema.HOST_ONLY:
            self.report("config-host-only", element.span, name=path)
            return False
        if path in self.overrides.denied:
            self.locked(element, path, True, self.overrides.denied[path])
            return False
        if path in UNLOCKED_BY_IISNODE and uses_iisnode(self.file.root):
            return True
        if path in (schema.LOCKED | self.policy.locked) - self.overrides.allowed:
            fatal = self.policy.strict_locks or (
                path.startswith(REWRITE) and self.policy.strict_rewrite_locks
            )
            self.locked(element, path, fatal)
            return not fatal
        return True

    def locked(self, element: Element, path: str, fatal: bool, by: Span | None = None) -> None:
        where = f"by {by}" if by else "by default in applicationHost.config"
        severity = "error" if fatal else "warning"
        self.report("config-locked-section", element.span, severity=severity, name=path, by=where)

    def config_source(self, element: Element) -> Element | None:
        """The element itself, or the root of the file that its configSource names."""
        source = element.attributes.get("configSource")
        if source is None:
            return element
        windows = PureWindowsPath(source)
        if (
            windows.is_absolute()
            or windows.root
            or windows.drive
            or ".." in windows.parts
            or not source
            or self.folder is None
        ):
            self.report("config-source/path", element.span, source=source)
            return None
        relative = "/".join(windows.parts)
        name = (self.file.name.rpartition("/")[0] + "/" + relative).lstrip("/")
        entry = FileView(str(self.folder)).find(relative)
        if entry is None or entry.is_directory:
            self.report(
                "config-unreadable/source",
                Span(name, 1, 1),
                reason=os.strerror(errno.ENOENT),
                source=source,
                where=element.span,
            )
            return None
        try:
            root = read_file(Path(entry.path), name).root
        except ConfigurationError as error:
            self.file.findings.append(error.finding)
            return None
        if root.tag != element.tag:
            self.report("config-source/root", root.span, tag=element.tag, root=root.tag)
            return None
        return root


#: What stands directly under <configuration>.
_TOP_LEVEL = frozenset({"system.web", "appSettings", "connectionStrings", "location"})
#: What people put into <system.webServer>, and belongs directly under <configuration>.
_OF_ROOT = frozenset(
    {"appSettings", "connectionStrings", "system.web", "location", "runtime", "elmah"}
)
#: Sections of <system.web> that people put into <system.webServer>.
_OF_SYSTEM_WEB = frozenset(
    """assemblies compilation customErrors globalization healthMonitoring httpCookies httpHandlers
    httpModules httpRuntime identity machineKey membership pages roleManager sessionState trace
    trust webServices""".split()
)
#: What people put directly under <configuration> by mistake -> where it belongs.
_MISPLACED = {
    path.split("/")[1]: "<system.webServer>"
    for path in schema.sections()
    if path.startswith("system.webServer/")
} | {
    **dict.fromkeys(_OF_SYSTEM_WEB, "<system.web>"),
    "rules": "<rewrite> of <system.webServer>",
    "requestFiltering": "<security> of <system.webServer>",
}
