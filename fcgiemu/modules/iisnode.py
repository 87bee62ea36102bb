"""iisnode: which script of the site answers a request, and under which settings.

The file that the handler's path names is an application: the script part of the URL. Each setting
comes from the last of these that has it (seen in iisnode's source): the default of the schema,
<iisnode> in the web.config files of the URL, a variable ``IISNODE_<attribute>`` of the worker, and
iisnode.yml beside the script, or whatever file configOverrides names.

Nothing here starts a process, and no Node is needed to decide.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from .. import catalogue
from ..app_service.environment import of_worker
from ..catalogue.findings import Finding, Span
from ..config import schema, values
from ..config.schema import Attribute
from ..config.tree import Effective
from ..decision import CallIisnode, Respond, Setting
from ..hosting import Hosting, SiteFiles
from ..rewrite.state import RewriteState
from ..worker import paths
from . import handlers, iisnode_yml
from .context import Context
from .iisnode_failures import NOT_DISPATCHED

MODULE = "iisnode"
SECTION = "system.webServer/iisnode"
#: Processes of a script at most, all of which the first request starts.  # our own
MAX_PROCESSES = 64
#: The prefix of the worker's variables that set an attribute.
_PREFIX = "iisnode_"
T = TypeVar("T", str, int, bool)

Settings = tuple[tuple[str, Setting], ...]


class BrokenSettings(Exception):
    """A variable of the worker, or iisnode.yml, holds what iisnode does not understand."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(frozen=True, slots=True, kw_only=True)
class IisNode:
    """The settings of a script with their types; times in seconds, sizes in bytes."""

    command_line: str
    interceptor: str
    node_env: str
    processes: int
    requests_per_process: int
    connection_tries: int
    connection_delay: float
    kept_connections: int
    kept_seconds: float
    max_head: int
    watched: tuple[str, ...]
    graceful_seconds: float
    log_directory: str
    logging: bool
    log_file_kb: int
    log_total_kb: int
    log_files: int
    dev_errors: bool
    flushes: bool
    adds_forwarded_for: bool
    promoted: tuple[str, ...]
    recycle_signal: bool
    sticky: bool


def handle(context: Context) -> CallIisnode | Respond:
    """The request goes to the script that the handler's path names. 404.0 where it is not there,
    500.1000 where the settings cannot be read.
    """
    assert context.handler is not None
    if errors := context.effective.errors(SECTION):
        return _broken(errors[0])
    script = context.state.path[: context.script_length]
    folder = script.rpartition("/")[0]
    entry = context.files.find(script)
    if entry is None or entry.is_directory:
        above = context.files.find(folder)
        if above is None or not above.is_directory:
            return _no_folder(script)
        return handlers.not_found("ExecuteRequestHandler")
    try:
        found = settings(context.hosting, context.effective, context.files, folder)
    except BrokenSettings as error:
        return _broken(error.finding)
    if (segment := _debugger(context.state.path[context.script_length :], found)) is not None:
        finding = catalogue.finding("iisnode-debugger-url", None, segment=segment)
        context.findings.append(finding)
    action = CallIisnode(context.handler, script, target(context.state), found)
    if context.trace is not None:
        context.trace.add(
            "IISNODE_REQUEST",
            Script=context.files.physical_path(script),
            RequestURL=action.target,
            Settings={
                name: f"{setting.value} ({setting.origin})"
                for name, setting in found
                if setting.origin != "default"
            },
        )
    return action


def _debugger(rest: str, found: Settings) -> str | None:
    """debuggerPathSegment, where what follows the script in a path begins with it: iisnode gives
    such URLs to its debugger (documented).
    """
    by_name = dict(found)
    segment = str(by_name["debuggerPathSegment"].value)
    is_asked = rest.lower().split("/")[1:2] == [segment.lower()]
    return segment if is_asked and by_name["debuggingEnabled"].value else None


def target(state: RewriteState) -> str:
    """The URL that Node gets: X-Original-URL where a rule or the client has set it, else the path
    of the current request, decoded, with the query (seen in iisnode's source and tests).
    """
    original = state.variable("HTTP_X_ORIGINAL_URL")
    if original:
        return original
    return f"{state.path}?{state.query}" if state.query else state.path


def _broken(finding: Finding) -> Respond:
    return Respond(
        500,
        NOT_DISPATCHED,
        finding.message,
        finding.hresult,
        notification="ExecuteRequestHandler",
        finding=finding,
        hints=(finding.hint,) if finding.hint else (),
    )


def _no_folder(script: str) -> Respond:
    return Respond(
        500,
        NOT_DISPATCHED,
        f"iisnode cannot run {script}: there is no such folder.",
        0x80070003,  # ERROR_PATH_NOT_FOUND
        notification="ExecuteRequestHandler",
    )


# -- where each setting comes from -----------------------------------------------------------------


def settings(hosting: Hosting, effective: Effective, files: SiteFiles, folder: str) -> Settings:
    """The settings that count for a script in ``folder`` (a URL path). Raises BrokenSettings."""
    variables = worker_variables(hosting)
    found = {**effective.view(written), **dict(_of_environment(variables))}
    found = {name: _expanded(name, setting, variables) for name, setting in found.items()}
    name = str(found["configOverrides"].value)
    if name:
        path = override_path(folder, name)
        data = read_override(files, path)
        if data is not None:
            found.update(of_yml(iisnode_yml.read(data), path.lstrip("/"), variables))
    return tuple(found.items())


def worker_variables(hosting: Hosting) -> Mapping[str, str]:
    """The environment of the worker process, app settings of an App Service among it."""
    if not hosting.settings.azure:
        return os.environ
    return {**os.environ, **of_worker(hosting.azure_name, hosting.settings.app_settings)}


def override_path(folder: str, name: str) -> str:
    """Where the file of configOverrides lies: a URL path, or a Windows path where it is one."""
    return name if paths.is_windows(name) else f"{folder}/{name.replace(chr(92), '/')}"


def read_override(files: SiteFiles, path: str) -> bytes | None:
    """The content of the file of configOverrides; None where there is none."""
    if paths.is_windows(path):
        return files.read_physical(path, iisnode_yml.MAX_BYTES)
    return files.read(path, iisnode_yml.MAX_BYTES)


def is_used(effective: Effective) -> bool:
    """Whether a handler of a configuration is iisnode's. A view: see Effective.view."""
    return any(MODULE in handler.modules for handler, _ in effective.view(handlers.table).entries)


def attributes() -> Mapping[str, Attribute]:
    """The attributes of <iisnode> by name."""
    return schema.sections()[SECTION].attributes


def written(effective: Effective) -> Mapping[str, Setting]:
    """Defaults, and what the web.config files say. A view: see Effective.view."""
    found = {
        name: Setting(_plain(values.default(attribute)), "default")
        for name, attribute in attributes().items()
    }
    for level in effective.levels:
        for part in level.instances(SECTION):
            for name, value in part.element.values.items():
                found[name] = Setting(_plain(value), str(part.element.span))
    return found


def _plain(value: values.Value) -> str | int | bool:
    return value if isinstance(value, str | int) else ""


def _expanded(name: str, setting: Setting, variables: Mapping[str, str]) -> Setting:
    """A setting with the variables of the worker that were not known when the file was read."""
    if isinstance(setting.value, str) and "expanded" in attributes()[name].words:
        return Setting(values.expand(setting.value, variables), setting.origin)
    return setting


def _of_environment(variables: Mapping[str, str]) -> Iterator[tuple[str, Setting]]:
    """Attributes that IISNODE_<attribute> sets. Raises BrokenSettings."""
    known = {name.lower(): attribute for name, attribute in attributes().items()}
    for variable, text in variables.items():
        lower = variable.lower()
        if not lower.startswith(_PREFIX) or lower.removeprefix(_PREFIX) not in known:
            continue
        attribute = known[lower.removeprefix(_PREFIX)]
        value = _of_variable(attribute, text)
        if value is None:
            raise BrokenSettings(
                catalogue.finding(
                    "iisnode-bad-variable", None, variable=variable, text=text, kind=attribute.type
                )
            )
        yield attribute.name, Setting(value, f"the variable {variable}")


def _of_variable(attribute: Attribute, text: str) -> str | int | bool | None:
    """The value that a variable gives an attribute; None where it cannot."""
    if attribute.type == "bool":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if attribute.type == "uint":
        return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None
    return text


#: What iisnode.yml may name with %VARIABLES% in it.
_EXPANDED_IN_YML = frozenset(
    {"logDirectory", "node_env", "watchedFiles", "nodeProcessCommandLine", "interceptor"}
)


def of_yml(
    yml: iisnode_yml.Yml, name: str, variables: Mapping[str, str]
) -> Iterator[tuple[str, Setting]]:
    """What iisnode.yml sets; ``name`` is the file's. Raises BrokenSettings."""
    for found in yml_findings(yml, name):
        if found.severity == "error":
            raise BrokenSettings(found)
    known = {key.lower(): attribute for key, attribute in attributes().items()}
    for key, text, number in yml.lines:
        attribute = known.get(iisnode_yml.attribute_name(key))
        if attribute is None:
            continue
        value: str | int | bool = text
        if attribute.type == "bool":
            value = iisnode_yml.flag(text) or False
        elif attribute.type == "uint":
            value = iisnode_yml.number(text)
        elif attribute.name in _EXPANDED_IN_YML:
            value = values.expand(text, variables)
        yield attribute.name, Setting(value, f"{name}:{number}")


def yml_findings(yml: iisnode_yml.Yml, name: str) -> Iterator[Finding]:
    """What breaks iisnode.yml; ``name`` is the file's."""
    for problem in yml.problems:
        form = problem.form
        yield catalogue.finding(
            f"iisnode-yml-broken/{form}", Span(name, problem.number, 1), text=problem.text
        )
    known = {key.lower(): attribute for key, attribute in attributes().items()}
    for key, text, number in yml.lines:
        attribute = known.get(iisnode_yml.attribute_name(key))
        if attribute is not None and attribute.type == "bool" and iisnode_yml.flag(text) is None:
            yield catalogue.finding(
                "iisnode-yml-broken/flag", Span(name, number, 1), key=key, text=text
            )


# -- the settings with their types -----------------------------------------------------------------


@lru_cache(maxsize=64)
def compiled(found: Settings) -> IisNode:
    """The settings of an action with their types."""
    by_name = dict(found)

    def get(name: str, kind: Callable[[str | int | bool], T]) -> T:
        return kind(by_name[name].value)

    return IisNode(
        command_line=get("nodeProcessCommandLine", str),
        interceptor=get("interceptor", str),
        node_env=get("node_env", str),
        processes=min(
            get("nodeProcessCountPerApplication", int) or os.cpu_count() or 1, MAX_PROCESSES
        ),
        requests_per_process=get("maxConcurrentRequestsPerProcess", int),
        connection_tries=max(1, get("maxNamedPipeConnectionRetry", int)),
        connection_delay=get("namedPipeConnectionRetryDelay", int) / 1000,
        kept_connections=get("maxNamedPipeConnectionPoolSize", int),
        kept_seconds=get("maxNamedPipePooledConnectionAge", int) / 1000,
        max_head=get("maxRequestBufferSize", int),
        watched=tuple(part for part in get("watchedFiles", str).split(";") if part),
        graceful_seconds=get("gracefulShutdownTimeout", int) / 1000,
        log_directory=get("logDirectory", str),
        logging=get("loggingEnabled", bool),
        log_file_kb=get("maxLogFileSizeInKB", int),
        log_total_kb=get("maxTotalLogFileSizeInKB", int),
        log_files=get("maxLogFiles", int),
        dev_errors=get("devErrorsEnabled", bool),
        flushes=get("flushResponse", bool),
        adds_forwarded_for=get("enableXFF", bool),
        promoted=tuple(part for part in get("promoteServerVars", str).split(",") if part),
        recycle_signal=get("recycleSignalEnabled", bool),
        sticky=get("nodeProcessStickySessions", bool),
    )
