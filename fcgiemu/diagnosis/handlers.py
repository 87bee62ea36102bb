"""Handler mappings that never get a request, or cannot serve one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.merge import Node
from ..config.reader import Element
from ..config.tree import Effective
from ..hosting import Hosting
from ..modules import asp_net_core, http_platform, iisnode, loaded_modules, pipeline
from ..modules.handlers import SECTION, lack, path_matcher, pre_condition_holds, table
from ..programs.interpreters import EXAMPLE, EXAMPLE_PHP
from . import rewrite_patterns, script_processor
from .configuration_files import of_file
from .windows_variables import is_of_windows

#: The modules that an entry of <handlers> or <modules> may name.
MODULES = sorted({*loaded_modules.EMULATED, *pipeline.FOREIGN_MODULES, *pipeline.HANDLER_MODULES})
#: Names of modules are compared with their case: in lower case -> as they are written.
_SPELLED = {name.lower(): name for name in MODULES}


def _near(module: str) -> list[str]:
    """The module that is meant by a name which none has: one with an ending of modules, or almost
    of that name, in whatever case.
    """
    name = module.lower().removesuffix("module").removesuffix("handler")
    ended = [_SPELLED.get(f"{name}{end}") for end in ("module", "handler", "modulev2", "")]
    near = get_close_matches(module.lower(), _SPELLED, 1)
    found = [one for one in ended if one is not None] or [_SPELLED[one] for one in near]
    return found[:1]


def findings(effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Findings about the handlers that ``file`` declares."""
    if not any(item.file is file for item in effective.section(SECTION).items):
        return
    known = {name.lower() for name in MODULES} | {
        item.text("name").lower() for item in effective.section(loaded_modules.SECTION).items
    }
    entries = [
        item
        for item in effective.section(SECTION).items
        if pre_condition_holds(item.text("preCondition"))
    ]
    before, never = _Before(), list[tuple[Node, Node]]()
    misspelt = {known.span for known in file.findings if known.code == "config-unknown-attribute"}
    for item in entries:
        earlier = before.covering(item)
        before.add(item)
        if item.file is not file or item.span is None:
            continue
        for module in filter(None, (part.strip() for part in item.text("modules").split(","))):
            right = _SPELLED.get(module.lower(), module)
            if (module.lower() not in known or module != right) and not item.text("type"):
                near = [right] if right != module else _near(module)
                is_whole = right != module and module == item.text("modules").strip()
                yield finding(
                    f"handler-unknown-module/{'case' if is_whole else 'near' if near else 'none'}",
                    item.span,
                    handler=item.text("name"),
                    module=module,
                    near="".join(near),
                )
        if (lack_of := _without_module(item, file)) is not None:
            yield lack_of
        other = script_processor.other_module(item)
        if other is not None:
            yield other
        elif "FastCgiModule" in item.text("modules"):
            yield from script_processor.lacks(item, misspelt)
        names = re.findall(r"%(\w[\w().-]*)%", item.text("scriptProcessor").partition("|")[0])
        stands_for = _STANDS_FOR.search(item.text("scriptProcessor")) is not None
        if stands_for or not all(map(is_of_windows, names)):
            yield finding(
                f"handler-placeholder{'/words' if stands_for else ''}",
                item.span,
                handler=item.text("name"),
                processor=item.text("scriptProcessor"),
                example=_example(item.text("scriptProcessor")),
            )
        yield from _unmatched(item)
        kind = item.text("resourceType")
        if kind in ("File", "Directory", "Either") and item.text("path") == "*" and _runs(item):
            yield finding(
                "handler-resource-type", item.span, handler=item.text("name"), resource=kind
            )
        if earlier is not None:
            never.append((item, earlier))
    yield from _never_reached(never)


def _without_module(item: Node, file: ConfigFile) -> Finding | None:
    """That an entry names no module, and no type of .NET."""
    if item.has("modules") or item.text("type"):
        return None
    processor, name = item.text("scriptProcessor"), item.text("name")
    meant = _module_for(processor.strip('"'), f"{name} {item.text('path')}", file)
    form = "" if meant else "/unknown"
    return finding(f"handler-no-module{form}", item.span, handler=name, meant=meant)


def _module_for(processor: str, words: str, file: ConfigFile) -> str:
    """The module that a scriptProcessor is for, or else the words and the sections of a file; "" if
    that cannot be told.
    """
    if processor:
        return script_processor.module_for(processor)
    known = ("iisnode", "httpPlatformHandler", "AspNetCoreModuleV2", "StaticFileModule")
    for module, section in zip(known, ("iisnode", "httpPlatform", "aspNetCore", ""), strict=True):
        is_named = module.lower().removesuffix("module").removesuffix("modulev2") in words.lower()
        if is_named or section and any(file.instances(f"system.webServer/{section}")):
            return module
    return ""


#: Words of a scriptProcessor that stand for a path, in instructions that were copied.
_STANDS_FOR = re.compile(r"[<>\[\]{}]|(?i:\bpath[\\/ _-]?to\b|\byour[-_ ])")


def _example(processor: str) -> str:
    """How the scriptProcessor of such a program may read: PHP's, or Python's."""
    return EXAMPLE_PHP if re.search(r"(?i)\bphp", processor) else EXAMPLE


#: How paths of handlers are written by mistake: (pattern, form, what replaces it).
_PATHS = (
    (re.compile(r"^(?:~|\.)[\\/]"), "start", ""),
    (re.compile(r"\\"), "backslash", "/"),
    (re.compile(r"^(?=\.\w+$)"), "extension", "*"),
)


def _unmatched(item: Node) -> Iterator[Finding]:
    """A path or a verb that no request has."""
    path, verb, name = item.text("path"), item.text("verb"), item.text("name")
    if re.search(r"\^|\$$|\.\*|\(|\\\.", path):
        meant = rewrite_patterns.as_wildcard(path.lstrip("^/"))
        yield finding("handler-path/regex", item.span, handler=name, path=path, meant=meant)
    else:
        for pattern, form, instead in _PATHS:
            if pattern.search(path):
                meant = pattern.sub(instead, path).replace("\\", "/")
                yield finding(
                    f"handler-path/{form}", item.span, handler=name, path=path, meant=meant
                )
                break
    if re.fullmatch(r"(?i)[a-z]+(?:\s*[;|/+ ]\s*[a-z]+)+", verb.strip()):
        meant = ",".join(re.findall(r"[A-Z]+", verb.upper()))
        yield finding(
            "handler-verb/separator",
            item.span,
            severity="warning",
            handler=name,
            verb=verb,
            meant=meant,
        )
    elif verb != verb.upper():
        meant = verb.upper()
        yield finding("handler-verb", item.span, handler=name, verb=verb, meant=meant)


def _runs(item: Node) -> bool:
    """Whether a handler gives its requests to a program."""
    return re.search(r"(?i)fastcgimodule|httpplatformhandler", item.text("modules")) is not None


#: From so many on, handlers that are never reached are one finding: somebody has copied a list.
_COPIED = 4


def _never_reached(never: list[tuple[Node, Node]]) -> Iterator[Finding]:
    """Handlers with the one that takes their requests; one finding where a list was copied."""
    if len(never) >= _COPIED:
        item, earlier = never[0]
        yield finding(
            "handler-never-reached/list",
            item.span,
            handler=item.text("name"),
            count=len(never) - 1,
            earlier=earlier.text("name"),
        )
        return
    for item, earlier in never:
        yield finding(
            "handler-never-reached",
            item.span,
            handler=item.text("name"),
            earlier=earlier.text("name"),
            where=earlier.span,
        )


def serve_files(effective: Effective) -> bool:
    """Whether a file with an extension of its own goes to StaticFileModule."""
    chosen = effective.view(table).choose("/sample.css", "GET", None)
    return chosen is not None and "StaticFileModule" in chosen[0].modules


def not_emulated(effective: Effective) -> Iterator[Finding]:
    """The site's own handlers whose requests get 500.0 here: their module is not emulated."""
    spans = {
        item.text("name"): item.span
        for item in effective.section(SECTION).items
        if item.file is not None and not item.file.is_host
    }
    nameless = {
        item.text("name")
        for item in effective.section(SECTION).items
        if not item.has("modules") and not item.text("type")
    }
    for handler, _ in effective.view(table).entries if spans else ():
        module = next(iter(handler.modules), "")
        if handler.name in nameless:
            continue
        if handler.name in spans and module in pipeline.FOREIGN_MODULES:
            yield lack(handler, module, spans[handler.name])


def not_emulated_anywhere(site: Hosting, files: Iterable[ConfigFile]) -> Iterator[Finding]:
    """Those of every folder and <location> of a site, each once."""
    with_handlers = (file for file in files if file.root is not None and _declares(file.root))
    found = (
        known
        for file in with_handlers
        for effective in of_file(site, file)
        for known in not_emulated(effective)
    )
    yield from {(known.span, known.message): known for known in found}.values()


def _declares(root: Element) -> bool:
    return next(root.iter("handlers"), None) is not None


#: Sections about processes -> the module that starts them, or how its names begin.
_SECTIONS = {
    http_platform.SECTION: "httpPlatformHandler",
    asp_net_core.SECTION: "AspNetCoreModule",
    iisnode.SECTION: "iisnode",
}


def _is_meant(element: Element) -> bool:
    """Whether a section is what will run: publishing completes those of ASP.NET Core."""
    path = element.attributes.get("processPath", "")
    return element.tag != "aspNetCore" or bool(path) and "%LAUNCHER_" not in path.upper()


def platform(site: Hosting, effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Sections <httpPlatform> of ``file`` that have no effect: no handler uses them, or they are
    for a folder below the root of an application.
    """
    for section, module in _SECTIONS.items():
        instances = [part for part in file.instances(section) if _is_meant(part.element.source)]
        if instances and not any(
            module.lower() in text.lower() for text in _modules(effective, file)
        ):
            has_any = any(_runs(item) for item in effective.section(SECTION).items)
            yield finding(
                f"handler-platform-unused{'' if has_any else '/none'}",
                instances[0].element.span,
                element=instances[0].element.source.tag,
                module=module,
            )
            return
    for part in file.instances(http_platform.SECTION):
        folder = f"{file.directory}/{part.location.strip('.')}".strip("/")
        application = site.application(f"/{folder}/")
        if folder.lower() != application.url.strip("/").lower():
            yield finding("platform-below-root", part.element.span, folder=folder)


def _modules(effective: Effective, file: ConfigFile) -> Iterator[str]:
    """``modules`` of the handlers of a place, and of those that ``file`` adds anywhere: a
    <location> may remove a handler that the rest of the file uses.
    """
    for item in effective.section(SECTION).items:
        yield item.text("modules")
    for group in file.root.iter("handlers") if file.root is not None else ():
        for element in group.children:
            yield element.attributes.get("modules", "")


class _Before:
    """The entries before one, by what their paths end with: few of them can cover it."""

    def __init__(self) -> None:
        self._by_end: dict[str, list[tuple[int, Node]]] = {}
        self._count = 0

    def add(self, item: Node) -> None:
        end = item.text("path").lower().rpartition("*")[2]
        self._by_end.setdefault(end, []).append((self._count, item))
        self._count += 1

    def covering(self, item: Node) -> Node | None:
        """The first entry that takes every request of a later one."""
        path = item.text("path").lower()
        ends = (path[start:] for start in range(len(path) + 1))
        candidates = [pair for end in ends for pair in self._by_end.get(end, ())]
        candidates.sort(key=lambda pair: pair[0])
        return next((other for _, other in candidates if _covers(other, item)), None)


def _covers(earlier: Node, later: Node) -> bool:
    """Whether an earlier entry takes every request of a later one."""
    path, verbs = (
        earlier.text("path").lower(),
        {verb.strip() for verb in earlier.text("verb").split(",")},
    )
    later_verbs = {verb.strip() for verb in later.text("verb").split(",")}
    other = later.text("path").lower()
    covers = path in ("*", other) or (
        "*" not in other and path_matcher(path)(f"/{other}") == len(other) + 1
    )
    return covers and ("*" in verbs or later_verbs <= verbs)
