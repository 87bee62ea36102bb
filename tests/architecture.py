"""The picture of docs/architecture.md, made from the imports: ``python -m tests.architecture``
writes it.

Rooms are the direct children of the package; floors are the layers of the contract in setup.cfg. An
arrow that other arrows already tell is left out.
"""

from __future__ import annotations

import configparser
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- picture: made by tests/architecture.py -->\n", "<!-- end of the picture -->\n"
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


def page() -> str:
    """docs/architecture.md with the picture of today."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + picture() + END + after


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
