"""What a pyproject.toml requires, as pip writes it: package by package.

The project itself is left out, because the site runs from its folder, and because many a project is
only a list of packages, or the root of a monorepo, which pip cannot build.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import read_text
from .environments import folders_up

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class ProjectList:
    """One list of a project: what it is called behind the file's name, its packages, and what pip
    is to be given for them, which is a folder for a package that lies beside the project.
    """

    name: str
    texts: tuple[str, ...]
    arguments: tuple[str, ...]


def lists(file: Path) -> Iterator[ProjectList]:
    """What a project requires for everybody, with an extra, in a group, and by Poetry's table."""
    document = read(file)
    tool = _table(document, "tool")
    project, poetry = _table(document, "project"), _table(tool, "poetry")
    local = _local_packages(file.parent, _table(_table(tool, "uv"), "sources"))
    plain = _texts(project.get("dependencies"))
    plain += as_pip(_table(poetry, "dependencies"), file.parent)
    yield _list("", plain, local)
    for extra, given in _table(project, "optional-dependencies").items():
        found = _list(f" [{extra}]", _texts(given), local)
        yield ProjectList(
            found.name, found.texts, (*_list("", plain, local).arguments, *found.arguments)
        )
    groups = {
        **_table(document, "dependency-groups"),
        **_table(_table(tool, "pdm"), "dev-dependencies"),
    }
    for group, given in groups.items():
        yield _list(f", group {group}", _texts(given), local)
    for group, given in _table(poetry, "group").items():
        table = _table(given, "dependencies") if isinstance(given, dict) else {}
        yield _list(f", group {group}", as_pip(table, file.parent), local)


def read(file: Path) -> dict[str, Any]:
    """A TOML file as a dictionary; an empty one where it cannot be read."""
    try:
        return tomllib.loads(read_text(file))
    except (OSError, ValueError):
        return {}


def _list(name: str, texts: list[str], local: dict[str, str]) -> ProjectList:
    arguments = [local.get(_folded(text), text) for text in texts]
    return ProjectList(name, tuple(texts), tuple(arguments))


def _folded(text: str) -> str:
    """The name that a requirement begins with, as indexes compare it."""
    name = _NAME.match(text)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _texts(given: object) -> list[str]:
    return [part for part in given if isinstance(part, str)] if isinstance(given, list) else []


# -- packages that lie beside the project ----------------------------------------------------------


def _local_packages(folder: Path, sources: dict[str, Any]) -> dict[str, str]:
    """The folders of packages that uv takes from the workspace or from a path."""
    found: dict[str, str] = {}
    for name, given in sources.items():
        source = given if isinstance(given, dict) else {}
        if isinstance(source.get("path"), str):
            found[_folded(name)] = str((folder / source["path"]).resolve())
        elif source.get("workspace") and (member := _member(folder, _folded(name))):
            found[_folded(name)] = str(member)
    return found


def _member(folder: Path, name: str) -> Path | None:
    """The folder of a member of the workspace that a project lies in."""
    for place in folders_up(folder):
        uv = _table(_table(read(place / "pyproject.toml"), "tool"), "uv")
        for pattern in _texts(_table(uv, "workspace").get("members")):
            for file in sorted(place.glob(f"{pattern}/pyproject.toml")):
                if _folded(str(_table(read(file), "project").get("name", ""))) == name:
                    return file.parent
    return None


# -- Poetry's own table ----------------------------------------------------------------------------


def as_pip(packages: dict[str, Any], folder: Path) -> list[str]:
    """A table of packages, Poetry's or Pipenv's, as pip writes them; optional ones are left out."""
    found = []
    for name, given in packages.items():
        table = given if isinstance(given, dict) else {"version": given}
        if name == "python" or table.get("optional"):
            continue
        extras = f"[{','.join(_texts(table.get('extras')))}]" if table.get("extras") else ""
        if isinstance(table.get("git"), str):
            revision = (
                table.get("rev") or table.get("ref") or table.get("tag") or table.get("branch")
            )
            found.append(f"{name}{extras} @ git+{table['git']}{f'@{revision}' if revision else ''}")
        elif isinstance(table.get("path"), str):
            found.append(f"{name}{extras} @ {(folder / table['path']).resolve().as_uri()}")
        else:
            found.append(f"{name}{extras}{_versions(str(table.get('version', '*')))}")
    return found


def _versions(text: str) -> str:
    """Poetry's versions as pip writes them: ``^1.2`` is ``>=1.2,<2``, ``~1.2`` is ``>=1.2,<1.3``,
    ``1.2`` is ``==1.2``. Alternatives become no limit.
    """
    if "||" in text or "|" in text:
        return ""
    return ",".join(filter(None, (_version(part.strip()) for part in text.split(","))))


def _version(text: str) -> str:
    sign, number = text[:1], text[1:].strip()
    if sign not in "^~" or text.startswith("~="):
        is_plain = re.match(r"\d", text) is not None
        return f"=={text}" if is_plain else "" if text == "*" else text.replace(" ", "")
    parts = [int(part) for part in re.findall(r"\d+", number)[:3]] or [0]
    if sign == "^":  # up to the next change of the first number that is not 0
        kept = next((place for place, part in enumerate(parts) if part), len(parts) - 1)
    else:
        kept = min(1, len(parts) - 1)
    limit = ".".join(map(str, [*parts[:kept], parts[kept] + 1]))
    return f">={number},<{limit}"
