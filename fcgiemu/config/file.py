"""One configuration file: its sections found, checked against the schema and typed. All errors in
one pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PureWindowsPath

from . import schema, values
from .diagnostics import E_LOCKED, ConfigurationError, Finding, Span
from .locks import NO_OVERRIDES, Override, Overrides
from .reader import Comment, Element, read_bytes, read_file
from .schema import ElementSchema

_REWRITE = schema.WEB_SERVER + "rewrite"
#: Parts of the rewrite section whose errors have a status of their own (500.52, 500.51).
_APART = {_REWRITE + "/outboundRules", _REWRITE + "/globalRules"}


@dataclass(slots=True)
class TypedElement:
    """An element whose attributes have become values; collections are still directives, in document
    order.
    """

    schema: ElementSchema
    span: Span
    values: dict[str, values.Value] = field(default_factory=dict)
    children: list[TypedElement] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    #: lockAttributes, lockItem and their like, as written.
    locks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Directive:
    """``add``, ``remove`` or ``clear`` in a collection; ``element`` holds the entry or the key."""

    kind: str
    collection: str
    element: TypedElement


@dataclass(slots=True)
class SectionInstance:
    """A section as it stands once in a file: top level, or in a <location> whose path is
    ``location``.
    """

    path: str
    location: str
    element: TypedElement
    inherit: bool = True


@dataclass(slots=True)
class ConfigFile:
    """A parsed configuration file of the folder ``directory`` (site-absolute, no trailing slash, ""
    = root).
    """

    name: str
    directory: str
    sections: list[SectionInstance] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    root: Element | None = None
    is_host: bool = False
    #: The distinct <location> paths, lower case without slashes at the ends, in document order.
    locations: list[str] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    #: Sections in which this file locks attributes, elements or entries.
    locking: set[str] = field(default_factory=set)
    #: Whether this is the configuration that fcgiemu ships: its locks are only warnings unless
    #: asked for.
    is_shipped: bool = False

    def covering(self, path: str, site_name: str) -> tuple[str, ...]:
        """The <location> paths of this file that cover the URL path ``path`` (lower case, as
        ``site_name``).
        """
        below = (
            path[len(self.directory) :].strip("/") + "/"
            if path.startswith(self.directory.lower())
            else "/"
        )
        if self.is_host:
            below = f"{site_name}/{below}"
        return tuple(place for place in self.locations if below.startswith(place + "/"))


@dataclass(frozen=True, slots=True)
class Policy:
    """How strictly the locks of the server are applied; see DESIGN: unlocked with a finding by
    default.
    """

    strict_locks: bool = False
    strict_rewrite_locks: bool = False


SHIPPED_POLICY = Policy()


def load(
    path: Path | bytes,
    name: str,
    directory: str = "",
    *,
    is_host: bool = False,
    application_root: bool = True,
    policy: Policy = SHIPPED_POLICY,
    overrides: Overrides = NO_OVERRIDES,
) -> ConfigFile:
    """Load a file (or its bytes). A file that is not well-formed yields a ConfigFile whose only
    content is the error.

    ``overrides`` is what the files above lock and unlock.
    """
    file = ConfigFile(
        name, directory, is_host=is_host, is_shipped=is_host and isinstance(path, bytes)
    )
    try:
        document = read_bytes(path, name) if isinstance(path, bytes) else read_file(path, name)
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
        policy: Policy,
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
        self.seen: set[tuple[str, str]] = set()
        #: Those of them that stand in a <location>.
        self.in_location: set[tuple[str, str]] = set()
        #: The <location> path that is being read, "" outside of one.
        self.place = ""

    def report(
        self,
        code: str,
        severity: str,
        message: str,
        span: Span,
        section: str = "",
        hint: str = "",
        hresult: int = 0x8007000D,
    ) -> None:
        self.file.findings.append(
            Finding(code, severity, message, span, hint, hresult, section, self.place)
        )

    # -- structure ---------------------------------------------------------------------------------

    def configuration(self, root: Element) -> None:
        if (
            root.tag == "system.webServer" and self.file.is_host
        ):  # a fragment of applicationHost.config
            self.group(root, schema.WEB_SERVER, "", True)
            return
        if root.tag != "configuration":
            self.report(
                "config-root",
                "error",
                "The root element must be <configuration>",
                root.span,
                hint=f"Wrap the content of <{root.tag}> in <configuration> … </configuration>.",
            )
            return
        self.top_level(root, "", True)

    def top_level(self, parent: Element, location: str, inherit: bool) -> None:
        for index, child in enumerate(parent.children):
            if child.tag == "system.webServer":
                self.group(child, schema.WEB_SERVER, location, inherit)
            elif child.tag == "appSettings":
                self.section("appSettings", child, location, inherit)
            elif child.tag == "location":
                self.location(child, nested=bool(location))
            elif child.tag == "configSections":
                self.config_sections(child, index)
            elif child.tag == "system.applicationHost":
                if not self.file.is_host:
                    self.locked(child, "system.applicationHost", fatal=self.policy.strict_locks)
            elif child.tag in _MISPLACED:
                self.report(
                    "config-misplaced-section",
                    "warning",
                    f"<{child.tag}> directly under <configuration> has no effect",
                    child.span,
                    hint=f"Move it into {_MISPLACED[child.tag]}.",
                )

    def location(self, element: Element, nested: bool) -> None:
        unknown = set(element.attributes) - {
            "path",
            "overrideMode",
            "allowOverride",
            "inheritInChildApplications",
        }
        for name in sorted(unknown):
            self.unrecognized_attribute(name, element.span, "")
        if nested:
            self.report(
                "config-nested-location",
                "error",
                "Unrecognized element 'location'",
                element.span,
                hint="A <location> cannot stand inside another one.",
            )
            return
        path = element.attributes.get("path", "").replace("\\", "/").strip("/")
        inherit = element.attributes.get("inheritInChildApplications", "true").lower() != "false"
        if {"overrideMode", "allowOverride"} <= set(element.attributes):
            self.report(
                "config-override-mode",
                "error",
                "'overrideMode' and 'allowOverride' cannot be used together",
                element.span,
                hint="Drop allowOverride.",
            )
        if element.attributes.get("overrideMode", "Allow") not in ("Allow", "Deny", "Inherit"):
            self.report(
                "config-bad-value",
                "error",
                "The 'overrideMode' attribute is invalid.  Enum must be one of Inherit, "
                "Allow, Deny",
                element.span,
                hint='Write overrideMode="Allow" or "Deny".',
            )
        mode = element.attributes.get("overrideMode", "Inherit")
        if "allowOverride" in element.attributes:
            mode = "Allow" if element.attributes["allowOverride"].lower() == "true" else "Deny"
        self.mode = {"Allow": True, "Deny": False}.get(mode)
        self.place = "" if path in ("", ".") else path.lower()
        if self.place and self.place not in self.file.locations:
            self.file.locations.append(self.place)
        self.top_level(element, self.place or ".", inherit)
        self.place, self.mode = "", None

    def config_sections(self, element: Element, index: int) -> None:
        if index:
            self.report(
                "config-sections-position",
                "error",
                "Only one <configSections> element allowed. It must be "
                "the first child element of the root <configuration> element",
                element.span,
                hint="Move <configSections> to the top of the file.",
            )
        for group in element.iter("sectionGroup"):
            if group.attributes.get("name") == "system.webServer":
                self.declared |= {str(part.attributes.get("name")) for part in group.children}
                if self.file.is_host:
                    self.section_modes(group, schema.WEB_SERVER)

    def section_modes(self, group: Element, prefix: str) -> None:
        """overrideModeDefault of the <section> elements of a server's own configuration."""
        for part in group.children:
            path = prefix + part.attributes.get("name", "")
            if part.tag == "sectionGroup":
                self.section_modes(part, path + "/")
            elif path not in schema.LOCKED and part.attributes.get("overrideModeDefault") == "Deny":
                self.file.overrides.append(Override(path, "", False, part.span))
            elif (
                path in schema.LOCKED
                and part.attributes.get("overrideModeDefault", "Allow") == "Allow"
            ):
                self.file.overrides.append(Override(path, "", True, part.span))

    def group(self, element: Element, prefix: str, location: str, inherit: bool) -> None:
        """The children of system.webServer or of one of its section groups."""
        for child in element.children:
            relative = (prefix + child.tag).removeprefix(schema.WEB_SERVER)
            if relative in schema.GROUPS:
                self.group(child, prefix + child.tag + "/", location, inherit)
            elif prefix + child.tag in schema.sections():
                self.section(prefix + child.tag, child, location, inherit)
            elif relative.partition("/")[0] in schema.TOLERATED | self.declared:
                continue
            else:
                self.unknown_section(prefix, child)

    def unknown_section(self, prefix: str, child: Element) -> None:
        known = [path.removeprefix(prefix) for path in schema.sections() if path.startswith(prefix)]
        near = get_close_matches(child.tag, [*known, *schema.GROUPS], 1)
        elsewhere = [path for path in schema.sections() if path.endswith("/" + child.tag)]
        hint = (
            f"Did you mean <{near[0]}>?"
            if near
            else "Install the module that brings this section, or remove it."
        )
        if elsewhere:
            hint = f"This section belongs in {elsewhere[0].rpartition('/')[0]}."
        message = (
            f"Unrecognized element '{child.tag}'"
            if prefix.startswith(_REWRITE)
            else (
                "The configuration section"
                f" '{(prefix + child.tag).removeprefix(schema.WEB_SERVER)}' cannot be read because"
                " it is missing a section declaration"
            )
        )
        self.report("config-unknown-section", "error", message, child.span, "", hint)

    # -- one section -------------------------------------------------------------------------------

    def section(self, path: str, element: Element, location: str, inherit: bool) -> None:
        if not self.allowed(path, element):
            return
        if "configProtectionProvider" in element.attributes:
            self.report(
                "config-encrypted-section",
                "error",
                f"The section '{path}' is encrypted and cannot be read here",
                element.span,
                path,
                "Decrypt it with aspnet_regiis -pdf, or put its values into --host-config.",
            )
            return
        if self.mode is not None:
            self.file.overrides.append(Override(path, self.place, self.mode, element.span))
        key = (path, "" if location == "." else location)
        if key in self.seen and path != "appSettings":
            # Documented for <location>; that IIS refuses two at top level as well is inferred, so
            # it only warns.
            located = bool(location) or key in self.in_location
            self.report(
                "config-duplicate-section",
                "error" if located else "warning",
                f"There is a duplicate '{path}' section defined",
                element.span,
                hint="Join the two sections into one.",
            )
            if located:
                return
        self.seen.add(key)
        if location:
            self.in_location.add(key)
        source = self.config_source(element)
        if source is None:
            return
        issue_section = _REWRITE if path.startswith(_REWRITE) and path not in _APART else path
        typer = _Typer(self.file, issue_section, self.place)
        typed = typer.element(source, schema.sections()[path])
        if typer.locks:
            self.file.locking.add(path)
        self.file.sections.append(
            SectionInstance(path, "" if location == "." else location, typed, inherit)
        )

    def allowed(self, path: str, element: Element) -> bool:
        """Whether the section may stand in this file; reports where IIS as shipped says no."""
        if self.file.is_host:
            return True
        if path in schema.APPLICATION_ROOT_ONLY and not (self.application_root and not self.place):
            return False  # measured: ignored silently below the application root
        if path == _REWRITE + "/globalRules":
            self.locked(element, path, fatal=True)
            return False
        if path in self.overrides.denied:
            self.locked(element, path, True, self.overrides.denied[path])
            return False
        if path in schema.HOST_ONLY | (schema.LOCKED - self.overrides.allowed):
            fatal = self.policy.strict_locks or (
                path.startswith(_REWRITE) and self.policy.strict_rewrite_locks
            )
            self.locked(element, path, fatal)
            return not fatal
        return True

    def locked(self, element: Element, path: str, fatal: bool, by: Span | None = None) -> None:
        where = f"by {by}" if by else "by default in applicationHost.config"
        self.report(
            "config-locked-section",
            "error" if fatal else "warning",
            "This configuration section cannot be used at this path. This happens when the section"
            f" is locked at a parent level ({path}, locked {where})",
            element.span,
            "",
            'Unlock the section there (overrideMode="Allow"), or put it into --host-config.',
            E_LOCKED,
        )

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
            self.report(
                "config-source",
                "error",
                f"The configSource '{source}' must be a relative path at or below "
                "this file's folder",
                element.span,
                hint="Move the file beside web.config.",
            )
            return None
        name = (self.file.name.rpartition("/")[0] + "/" + "/".join(windows.parts)).lstrip("/")
        try:
            root = read_file(_any_case(self.folder, windows.parts), name).root
        except ConfigurationError as error:
            self.file.findings.append(error.finding)
            return None
        if root.tag != element.tag:
            self.report(
                "config-source",
                "error",
                f"The root element must match the name of the section '{element.tag}'",
                root.span,
                hint=f"Rename <{root.tag}> to <{element.tag}>.",
            )
            return None
        return root

    def unrecognized_attribute(self, name: str, span: Span, section: str) -> None:
        self.report(
            "config-unknown-attribute", "error", f"Unrecognized attribute '{name}'", span, section
        )


def _any_case(folder: Path, parts: tuple[str, ...]) -> Path:
    """A file below ``folder`` whose names compare without case, as on NTFS; the path as written
    where there is none.
    """
    path = folder
    for part in parts:
        exact = path / part
        if not exact.exists() and path.is_dir():
            exact = next(
                (entry for entry in sorted(path.iterdir()) if entry.name.lower() == part.lower()),
                exact,
            )
        path = exact
    return path


#: Sections people put directly under <configuration> by mistake -> where they belong.
_MISPLACED = {
    "httpErrors": "<system.webServer>",
    "rewrite": "<system.webServer>",
    "handlers": "<system.webServer>",
    "staticContent": "<system.webServer>",
    "httpProtocol": "<system.webServer>",
    "customErrors": "<system.web>",
}
_LOCK_ATTRIBUTES = frozenset(
    {
        "lockAttributes",
        "lockAllAttributesExcept",
        "lockElements",
        "lockAllElementsExcept",
        "lockItem",
    }
)


class _Typer:
    """Turns the elements of one section into typed ones and reports what the schema does not
    know.
    """

    def __init__(self, file: ConfigFile, section: str, place: str) -> None:
        self.file = file
        self.place = place
        self.section = section
        #: Unknown names break every request below the file (spec 8.2), the rewrite module's own
        #: sections apart.
        self.names_section = section if section.startswith(_REWRITE) else ""
        self.locks = False

    def element(self, element: Element, known: ElementSchema) -> TypedElement:
        typed = self.entry(element, known)
        for child in element.children:
            if child.tag in known.children:
                typed.children.append(self.element(child, known.children[child.tag]))
            elif (directive := self.directive(child, known)) is not None:
                typed.directives.append(directive)
        return typed

    def entry(self, element: Element, known: ElementSchema) -> TypedElement:
        typed = TypedElement(known, element.span)
        for name, text in element.attributes.items():
            attribute = known.attributes.get(name)
            if attribute is not None:
                self.attribute(typed, attribute, text)
            elif name in _LOCK_ATTRIBUTES:
                typed.locks[name] = text
                self.locks = True
            elif name != "configSource":
                self.unknown("attribute", name, element.span, known.attributes)
        return typed

    def attribute(self, typed: TypedElement, attribute: schema.Attribute, text: str) -> None:
        try:
            typed.values[attribute.name] = values.parse(attribute, text)
        except values.OddCase as odd:
            typed.values[attribute.name] = odd.value
            # In rewrite sections another case is known to work.
            severity = "info" if self.section.startswith(_REWRITE) else "warning"
            self.report(
                "config-value-case",
                severity,
                f"'{text}' is not exactly a value of '{attribute.name}'",
                typed.span,
                hint=f'Write {attribute.name}="{odd.text}".',
            )
        except values.BadValue as bad:
            self.report(
                "config-bad-value",
                "error",
                f"The '{attribute.name}' attribute is invalid.  {bad}",
                typed.span,
                hint=f'Mend {attribute.name}="{text}".',
                section=self.section,
            )

    def directive(self, element: Element, known: ElementSchema) -> Directive | None:
        for name, collection in known.collections.items():
            if element.tag == name:
                return Directive("add", name, self.added(element, collection.entry))
            if element.tag == collection.clear:
                return Directive("clear", name, TypedElement(collection.entry, element.span))
            if element.tag == collection.remove:
                return Directive("remove", name, self.entry(element, collection.entry))
        words = {
            *known.children,
            *known.collections,
            *(
                word
                for part in known.collections.values()
                for word in (part.remove, part.clear)
                if word
            ),
        }
        self.unknown("element", element.tag, element.span, words)
        return None

    def added(self, element: Element, known: ElementSchema) -> TypedElement:
        before = len(self.file.findings)
        typed = self.element(element, known)
        if element.tag in ("rule", "preCondition", "rewriteMap"):
            name = element.attributes.get("name", "")
            self.file.findings[before:] = [
                replace(finding, hint=f"{finding.hint} (In {element.tag} '{name}'.)")
                for finding in self.file.findings[before:]
            ]
        for attribute in known.attributes.values():
            if "required" in attribute.words and attribute.name not in element.attributes:
                self.report(
                    "config-missing-attribute",
                    "error",
                    f"Missing required attribute '{attribute.name}'",
                    element.span,
                    hint=f'Add {attribute.name}="…" to this <{element.tag}>.',
                    section=self.names_section,
                )
        return typed

    def unknown(self, kind: str, name: str, span: Span, known: Iterable[str]) -> None:
        near = get_close_matches(name, list(known), 1)
        self.report(
            f"config-unknown-{kind}",
            "error",
            f"Unrecognized {kind} '{name}'",
            span,
            hint=(
                f"Did you mean '{near[0]}'?"
                if near
                else f"Remove it: this place knows no such {kind}."
            ),
            section=self.names_section,
        )

    def report(
        self,
        code: str,
        severity: str,
        message: str,
        span: Span,
        hint: str,
        section: str | None = None,
    ) -> None:
        self.file.findings.append(
            Finding(
                code,
                severity,
                message,
                span,
                hint,
                section=self.section if section is None else section,
                location=self.place,
            )
        )
