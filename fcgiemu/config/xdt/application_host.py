"""``applicationHost.xdt``: how App Service for Windows lets a site change the
server's configuration.

At the start of a site the platform writes an applicationHost.config, and applies to it the
transform of each site extension and last that of the site itself. What fails is logged, and the
site starts with what was transformed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...catalogue.findings import Finding
from .. import schema
from ..reader import Element as ConfigElement
from . import Message
from .chain import apply_all, read
from .document import Child, XmlElement, parse
from .findings import of_messages
from .writer import text_of

NAME = "applicationHost.config"
NAME_OF_TRANSFORM = "applicationHost.xdt"
_VARIABLE = re.compile(r"%([A-Za-z_][A-Za-z0-9_()]*)%")
#: scriptProcessors that the platform had registered (inferred from its documentation).
_PYTHONS = ("Python27", "Python34")


@dataclass(frozen=True, slots=True)
class TransformPlace:
    """A transform file of an App Service: ``folder`` is its folder on Azure, ``label`` its path
    from the site's folder, as messages name it.
    """

    path: Path
    folder: str
    label: str

    @property
    def windows(self) -> str:
        """Where the file lies on Azure."""
        return f"{self.folder}\\applicationHost.xdt"


@dataclass(frozen=True, slots=True)
class HostTransforms:
    """The server's configuration after the transforms of an App Service, what they said, and the
    lines of their log.
    """

    data: bytes
    findings: tuple[Finding, ...]
    log: tuple[str, ...]


def places(home: Path, *, private_extensions: bool = True) -> list[TransformPlace]:
    """The transform files below a folder that stands for ``D:\\home``, in the order in which they
    are applied: site extensions by name (inferred), then the site's own. Links do not count.
    """
    found = []
    extensions = home / "SiteExtensions"
    if private_extensions and extensions.is_dir() and not extensions.is_symlink():
        for folder in sorted(extensions.iterdir(), key=lambda path: path.name.lower()):
            found += _place(folder, f"D:\\home\\SiteExtensions\\{folder.name}", home)
    return found + _place(home / "site", "D:\\home\\site", home)


def _place(folder: Path, windows: str, home: Path) -> list[TransformPlace]:
    if not folder.is_dir() or folder.is_symlink():
        return []
    return [
        TransformPlace(
            path, windows, os.path.relpath(path, home / "site" / "wwwroot").replace("\\", "/")
        )
        for path in folder.iterdir()
        if path.name.lower() == NAME_OF_TRANSFORM.lower()
        and path.is_file()
        and not path.is_symlink()
    ]


def applied(
    base: bytes, files: list[TransformPlace], site_name: str, environment: Mapping[str, str]
) -> HostTransforms:
    """Apply the transforms of a site to its applicationHost.config. ``environment`` is what
    ``%NAME%`` in them stands for, beside the platform's own variables.
    """
    findings: list[Finding] = []
    log = [f"{NAME} of {site_name}, {len(files)} transform{'s' * (len(files) != 1)}"]
    for place in files:
        log.append(f"transforming by {place.windows}")
        try:
            changes = read(place.path)
        except OSError as error:
            log.append(f"failed: {place.windows} cannot be read: {error.strerror}")
            continue
        given = {**environment, **_variables(site_name, place.folder)}
        chain = apply_all(base, NAME, [(place.label, expanded(changes, given))], keep_going=True)
        base = chain.data
        findings += of_messages(chain.messages, place.label)
        log += [_logged(message, place) for message in chain.messages]
        log.append(f"{'applied' if chain.ok else 'failed'}: {place.windows}")
    log.append("ended")
    milder = [
        replace(found, severity="warning") if found.severity == "error" else found
        for found in findings
    ]
    return HostTransforms(base, tuple(milder), tuple(log))


def _logged(message: Message, place: TransformPlace) -> str:
    """A message as a line of the log, which names no places in the base file."""
    text = re.sub(r" \([^()]*:\d+:\d+\)$", "", message.text)
    if message.kind in ("error", "warning"):
        span = message.span
        where = f" ({span.line}, {span.column})" if span is not None else ""
        text = f"{place.windows}{where} {message.kind}: {text}"
    return "  " * message.depth + text


def _variables(site_name: str, folder: str) -> dict[str, str]:
    return {
        "XDT_SITENAME": site_name,
        "XDT_SCMSITENAME": f"~1{site_name}",
        "XDT_APPPOOLNAME": site_name,
        "XDT_EXTENSIONPATH": folder,
        "XDT_BITNESS": "32bit",
    }


def ready(changes: bytes, site_name: str) -> bytes:
    """A transform file with the platform's own variables replaced, as if it lay in ``site``."""
    return expanded(changes, _variables(site_name, "D:\\home\\site"))


def expanded(changes: bytes, variables: Mapping[str, str]) -> bytes:
    """A transform file with each ``%NAME%`` that is known replaced, in any case, before anything
    else is done with it. A file that is not UTF-8 stays as it is.
    """
    try:
        text = changes.decode("utf-8-sig")
    except UnicodeDecodeError:
        return changes
    from xml.sax.saxutils import escape  # it loads urllib, http and ssl

    known = {name.upper(): value for name, value in variables.items()}

    def value(match: re.Match[str]) -> str:
        found = known.get(match[1].upper())
        return match[0] if found is None else escape(found, {'"': "&quot;", "'": "&apos;"})

    return _VARIABLE.sub(value, text).encode("utf-8")


def environment_of(root: ConfigElement | None) -> dict[str, str]:
    """The variables that ``<runtime><environmentVariables>`` adds to the worker's environment."""
    found: dict[str, str] = {}
    for runtime in root.iter("runtime") if root is not None else ():
        for add in runtime.iter("add"):
            if name := add.attributes.get("name"):
                found[name] = add.attributes.get("value", "")
    return found


# -- the file that the platform writes -------------------------------------------------------------


def model(shipped: bytes, platform: bytes, site_name: str) -> bytes:
    """An applicationHost.config as the platform writes one: the server's defaults, what the
    platform has otherwise, every section declared, the site and a <location> for it (inferred).
    """
    document = parse(shipped, NAME)
    root, other = document.root, parse(platform, NAME).root
    assert root is not None and other is not None
    for section in other.elements():
        if section.name == "location":
            root.children.append(section)
        else:
            _merge(_child(root, section.name), section)
    from xml.sax.saxutils import quoteattr  # it loads urllib, http and ssl

    name = quoteattr(site_name)
    text, _ = text_of(document)
    head, _, rest = text.partition("<configuration>")
    body, _, tail = rest.rpartition("</configuration>")
    return (
        f"{head}<configuration>{_sections()}{_site(name)}{_fast_cgi(body)}"
        f"<location path={name}><system.webServer /></location></configuration>{tail}"
    ).encode()


def _child(parent: XmlElement, name: str) -> XmlElement:
    found = next((child for child in parent.elements() if child.name == name), None)
    if found is None:
        found = XmlElement(name, parent.scope, parent.source, parent.offset)
        found.parent = parent
        parent.children.append(found)
        parent.empty = False
    return found


def _merge(into: XmlElement, section: XmlElement) -> None:
    """Lay a section over another: attributes are set, <clear> drops the entries before it."""
    for attribute in section.attributes:
        present = into.attribute(attribute.name)
        if present is not None:
            present.value = attribute.value
        else:
            into.attributes.append(attribute)
            into.order.append(attribute.name)
    if any(child.name == "clear" for child in section.elements()):
        kept: list[Child] = [child for child in section.children if not _is_clear(child)]
        into.children = kept
        return
    for child in section.elements():
        _merge(_child(into, child.name), child)


def _is_clear(node: Child) -> bool:
    return isinstance(node, XmlElement) and node.name == "clear"


def _sections() -> str:
    """<configSections> with every section of the schema and its overrideModeDefault."""
    groups: dict[str, list[str]] = {}
    for path in sorted(schema.sections()):
        group, _, name = path.rpartition("/")
        mode = "Deny" if path in schema.LOCKED else "Allow"
        groups.setdefault(group, []).append(
            f'<section name="{name}" overrideModeDefault="{mode}" />'
        )
    return f"<configSections>{''.join(_group('', groups))}</configSections>"


def _group(path: str, groups: dict[str, list[str]]) -> Iterator[str]:
    yield from groups.get(path, ())
    below = {
        group[len(path) :].strip("/").partition("/")[0]
        for group in groups
        if group != path and (not path or group.startswith(path + "/"))
    }
    for name in sorted(below):
        inner = "".join(_group(f"{path}/{name}".strip("/"), groups))
        yield f'<sectionGroup name="{name}">{inner}</sectionGroup>'


def _site(name: str) -> str:
    return (
        f"<system.applicationHost><applicationPools><add name={name} /></applicationPools><sites>"
        f'<site name={name} id="1"><application path="/" applicationPool={name}>'
        '<virtualDirectory path="/" physicalPath="D:\\home\\site\\wwwroot" /></application>'
        '<bindings><binding protocol="http" bindingInformation="*:80:" /></bindings>'
        "</site></sites></system.applicationHost>"
    )


def _fast_cgi(body: str) -> str:
    """The body with the sections that transforms of Python sites look for."""
    registered = "".join(
        f'<application fullPath="D:\\{python}\\python.exe"'
        f' arguments="D:\\{python}\\Scripts\\wfastcgi.py"><environmentVariables /></application>'
        for python in _PYTHONS
    )
    sections = (
        f"<fastCgi>{registered}</fastCgi>"
        "<rewrite><globalRules /><allowedServerVariables /></rewrite>"
    )
    return body.replace("</system.webServer>", sections + "</system.webServer>", 1)
