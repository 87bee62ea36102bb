"""The parts of docs/architecture.md that are made from the code: ``python -m tests.architecture``
writes them. The picture is made from the imports, the tables of files from the docstrings.

Rooms are the direct children of the package; floors are the layers of the contract in setup.cfg. An
arrow that other arrows already tell is left out.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterable
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = "<!-- picture: made by tests/architecture.py -->\n", "<!-- end of the picture -->\n"
FILES = "<!-- files: made by tests/architecture.py -->\n", "<!-- end of the files -->\n"
PACKAGE = "fcgiemu"

Arrows = dict[str, set[str]]


def layers() -> list[list[str]]:
    """The rooms of each floor, from the top down, as setup.cfg has them."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["importlinter:contract:layers"]["layers"].strip().splitlines()
    return [line.replace(":", "|").replace(" ", "").split("|") for line in lines]


def arrows() -> Arrows:
    """Room -> the rooms that it imports."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    rooms = {room for floor in layers() for room in floor}
    found: Arrows = {room: set() for room in rooms}
    for module in graph.modules:
        room = _room(module)
        if room in rooms:
            imported = map(_room, graph.find_modules_directly_imported_by(module))
            found[room].update(other for other in imported if other in rooms and other != room)
    return found


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _reduced(found: Arrows) -> Arrows:
    """Without the arrows that a longer way tells."""

    def below(room: str) -> set[str]:
        reached: set[str] = set()
        waiting = [room]
        while waiting:
            waiting += found[waiting.pop()] - reached
            reached.update(waiting)
        return reached

    all_below = {room: below(room) for room in found}
    return {
        room: {
            other
            for other in targets
            if not any(other in all_below[way] for way in targets if way != other)
        }
        for room, targets in found.items()
    }


def picture() -> str:
    """The Mermaid text."""
    lines = ["```mermaid", "flowchart TB"]
    for number, floor in enumerate(layers()):
        lines.append(f'  subgraph floor{number}[" "]')
        lines += [f"    {room}" for room in sorted(floor)]
        lines.append("  end")
    for room, targets in sorted(_reduced(arrows()).items()):
        lines += [f"  {room} --> {other}" for other in sorted(targets)]
    return "\n".join([*lines, "```"]) + "\n"


def files() -> str:
    """A table for the rooms of one file, and one for each that is a folder: their files, with the
    first paragraph of each.
    """
    package = ROOT / PACKAGE
    rooms = sorted(path.parent for path in package.glob("*/__init__.py"))
    tables = [_table("Rooms of one file", package, package.glob("*.py"))]
    return "\n".join(
        [*tables, *(_table(f"`{room.name}`", room, room.rglob("*.py")) for room in rooms)]
    )


def _table(title: str, folder: Path, paths: Iterable[Path]) -> str:
    rows = [
        f"| `{path.relative_to(folder).as_posix()}` | {_purpose(path)} |"
        for path in sorted(paths)
        if not path.name.startswith("__")
    ]
    return "\n".join([f"### {title}", "", "| file | what it holds |", "| --- | --- |", *rows, ""])


_CODE = re.compile(r"``(.+?)``|((?:</?[\w:.!-]+[^>]*>)+)")


def _purpose(path: Path) -> str:
    """The first paragraph of a file's docstring as one line of Markdown."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    line = " ".join(docstring.partition("\n\n")[0].split())
    return _CODE.sub(lambda found: f"`{found[1] or found[2]}`", line).replace("|", "\\|")


def page() -> str:
    """docs/architecture.md as the code of today makes it."""
    text = PAGE.read_text("utf-8")
    for (begin, end), made in ((PICTURE, picture()), (FILES, files())):
        before, _, rest = text.partition(begin)
        text = before + begin + made + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
