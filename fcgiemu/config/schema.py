"""The table of sections: which elements, attributes, types, defaults, collection keys and locks IIS
knows.

The table itself is ``schema.iis`` beside this file. Sources: the schema files that IIS and URL
Rewrite install (names, types, defaults) and Microsoft's configuration reference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources

WEB_SERVER = "system.webServer/"

#: Sections an administrator alone sets: never usable in web.config (allowDefinition="AppHostOnly").
HOST_ONLY = {
    WEB_SERVER + name
    for name in (
        "fastCgi",
        "globalModules",
        "proxy",
        "security/isapiCgiRestriction",
        "rewrite/globalRules",
    )
} | {"system.applicationHost/log", "system.applicationHost/webLimits", "webFarms"}

#: Sections locked below applicationHost.config as shipped (overrideModeDefault="Deny").
LOCKED = {
    WEB_SERVER + name
    for name in (
        "asp",
        "cgi",
        "httpLogging",
        "httpTracing",
        "isapiFilters",
        "odbcLogging",
        "security/access",
        "security/applicationDependencies",
        "security/authentication/anonymousAuthentication",
        "security/authentication/basicAuthentication",
        "security/authentication/clientCertificateMappingAuthentication",
        "security/authentication/digestAuthentication",
        "security/authentication/iisClientCertificateMappingAuthentication",
        "security/authentication/windowsAuthentication",
        "security/ipSecurity",
        "security/dynamicIpSecurity",
        "serverRuntime",
        "serverSideInclude",
        "tracing/traceProviderDefinitions",
        "rewrite/allowedServerVariables",
        "webSocket",
    )
}

#: Sections of extensions that no server has from the start -> the module that brings them.
EXTENSIONS = {WEB_SERVER + "cors": "CorsModule"}

#: Sections read from an application's root folder only (allowDefinition="MachineToApplication").
APPLICATION_ROOT_ONLY = {WEB_SERVER + "modules", WEB_SERVER + "applicationInitialization"}

#: Section groups: elements below system.webServer that hold sections and no settings of their own.
GROUPS = {"rewrite", "security", "security/authentication", "tracing"}

#: Sections of modules that a server may or may not have and that have no effect here.
TOLERATED = {
    "webdav",
    "management",
    "media",
    "farm",
    "httpPlatformHandler",
    "ftpServer",
    "staticContentCache",
    "diskCache",
    "runtime",
    "wdeploy",
    "dotNetCore",
}

#: Sections that modules of others bring -> these modules.
OF_OTHERS = {
    "Helicon.Ape": "Helicon Ape",
    "ModSecurity": "ModSecurity",
    "heliconZoo": "Helicon Zoo",
    "imageflow": "Imageflow",
    "urlScan": "UrlScan",
    "wincache": "WinCache",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute: ``type`` is bool, int, uint, int64, string, timeSpan, enum or flags;
    ``default`` as written.
    """

    name: str
    type: str
    values: tuple[str, ...] = ()
    default: str | None = None
    words: frozenset[str] = frozenset()
    low: int | None = None
    high: int | None = None
    exclude: bool = False
    #: What a time span is a multiple of, in seconds.
    step: int = 1

    @property
    def support(self) -> str:
        """Whether the attribute does something here: "emulated" or "accepted" (without effect)."""
        return "accepted" if "accepted" in self.words else "emulated"

    @property
    def is_key(self) -> bool:
        return "key" in self.words or "combinedkey" in self.words


@dataclass(slots=True, eq=False)
class ElementSchema:
    """What an element may hold. A collection entry is an ElementSchema as well."""

    name: str
    attributes: dict[str, Attribute] = field(default_factory=dict)
    children: dict[str, ElementSchema] = field(default_factory=dict)
    collections: dict[str, CollectionSchema] = field(default_factory=dict)
    #: Of a section: "emulated", "accepted" (checked, without effect) or "refused" (what it is for
    #: gets an error).
    support: str = "emulated"


@dataclass(eq=False)
class CollectionSchema:
    """A collection: the entry (``add``), and the words of <remove> and <clear> where it has
    them.
    """

    entry: ElementSchema
    remove: str | None
    clear: str | None
    prepend: bool
    replace: bool

    @cached_property
    def keys(self) -> list[Attribute]:
        """The attributes that identify an entry; asked for once its schema is complete."""
        return [attribute for attribute in self.entry.attributes.values() if attribute.is_key]


def sections() -> Mapping[str, ElementSchema]:
    """Section path -> schema."""
    return _tables()[""]


def variants() -> Mapping[str, Mapping[str, ElementSchema]]:
    """Optional module -> the schemas that take the place of the usual ones where it is
    installed.
    """
    return {module: table for module, table in _tables().items() if module}


def section(path: str, modules: Collection[str] = ()) -> ElementSchema:
    """The schema of a section on a server with optional ``modules``."""
    for module, table in variants().items() if modules else ():
        if module in modules and path in table:
            return table[path]
    return sections()[path]


@cache
def _tables() -> dict[str, dict[str, ElementSchema]]:
    """The sections by the optional module that they depend on, "" = none; read once."""
    tables: dict[str, dict[str, ElementSchema]] = {"": {}}
    stack: list[tuple[int, ElementSchema]] = []
    for line in resources.files(__package__).joinpath("schema.iis").read_text("utf-8").splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        while stack and stack[-1][0] >= depth:
            stack.pop()
        if depth == 0:
            path, _, words = text.partition(" ")
            support, _, module = words.rpartition("of ") if "of " in words else (words, "", "")
            made = ElementSchema(path, support=support.strip() or "emulated")
            tables.setdefault(module, {})[path] = made
            stack.append((0, made))
        elif text.startswith("@"):
            attribute = _attribute(text)
            stack[-1][1].attributes[attribute.name] = attribute
        elif text.startswith("+ "):
            collection = _collection(text)
            stack[-1][1].collections[collection.entry.name] = collection
            stack.append((depth, collection.entry))
        else:
            child = ElementSchema(text)
            stack[-1][1].children[text] = child
            stack.append((depth, child))
    return tables


_ATTRIBUTE = re.compile(
    r"@(?P<name>\S+) (?P<type>\w+)(?:\((?P<values>[^)]*)\))?(?P<words>[^=]*?)(?: ="
    r" (?P<default>.*))?$"
)
_RANGE = re.compile(r"(range|exclude)\((-?\d+),(-?\d+)\)")
_STEP = re.compile(r"step\((\d+)\)")


def _attribute(text: str) -> Attribute:
    match = _ATTRIBUTE.match(text)
    assert match, text
    words = match["words"]
    limits, step = _RANGE.search(words), _STEP.search(words)
    values = tuple(match["values"].split("|")) if match["values"] else ()
    return Attribute(
        name=match["name"],
        type=match["type"],
        values=values,
        default=match["default"],
        words=frozenset(_STEP.sub("", _RANGE.sub("", words)).split()),
        low=int(limits[2]) if limits else None,
        high=int(limits[3]) if limits else None,
        exclude=limits is not None and limits[1] == "exclude",
        step=int(step[1]) if step else 1,
    )


def _collection(text: str) -> CollectionSchema:
    name, *words = text[2:].split()
    named = {word.partition(":")[0]: word.partition(":")[2] or word for word in words}
    return CollectionSchema(
        ElementSchema(name),
        named.get("remove"),
        named.get("clear"),
        "prepend" in named,
        "replace" in named,
    )
