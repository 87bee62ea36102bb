"""Which Node runs a site of iisnode: the program that nodeProcessCommandLine begins with.

A path that leads to a program here, by ``--map`` or one of the folders that stand for the server's,
is that program. ``node`` and ``node.exe``, with or without a path of Windows in front, are the Node
of this machine: the one on PATH, else one of nvm. A program of another name is never taken for
Node.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..app_service.environment import of_worker
from ..applications import Application
from ..files import content
from ..hosting import Hosting
from ..worker import paths
from .interpreter_probe import run
from .interpreters import ProgramMissing
from .windows_paths import path_pairs

#: Version numbers, the most important first.
Version = tuple[int, ...]
_NODE = frozenset({"node", "node.exe", "nodejs", "nodejs.exe"})


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """A local program for nodeProcessCommandLine, with the arguments that are written there, and
    why it is that one.
    """

    path: str
    arguments: tuple[str, ...]
    why: str


def words(text: str) -> list[str]:
    """The words of a command line of Windows, without the quotation marks around them."""
    return [word.replace('"', "") for word in re.findall(r'(?:"[^"]*"?|[^\s"])+', text)]


def find(command_line: str, site: Hosting, application: Application) -> NodeProgram:
    """The program for nodeProcessCommandLine. Raises ProgramMissing."""
    written = words(command_line)
    if not written:
        raise ProgramMissing(
            "nodeProcessCommandLine of iisnode is empty.", "Write node.exe, or leave it out."
        )
    name, *arguments = written
    found = _named(name, site, application) or _installed(name)
    if found is None:
        is_node = last_part(name) in _NODE
        raise ProgramMissing(
            f"nodeProcessCommandLine of iisnode names {name}, and there is no such program here.",
            "Install Node.js (https://nodejs.org/, nvm, or your system's package nodejs)."
            if is_node
            else f"Correct nodeProcessCommandLine, or map it: --map '{name}=/path/to/node'.",
        )
    path, why = found
    return NodeProgram(path, tuple(arguments), why)


def last_part(name: str) -> str:
    """The name of a program behind its folders, in lower case."""
    return re.split(r"[\\/]", name)[-1].lower()


def _named(name: str, site: Hosting, application: Application) -> tuple[str, str] | None:
    """The file that a path leads to here."""
    pairs = path_pairs(site)
    local = ""
    if paths.is_windows(name):
        local = paths.map_path(name, pairs) or ""
    elif re.search(r"[\\/]", name):
        local = name if os.path.isabs(name) else paths.below(str(application.path), name)
    elif mapped := dict(site.settings.path_map).get(name):
        local = mapped
    for candidate in filter(None, (local, re.sub(r"(?i)\.exe$", "", local))):
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate, "web.config names it"
    return None


def _installed(name: str) -> tuple[str, str] | None:
    """A program of the same name on PATH; for Node also one of nvm."""
    last = last_part(name)
    if last not in _NODE:
        found = None if re.search(r"[\\/]", name) else shutil.which(last.removesuffix(".exe"))
        return (found, "on PATH") if found else None
    if found := shutil.which("node") or shutil.which("nodejs"):
        return found, "on PATH"
    of_nvm = next(_of_nvm(), None)
    return (of_nvm, "the newest of nvm") if of_nvm else None


def _of_nvm() -> Iterator[str]:
    """Every Node that nvm has installed, the newest first."""
    folder = Path(os.environ.get("NVM_DIR") or Path.home() / ".nvm")
    found = [(version_of(path.name), path) for path in folder.glob("versions/node/v*")]
    for _, path in sorted(found, key=lambda pair: pair[0], reverse=True):
        program = path / "bin" / "node"
        if os.access(program, os.X_OK):
            yield str(program)


# -- versions --------------------------------------------------------------------------------------


def version_of(text: str) -> Version:
    """The numbers of a version: of ``v20.1.0``, ``20``, or a path with such a part."""
    match = re.search(r"(?<![\w.])v?(\d+(?:\.\d+){0,2})(?:\.[xX*])*(?![\w.])", text)
    return tuple(map(int, match[1].split("."))) if match else ()


_COMPARATOR = re.compile(
    r"(>=|<=|>|<|=|\^|~>?|)\s*v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:[-+][\w.-]+)?"
)
_HYPHEN = re.compile(r"\s*v?([\d.]+)\s+-\s+v?([\d.]+)\s*")


def satisfies(version: Version, wanted: str) -> bool | None:
    """Whether a version is in a range as npm writes it: ``>=18 <21``, ``^20.1``, ``18.x || 20``.
    None for what is not a range of numbers, such as ``lts/iron``.
    """
    found = [_in_all(version, part) for part in wanted.split("||")]
    return None if None in found else any(found)


def _in_all(version: Version, text: str) -> bool | None:
    """Whether a version fulfils every comparator of one alternative."""
    if hyphen := _HYPHEN.fullmatch(text):
        text = f">={hyphen[1]} <={hyphen[2]}"
    comparators = list(_COMPARATOR.finditer(text))
    if _COMPARATOR.sub("", text).strip(" ,"):
        return None
    return all(_fulfils(version, match) for match in comparators)


def _fulfils(version: Version, match: re.Match[str]) -> bool:
    parts: Version = ()
    for text in match.groups()[1:]:
        if text is None or not text.isdigit():
            break
        parts += (int(text),)
    operator, whole = match[1], (*parts, 0, 0, 0)[:3]
    short = version[: len(parts)]
    if operator == ">=":
        return version >= whole
    if operator in (">", "<="):
        return (short > parts) == (operator == ">")
    if operator == "<":
        return version < whole
    if operator == "^":
        same = next((place + 1 for place, number in enumerate(parts) if number), len(parts))
        return version >= whole and version[:same] == parts[:same]
    if operator.startswith("~"):
        return version >= whole and version[: len(parts[:2])] == parts[:2]
    return short == parts


def version_name(version: Version) -> str:
    """A version as Node writes it: ``v20.1.0``."""
    return f"v{'.'.join(map(str, version))}" if version else "Node of an unknown version"


def version(program: str) -> Version:
    """The version of a Node here, () where it does not tell. Starts it."""
    try:
        return version_of(run([program, "--version"], os.environ, "/").output)
    except OSError:
        return ()


def wanted(site: Hosting, application: Application, command_line: str) -> Iterator[tuple[str, str]]:
    """The versions that the site asks for, as they are written, each with where it says so."""
    name = next(iter(words(command_line)), "")
    if (match := re.search(r"[\\/]v?(\d+\.\d+\.\d+)[\\/]node(?:\.exe)?$", name, re.I)) is not None:
        yield "nodeProcessCommandLine", match[1]
    folder = application.path
    if text := content(folder, ".nvmrc").decode("utf-8", "replace").strip():
        yield ".nvmrc", text
    if engines := engines_of(folder):
        yield "engines.node of package.json", engines
    if site.settings.azure:
        variables = of_worker(site.azure_name, site.settings.app_settings)
        if default := variables.get("WEBSITE_NODE_DEFAULT_VERSION"):
            yield "WEBSITE_NODE_DEFAULT_VERSION", default


def package(folder: Path) -> dict[str, object]:
    """package.json of a folder; empty where there is none, or nothing that can be read."""
    try:
        data = json.loads(content(folder, "package.json").decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def engines_of(folder: Path) -> str:
    """engines.node of package.json, "" where it says nothing."""
    engines = package(folder).get("engines")
    text = engines.get("node") if isinstance(engines, dict) else None
    return text if isinstance(text, str) else ""
