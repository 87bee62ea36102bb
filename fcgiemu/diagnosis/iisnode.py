"""What an application of iisnode needs before it can answer: a script that is there, that listens
on the name of a pipe and not only as the main module, an iisnode.yml that can be read, and a
configuration that leaves errors and WebSockets to it.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..config.merge import Node
from ..config.tree import Effective
from ..files import MAX_TEXT, UNWATCHED, read_text
from ..modules import handlers, iisnode, iisnode_yml
from ..modules.custom_error import error_pages
from ..modules.loaded_modules import modules_not_loaded
from ..programs.node import Version, package, satisfies, version_name, wanted
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from ..worker import paths
from . import javascript
from .configuration_files import holds_files

#: Packages that upgrade connections.
_SOCKETS = frozenset(
    """socket.io ws websocket sockjs express-ws primus faye sails faye-websocket @fastify/websocket
    engine.io koa-websocket""".split()
)
#: Scripts that are read of one application.
_MAX_SCRIPTS = 50
#: Files that are looked through for a script of a name.
_MAX_FILES = 2000
#: Values of iisnode.yml in which quotation marks have a meaning.
_QUOTED = frozenset({"nodeprocesscommandline", "interceptor"})


class Script(NamedTuple):
    """The file that an application begins with: its name from the site's root on, and its text
    without comments.
    """

    name: str
    path: Path
    code: str


def findings(site: Site, files: Iterable[ConfigFile]) -> Iterator[Finding]:
    """Every finding of this kind, handler by handler."""
    for file in files:
        folder = f"/{file.directory.strip('/')}".rstrip("/")
        effective = site.effective(folder or "/")
        items = [
            item
            for item in effective.section(handlers.SECTION).items
            if item.file is file and "iisnode" in item.text("modules")
        ]
        if not items:
            continue
        yield from _configuration(site, effective, folder, items[0])
        yield from _yml(site, effective, folder)
        for item in items:
            yield from _scripts(site, effective, folder, item)


# -- this machine ----------------------------------------------------------------------------------


def versions(
    site: Site, application: Application, command_line: str, version: Version
) -> Iterator[Finding]:
    """Places that ask for another Node than the one that runs here."""
    for where, asked in wanted(site, application, command_line):
        if version and satisfies(version, asked) is False:
            yield finding(
                "iisnode-node-version",
                None,
                where=where,
                asked=asked,
                version=version_name(version),
            )


# -- configuration ---------------------------------------------------------------------------------


def _configuration(site: Site, effective: Effective, folder: str, item: Node) -> Iterator[Finding]:
    yield from _error_bodies(effective, item)
    yield from _debugger(site, effective, folder)
    section = effective.section(iisnode.SECTION)
    for name in ("nodeProcessCommandLine", "interceptor", "devErrorsEnabled"):
        yield from _setting(name, str(section.values.get(name, "")), section.span)
    if "WebSocketModule" in effective.view(modules_not_loaded):
        return
    if effective.section("system.webServer/webSocket").flag("enabled"):
        for name in _dependencies(Path(site.local_path(folder + "/"))):
            if name in _SOCKETS:
                yield finding("iisnode-web-socket", item.span, package=name)
                return


#: Programs beside Node that are scripts of the shell on Windows (npm.cmd).
_SHELL = re.compile(r"(?i)(?:npm|npx|yarn|pnpm|nodemon|pm2|forever|ts-node|tsx)(?:\.cmd)?(?:\s|$)")


def _setting(name: str, value: str, span: Span | None, form: str = "") -> Iterator[Finding]:
    """What a value of <iisnode> does otherwise than it was meant; ``form`` is "/yml" where it
    stands in iisnode.yml.
    """
    text = value.strip().lstrip("\"'")
    if name == "devErrorsEnabled":
        if text.lower() == "true":
            yield finding(f"iisnode-dev-errors{form}", span)
    elif re.match(r"(?i)%WEBSITE_NODE_DEFAULT_VERSION%[\\/]", text):
        yield finding("iisnode-command/version", span, name=name)
    elif text.startswith("/"):
        yield finding("iisnode-command/unix", span, name=name, value=value)
    elif name == "nodeProcessCommandLine" and (shell := _SHELL.match(text)):
        yield finding("iisnode-command/shell", span, program=shell[0].strip())


def _error_bodies(effective: Effective, item: Node) -> Iterator[Finding]:
    """IIS's pages in place of the application's: not those that the site has itself."""
    errors = effective.view(error_pages)
    replaced = errors.existing == "Auto" and errors.mode != "Detailed"
    if not replaced or "CustomErrorModule" in effective.view(modules_not_loaded):
        return
    section = effective.section("system.webServer/httpErrors")
    if any(page.file is not None and not page.file.is_host for page in section.items):
        return
    place = section.span
    if place is not None and section.file is item.file:
        yield finding("iisnode-error-bodies/there", item.span, line=place.line)
    else:
        yield finding("iisnode-error-bodies", item.span)


def _debugger(site: Site, effective: Effective, folder: str) -> Iterator[Finding]:
    """Settings of the debugger, which is not emulated, where somebody has written them."""
    try:
        found = dict(iisnode.settings(site, effective, site.files, folder))
    except iisnode.BrokenSettings:
        return
    names = [
        name
        for name, setting in found.items()
        if name.startswith("debug") and setting.origin != "default"
    ]
    if not found["debuggingEnabled"].value:
        names = ["debugHeaderEnabled"] if "debugHeaderEnabled" in names else []
    if not found["debugHeaderEnabled"].value:
        names = [name for name in names if name != "debugHeaderEnabled"]
    if names:
        section = effective.section(iisnode.SECTION)
        yield finding("iisnode-debugger", section.span, names=", ".join(names))


def _dependencies(folder: Path) -> list[str]:
    found = package(folder).get("dependencies")
    return sorted(found) if isinstance(found, dict) else []


# -- iisnode.yml -----------------------------------------------------------------------------------


def _yml(site: Site, effective: Effective, folder: str) -> Iterator[Finding]:
    name = str(effective.view(iisnode.written)["configOverrides"].value)
    path = iisnode.override_path(folder, name)
    data = iisnode.read_override(site.files, path) if name else None
    if data is None:
        return
    yml, shown = iisnode_yml.read(data), path.lstrip("/")
    yield from iisnode.yml_findings(yml, shown)
    known = {key.lower(): attribute for key, attribute in iisnode.attributes().items()}
    for key, text, number in yml.lines:
        span, attribute = Span(shown, number, 1), known.get(iisnode_yml.attribute_name(key))
        if attribute is None:
            near = get_close_matches(key.strip().lower().replace("-", "_"), known, 1)
            yield finding(
                f"iisnode-yml-key/{'near' if near else 'none'}",
                span,
                key=key.strip(),
                near=known[near[0]].name if near else "",
            )
            continue
        yield from _setting(attribute.name, text, span, "/yml")
        if attribute.type == "uint" and not re.fullmatch(r"\s*[0-9]+", text):
            value = iisnode_yml.number(text)
            yield finding("iisnode-yml-value/number", span, key=key, text=text, value=value)
        elif attribute.type != "string":
            continue
        elif text.startswith("\t"):
            yield finding("iisnode-yml-value/tab", span, key=key)
        elif key.lower() not in _QUOTED and re.fullmatch(r"\".*\"|'.*'", text):
            yield finding("iisnode-yml-quoted", span, key=key, text=text, meant=text[1:-1])


# -- scripts ---------------------------------------------------------------------------------------


#: Folders that a build makes: a repository does not hold them.
_BUILT = frozenset({"dist", "build", "out", ".next", ".output"})


def _scripts(site: Site, effective: Effective, folder: str, item: Node) -> Iterator[Finding]:
    path = item.text("path").strip("/")
    local = Path(site.local_path(folder + "/"))
    entry = Path(paths.below(str(local), path))
    if "*" in path:
        scripts = sorted(_matching(local, path))
    elif os.path.isfile(entry):
        scripts = [entry]
        same = _named(local, path) if "/" not in item.text("path") else ()
        if taken := next(filter(_is_for_browsers, same), None):
            file = taken.relative_to(site.path).as_posix()
            yield finding(
                "iisnode-takes-file",
                item.span,
                handler=item.text("name"),
                path=path,
                file=file,
                meant=f"{folder}/{path}",
            )
    else:
        scripts = []
        is_built = path.replace("\\", "/").partition("/")[0].lower() in _BUILT
        if not any(_named(local, path)) and holds_files(local) and not is_built:
            yield _no_script(item, local, effective)
    for script in scripts:
        loaded = list(_loaded(site.path, script))
        if not loaded or ("*" in path and not javascript.names_port(loaded[0].code)):
            continue
        yield from _port(loaded)
        yield from _main(loaded[0])
        settings = effective.view(iisnode.written)
        if not settings["enableXFF"].value and not site.settings.azure:
            yield from _forwarded(loaded)


def _no_script(item: Node, folder: Path, effective: Effective) -> Finding:
    """That the script which a handler names is missing; rules may name it as well."""
    path = item.text("path")
    rules = [rule.name for rule in effective.view(inbound).rules if _names(rule, path)]
    names = [entry.name for entry in folder.glob("*.*js")]
    usual = [name for name in ("server.js", "app.js", "index.js") if name in names]
    near = get_close_matches(path, names, 1, 0.7) or usual
    is_behind = "/" in path and (folder / path.partition("/")[0]).is_file()
    is_static = not names and not (folder / "package.json").exists()
    form = "near" if near else "static" if is_static else "none"
    return finding(
        f"iisnode-no-script/{'behind' if is_behind else form}",
        item.span,
        handler=item.text("name"),
        path=path,
        near=near[0] if near else "",
        script=path.partition("/")[0],
        more=f", and in the rules {', '.join(rules)} as well" if rules else "",
        rules=f" and the rules {', '.join(rules)}" if rules else "",
    )


def _names(rule: Rule, path: str) -> bool:
    """Whether a rule names a script, in its pattern or its target."""
    url = rule.action.url.source if rule.action.url is not None else ""
    return path.lower() in url.lower() or path.lower() in (rule.pattern or "").lower()


def _matching(folder: Path, path: str) -> Iterator[Path]:
    if "/" not in path:
        for entry in folder.glob("*"):
            if os.path.isfile(entry) and fnmatch.fnmatch(entry.name.lower(), path.lower()):
                yield entry


def _named(folder: Path, name: str) -> Iterator[Path]:
    """Files of a name below a folder: a handler's path without a slash fits in each."""
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - UNWATCHED)
        seen += len(files)
        yield from (Path(place, file) for file in files if file.lower() == name.lower())
        if seen > _MAX_FILES or "/" in name:
            return


#: Folders whose scripts run in the browser.
_OF_BROWSERS = frozenset("public static assets dist js www client wwwroot scripts".split())


def _is_for_browsers(file: Path) -> bool:
    """Whether a script lies in a folder of what browsers load."""
    return not _OF_BROWSERS.isdisjoint(part.lower() for part in file.parts[-4:-1])


def _loaded(root: Path, entry: Path) -> Iterator[Script]:
    """A script, and those of the site that it loads."""
    waiting, seen = [entry], set[Path]()
    while waiting and len(seen) < _MAX_SCRIPTS:
        path = waiting.pop(0)
        real = path.resolve()
        if real in seen or not real.is_relative_to(root.resolve()) or "node_modules" in real.parts:
            continue
        seen.add(real)
        try:
            text = read_text(path) if path.stat().st_size <= MAX_TEXT else ""
        except OSError:
            continue
        code = javascript.without_comments(text)
        yield Script(os.path.relpath(path, root).replace(os.sep, "/"), path, code)
        for name in javascript.requires(code):
            found = path.parent / name
            places = [found, *(Path(f"{found}{end}") for end in (".js", ".cjs", "/index.js"))]
            waiting += [place for place in places if os.path.isfile(place)][:1]


def _span(script: Script, position: int) -> Span:
    return Span.at(script.name, script.code, position)


def _port(loaded: list[Script]) -> Iterator[Finding]:
    """A port that is not the name of a pipe; one finding for an application."""
    for script in loaded:
        if number := javascript.port_as_number(script.code):
            yield finding("iisnode-port-number/number", _span(script, number.position))
            return
        if given := javascript.port_in_object(script.code):
            yield finding("iisnode-port-number/object", _span(script, given.position))
            return
    if any(javascript.names_port(script.code) for script in loaded):
        return
    for script in loaded:
        if fixed := javascript.fixed_port(script.code):
            span = _span(script, fixed.position)
            yield finding("iisnode-port-number/fixed", span, port=fixed.text)
            return


def _main(script: Script) -> Iterator[Finding]:
    if main := javascript.listens_as_main_only(script.code):
        span = _span(script, main.position)
        yield finding("iisnode-main-module", span, condition=main.text)
    kind = package(script.path.parent).get("type")
    suffix, name = script.path.suffix.lower(), script.path.name
    if suffix == ".mjs" or (suffix == ".js" and kind == "module"):
        waits = javascript.awaits_at_top(script.code)
        form, position = ("await", waits.position) if waits else ("module", 0)
        yield finding(f"iisnode-es-module/{form}", _span(script, position), script=name)


def _forwarded(loaded: list[Script]) -> Iterator[Finding]:
    for script in loaded:
        if trusted := javascript.trusts_forwarded_for(script.code):
            yield finding("iisnode-forwarded-for", _span(script, trusted.position))
            return
