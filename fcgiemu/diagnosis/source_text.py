"""What only the text of a file shows: elements in another case, entries that are taken away again,
values that hold what stands elsewhere.
"""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config import meant_names
from ..config.file import ConfigFile
from ..config.reader import Element
from . import client_cache, mime_maps, response_headers, written_secrets
from .configuration_files import holds_files, runs_asp_net

#: Elements of the top level whose names people write in another case, and lose all that they hold.
_TOP = {
    name.lower(): name
    for name in (
        "system.webServer",
        "system.web",
        "appSettings",
        "connectionStrings",
        "configSections",
        "location",
        "runtime",
        "system.net",
        "system.serviceModel",
        "system.applicationHost",
    )
}


def findings(file: ConfigFile, folder: Path) -> Iterator[Finding]:
    """Findings about the elements of a file of the site in ``folder``."""
    if file.root is None:
        return
    is_whole = file.root.tag.rpartition("}")[2].lower() == "configuration"
    for holder in (file.root, *file.root.iter("location")) if is_whole else ():
        for child in holder.children:
            meant = _TOP.get(child.tag.lower(), child.tag)
            if child.tag != meant:
                inner = meant_names.in_another_case(child) if meant == "system.webServer" else ()
                names = ", ".join(dict.fromkeys(inner))
                form = "/inner" if names else ""
                yield finding(
                    f"config-element-case{form}",
                    child.span,
                    tag=child.tag,
                    meant=meant,
                    names=names,
                )
            elif child.tag not in _TOP.values():
                yield from _near(file.root, child)
    known = _by_tag(file.root)
    for tag in _COLLECTIONS:
        for element in known.get(tag, ()):
            yield from _taken_away(element)
    yield from _aspnet(file.root, folder)
    yield from _integrated(file.root)
    yield from _request_length(file.root)
    inside = [
        part
        for place in file.root.iter("location")
        for part in place.iter("customHeaders")
        if place.attributes.get("path", ".") not in ("", ".")
    ]
    for element in known.get("customHeaders", ()):
        is_inside = any(part is element for part in inside)
        for_all = not file.directory and not is_inside
        yield from response_headers.findings(element, file.root, folder, for_all)
    for element in known.get("requestFiltering", ()):
        yield from _filtering(element)
        yield from _allowed(element, file.directory, folder)
    for element in known.get("staticContent", ()):
        yield from _removed_maps(element)
        yield from mime_maps.findings(element)
    if "clientCache" in known:
        yield from client_cache.findings(file)
    for element in known.get("httpPlatform", ()):
        log = element.attributes.get("stdoutLogFile", "")
        if log and "stdoutLogEnabled" not in element.attributes:
            yield finding("platform-log-off", element.span, log=log)
    for element in known.get("httpRedirect", ()):
        yield from _redirect(element, len(known["httpRedirect"]) == 1)
    for element in known.get("ipSecurity", ()):
        yield from _addresses(element)
    yield from written_secrets.findings(file.root)
    yield from _places(file.root, Path(folder, file.directory.strip("/")))


#: The name that IIS gives its first site.
_SITE = re.compile(r"(?i)(default web site)(?:/(.*))?")


def is_of_site(path: str, folder: Path) -> bool:
    """Whether the path of a <location> begins with the name of the site, as in a server's
    configuration, where the web.config lies in ``folder``.
    """
    name = _SITE.fullmatch(path)
    if name is None:
        return False
    there = os.listdir(folder) if os.path.isdir(folder) else ()
    return name[1].lower() not in map(str.lower, there)


def _places(root: Element, folder: Path) -> Iterator[Finding]:
    """<location> paths that no URL has, and sections of IIS in <system.web>."""
    for element in root.iter("location"):
        path = element.attributes.get("path", "")
        meant = path.lstrip("~/\\")
        if "*" in path:
            meant = path.partition("*")[0].strip("/")
            form = "star" if meant else "everything"
            yield finding(f"config-location-path/{form}", element.span, path=path, meant=meant)
        elif re.match(r"(?i)[a-z]:[\\/]|\\\\|https?:", path):
            yield finding("config-location-path/absolute", element.span, path=path)
        elif is_of_site(path, folder):
            rest = path.partition("/")[2] or "."
            yield finding("config-location-path/site", element.span, path=path, meant=rest)
        elif meant != path and meant:
            yield finding("config-location-path", element.span, path=path, meant=meant)
    for web in root.iter("system.web"):
        for child in web.children:
            if child.tag in _OF_IIS:
                place = f"{_OF_IIS[child.tag]}<system.webServer>"
                yield finding(
                    "config-misplaced-section/web", child.span, tag=child.tag, place=place
                )
    for holder in (root, *root.iter("location")):
        for outer in holder.children:
            for inner in outer.iter("system.webServer") if outer.tag in _UNREAD else ():
                yield finding("config-misplaced-section/inside", inner.span, parent=outer.tag)


#: Sections that IIS does not look into.
_UNREAD = frozenset(
    """system.web connectionStrings runtime system.net system.serviceModel system.codedom
    entityFramework system.diagnostics applicationSettings""".split()
)
#: Sections of <system.webServer> that <system.web> has nothing like -> what they are in there.
_OF_IIS = dict.fromkeys(
    """rewrite handlers staticContent defaultDocument httpErrors httpRedirect httpProtocol
    aspNetCore httpPlatform iisnode directoryBrowse urlCompression httpCompression security
    modules webSocket""".split(),
    "",
) | {
    "requestFiltering": "<security> of ",
    "rules": "<rewrite> of ",
    "rewriteMaps": "<rewrite> of ",
    "outboundRules": "<rewrite> of ",
}


def _by_tag(root: Element) -> dict[str, list[Element]]:
    """The elements of a file by their names, but for those of long runs."""
    found: dict[str, list[Element]] = {}
    waiting = [root]
    while waiting:
        for part in waiting.pop().parts:
            if isinstance(part, Element):
                found.setdefault(part.tag, []).append(part)
                waiting.append(part)
    return found


def _redirect(section: Element, is_alone: bool) -> Iterator[Finding]:
    """<httpRedirect> that is off, leads nowhere, or is written as a rule is."""
    target = section.attributes.get("destination", "").strip()
    enabled = section.attributes.get("enabled", "").lower()
    if target and not enabled and is_alone:
        yield finding("redirect-section", section.span, target=target)
    elif enabled == "true" and not target and is_alone and not section.children:
        yield finding("redirect-section/nowhere", section.span)
    if host := re.match(r"(?i)https?://[\w.-]*(\{[^{}]*\})", target):
        yield finding("redirect-section/host", section.span, reference=host[1])
    elif found := re.search(r"\{(?:[RC]:\d|[A-Z_]+)\}", target):
        exact = section.attributes.get("exactDestination", "").lower() == "true"
        meant = re.sub(r"/?\??(?:\w+=)?\{[^{}]*\}.*", "$V$Q" if exact else "", target)
        effect = "$V is the path and $Q the query" if exact else "it appends the path by itself"
        yield finding(
            "redirect-section/reference",
            section.span,
            reference=found[0],
            meant=f"destination={quoteattr(meant)}",
            effect=effect,
        )
    elif re.match(r"(?i)(?:www\.|[\w-]+\.(?:com|org|net|io|de|eu|uk)(?:/|$))", target):
        meant = f"https://{target}"
        yield finding("redirect-section/scheme", section.span, target=target, meant=meant)


def _addresses(section: Element) -> Iterator[Finding]:
    """<ipSecurity> that keeps nobody out, and addresses that are networks."""
    adds = [child for child in section.children if child.tag == "add"]
    allowed = [add.attributes.get("allowed", "").lower() == "true" for add in adds]
    if adds and all(allowed) and "allowUnlisted" not in section.attributes:
        yield finding("filtering-address", section.span)
    for add in adds:
        address, _, bits = add.attributes.get("ipAddress", "").partition("/")
        if bits.isdecimal() and int(bits) <= 32 and "." in address:
            mask = (0xFFFFFFFF << 32 - int(bits)) & 0xFFFFFFFF
            parts = ".".join(str(mask >> shift & 255) for shift in (24, 16, 8, 0))
            text = f"{address}/{bits}"
            yield finding(
                "filtering-address/mask", add.span, text=text, address=address, mask=parts
            )


def _near(root: Element, child: Element) -> Iterator[Finding]:
    """An element of the top level that nobody declares, and that is almost one of ours."""
    declared = {element.attributes.get("name", "") for element in root.iter("section")}
    declared |= {element.attributes.get("name", "") for element in root.iter("sectionGroup")}
    if child.tag in declared:
        return
    near = get_close_matches(child.tag.lower(), _TOP, 1, 0.85)
    near = ["system.webserver"] if child.tag.lower() == "webserver" else near
    if near:
        meant = _TOP[near[0]]
        yield finding("config-element-case/near", child.span, tag=child.tag, meant=meant)
    elif child.tag in _PLACES:
        place = _PLACES[child.tag]
        yield finding("config-misplaced-section/part", child.span, tag=child.tag, place=place)


#: Parts of sections that people put directly under <configuration> -> where they belong.
_PLACES = {
    "add": "<appSettings>, or into the section that it is an entry of",
    "conditions": "a <rule>",
    "customHeaders": "<httpProtocol> of <system.webServer>",
    "environmentVariables": "<httpPlatform>; what wfastcgi reads belongs into <appSettings>",
    "error": "<httpErrors> of <system.webServer>",
    "files": "<defaultDocument> of <system.webServer>",
    "mimeMap": "<staticContent> of <system.webServer>",
    "requestLimits": "<security><requestFiltering> of <system.webServer>",
    "rewriteMaps": "<rewrite> of <system.webServer>",
    "rule": "<rewrite><rules> of <system.webServer>",
}


def _aspnet(root: Element, folder: Path) -> Iterator[Finding]:
    """Settings of ASP.NET beside a handler for Python, or for files: they act there only where
    managed modules run for all requests (documented).
    """
    is_python = _runs_programs(root)
    is_foreign = is_python or holds_files(folder) and not runs_asp_net(folder)
    has_pages = any(
        part.find("error") is not None or {"errorMode", "existingResponse"} & set(part.attributes)
        for part in root.iter("httpErrors")
    )
    is_managed = any(
        modules.attributes.get("runAllManagedModulesForAllRequests", "").lower() == "true"
        for modules in root.iter("modules")
    )
    for web in root.iter("system.web") if is_foreign and not is_managed else ():
        for child in web.children:
            if child.tag == "authorization" and child.find("deny") is not None:
                form = "" if is_python else "/files"
                yield finding(
                    f"config-aspnet-authorization{form}",
                    child.span,
                    element=_authorization(child),
                )
            elif (
                child.tag == "customErrors"
                and (child.find("error") is not None or "defaultRedirect" in child.attributes)
                and child.attributes.get("mode", "").lower() != "off"
                and not has_pages
            ):
                yield finding("config-aspnet-setting/errors", child.span)


#: Elements of <system.web> that a pool in Integrated mode refuses (documented), and by what.
_CLASSIC = {"httpHandlers": "handlers", "httpModules": "modules", "identity": "identity"}


def _integrated(root: Element) -> Iterator[Finding]:
    """Settings of ASP.NET for Classic mode: in Integrated mode, the default of pools, they fail
    every request, unless <validation> is off.
    """
    if any(
        part.attributes.get("validateIntegratedModeConfiguration", "").lower() == "false"
        for part in root.iter("validation")
    ):
        return
    for web in root.iter("system.web"):
        for child in web.children:
            impersonates = child.attributes.get("impersonate", "").lower() == "true"
            if child.tag in _CLASSIC and (impersonates or child.find("add") is not None):
                yield finding(f"config-integrated-mode/{_CLASSIC[child.tag]}", child.span)


def _runs_programs(root: Element) -> bool:
    """Whether a file has a handler that gives requests to Python, PHP or another program."""
    return any(
        re.search(r"(?i)fastcgimodule|httpplatformhandler", add.attributes.get("modules", ""))
        for handlers in root.iter("handlers")
        for add in handlers.iter("add")
    )


#: Bytes that request filtering lets a request have where nothing is said.
_DEFAULT_LENGTH = 30_000_000
#: A number up to this one is meant in kilobytes: 2 GB.
_MOST_KILOBYTES = 0x200000


def _request_length(root: Element) -> Iterator[Finding]:
    """maxRequestLength of ASP.NET, in kilobytes, beyond maxAllowedContentLength of request
    filtering, in bytes, which refuses longer requests before ASP.NET gets them (documented).
    """
    limits = [part.attributes.get("maxAllowedContentLength") for part in root.iter("requestLimits")]
    given = [int(text) for text in limits if text is not None and text.isdecimal()]
    for runtime in root.iter("httpRuntime"):
        value = runtime.attributes.get("maxRequestLength", "")
        length = min(int(value) * 1024, 0xFFFFFFFF) if value.isdecimal() else 0
        if not given and length > 1.1 * _DEFAULT_LENGTH:
            form = "/program" if _runs_programs(root) else ""
            yield finding(f"filtering-short{form}", runtime.span, value=value, length=length)
        elif given and length and int(value) == max(given) and int(value) <= _MOST_KILOBYTES:
            yield finding("filtering-short/unit", runtime.span, value=value, length=length)


#: Collections whose entries people take away again: tag of the collection -> tag of an entry, and
#: the attributes that name it.
_COLLECTIONS = {
    "appSettings": ("add", ("key",)),
    "customHeaders": ("add", ("name",)),
    "files": ("add", ("value",)),
    "handlers": ("add", ("name",)),
    "httpErrors": ("error", ("statusCode", "subStatusCode")),
    "rules": ("rule", ("name",)),
    "staticContent": ("mimeMap", ("fileExtension",)),
}


def _taken_away(section: Element) -> Iterator[Finding]:
    """Entries that a later <remove> or <clear> takes away again."""
    tag, keys = _COLLECTIONS[section.tag]
    added: dict[tuple[str, ...], Element] = {}
    gone: dict[tuple[str, ...], tuple[Element, Element]] = {}
    for child in section.children:
        key = tuple(child.attributes.get(name, _DEFAULTS.get(name, "")).lower() for name in keys)
        if child.tag == tag:
            added[key] = child
            gone.pop(key, None)  # it is there again
        elif child.tag == "remove" and key in added:
            gone[key] = added.pop(key), child
        elif child.tag == "clear":
            gone |= {key: (entry, child) for key, entry in added.items()}
            added.clear()
    for entry, by in gone.values():
        name = entry.attributes.get(keys[0], "")
        if section.tag == "handlers":
            yield finding("handler-removed", entry.span, handler=name, tag=by.tag, where=by.span)
        else:
            shown = f'<{tag} {keys[0]}="{name}">'
            yield finding("config-taken-away", entry.span, entry=shown, tag=by.tag, where=by.span)


#: What an attribute is where it is not written.
_DEFAULTS = {"subStatusCode": "-1"}


#: Segments that IIS hides from the start.
_HIDDEN = re.compile(
    r"(?i)bin|web\.config|App_(?:code|GlobalResources|LocalResources|WebReferences|Data|Browsers)"
)


def _allowed(section: Element, directory: str, root: Path) -> Iterator[Finding]:
    """URLs of alwaysAllowedUrls with a wildcard, or not below the folder of their file."""
    for allowed in section.iter("alwaysAllowedUrls"):
        for add in allowed.iter("add"):
            url = add.attributes.get("url", "")
            if "*" in url:
                hidden = next(filter(_HIDDEN.fullmatch, url.split("/")), "")
                form = "segment" if hidden else "star"
                yield finding(f"filtering-allowed-url/{form}", add.span, url=url, segment=hidden)
            elif directory and url and not f"{url}/".lower().startswith(f"{directory}/".lower()):
                meant = f"{directory}/{url.lstrip('/')}"
                is_there = (root / url.lstrip("/")).exists()
                yield finding(
                    f"filtering-allowed-url{'/there' if is_there else ''}",
                    add.span,
                    url=url,
                    folder=directory,
                    meant=meant,
                )


def _removed_maps(section: Element) -> Iterator[Finding]:
    """MIME maps that are taken away, and not added again."""
    added = {
        child.attributes.get("fileExtension", "").lower()
        for child in section.children
        if child.tag == "mimeMap"
    }
    for child in section.children:
        extension = child.attributes.get("fileExtension", "").lower()
        if child.tag == "remove" and extension and extension not in added:
            known = mimetypes.types_map.get(extension, "application/octet-stream")
            yield finding("static-map-removed", child.span, extension=extension, type=known)


#: A limit of so few bytes was meant in kilobytes or megabytes: a form has more.
_FEW_BYTES = 8192


def _denied(segment: str) -> str:
    """What denies a hidden segment that is an extension, or a path."""
    if extension := re.fullmatch(r"[/\\]?\*(\.\w+)", segment):
        return f'<add fileExtension="{extension[1]}" allowed="false" /> to <fileExtensions>'
    longest = max(segment.replace("\\", "/").split("*"), key=len).rstrip("/")
    return f"<add sequence={quoteattr('/' + longest.lstrip('/'))} /> to <denyUrlSequences>"


def _filtering(section: Element) -> Iterator[Finding]:
    """Segments and extensions in a form that no URL has."""
    for hidden in section.iter("hiddenSegments"):
        for add in hidden.iter("add"):
            segment = add.attributes.get("segment", "")
            if re.search(r"[/\\*]", segment):
                meant = segment.strip("/\\")
                is_one = meant and not re.search(r"[/\\*]", meant)
                code = f"filtering-segment{'' if is_one else '/several'}"
                yield finding(
                    code, add.span, segment=segment, meant=meant, element=_denied(segment)
                )
    for verbs in section.iter("verbs"):
        for add in verbs.iter("add"):
            verb = add.attributes.get("verb", "")
            if verb != verb.upper():
                meant = verb.upper()
                yield finding("filtering-verb/case", add.span, verb=verb, meant=meant)
    for sequences in section.iter("denyUrlSequences"):
        for add in sequences.iter("add"):
            sequence = add.attributes.get("sequence", "")
            if "*" in sequence and (meant := sequence.strip("*")) and "*" not in meant:
                yield finding("filtering-sequence", add.span, sequence=sequence, meant=meant)
    for limits in section.iter("requestLimits"):
        length = limits.attributes.get("maxAllowedContentLength", "")
        if length.isdecimal() and 0 < int(length) < _FEW_BYTES:
            meant = str(int(length) * (1024 if int(length) >= 1024 else 1024 * 1024))
            yield finding("filtering-length", limits.span, length=length, meant=meant)
    for extensions in section.iter("fileExtensions"):
        for add in extensions.iter("add"):
            extension = add.attributes.get("fileExtension", "")
            if extension and not extension.startswith(".") or "*" in extension:
                meant = "." + extension.lstrip("*.")
                code = f"filtering-extension{'' if len(meant) > 1 else '/every'}"
                yield finding(code, add.span, extension=extension, meant=meant)


def _authorization(section: Element) -> str:
    """<authorization> of ASP.NET as IIS's own module has it: there Deny comes first, so that a Deny
    for everybody is what is not allowed.
    """
    rules = [child for child in section.children if child.tag in ("allow", "deny")]
    closes = any(one.tag == "deny" and one.attributes.get("users") == "*" for one in rules)
    made = ['<remove users="*" roles="" verbs="" />'] if closes else []
    for one in rules:
        names = (name for name in ("users", "roles", "verbs") if name in one.attributes)
        given = {name: one.attributes[name] for name in names}
        if one.tag == "deny" and given.get("users") == "*":
            continue
        listed = " ".join(f"{name}={quoteattr(value)}" for name, value in given.items())
        made.append(f'<add accessType="{one.tag.capitalize()}" {listed} />')
    return f"<authorization>{''.join(made)}</authorization>"
