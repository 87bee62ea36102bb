"""What the Python modules of a folder define, read from their source: nothing of the site is run.

A web application is an assignment at the left margin (``app = Flask(__name__)``), a callable of two
arguments (``def application(environ, start_response)``), or a factory (``def create_app()``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import UNWATCHED, read_bounded

#: Module of a class or function -> name -> kind of application that a call of it makes.
_MAKERS = {
    "flask": {"Flask": "Flask"},
    "dash": {"Dash": "Dash"},
    "bottle": {"Bottle": "Bottle", "default_app": "Bottle", "app": "Bottle"},
    "fastapi": {"FastAPI": "FastAPI"},
    "starlette.applications": {"Starlette": "Starlette"},
    "quart": {"Quart": "Quart"},
    "litestar": {"Litestar": "Litestar"},
    "a2wsgi": {"ASGIMiddleware": "WSGI"},
    "django.core.wsgi": {"get_wsgi_application": "WSGI"},
}
#: Names of modules that hold applications by convention, the likeliest first.
_FIRST = ("wsgi", "app", "application", "main", "server", "run", "api", "site_app", "index")
#: Folders that are not packages of the site.
_NOT_PACKAGES = frozenset({"src", "tests", "test", "static", "templates", "migrations"})
_NAMES = ("application", "app", "wsgi_app", "server")
_FACTORIES = ("create_app", "make_app", "get_app")
#: Larger files are not a module that somebody writes.
_MAX_BYTES = 1 << 20
_MAX_FILES = 200


@dataclass(frozen=True, slots=True)
class FoundApplication:
    """An application in a module. ``name`` is what WSGI_HANDLER takes, ``main.app`` or
    ``main.create_app()``; ``line`` is where it is made, ``has_own_static`` whether the call says
    where static files lie.
    """

    kind: str
    name: str
    file: Path
    line: int
    has_own_static: bool = False


def applications(folder: Path) -> list[FoundApplication]:
    """The applications in the modules of a folder and of its packages, the likeliest first."""
    found = [each for dotted, file in _modules(folder) for each in _in_module(dotted, file)]
    return sorted(found, key=_rank)


def tree_of(file: Path) -> ast.Module | None:
    """The syntax tree of a module; None for a file that is none."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            return None
        return ast.parse(read_bounded(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _rank(found: FoundApplication) -> tuple[bool, int, int, int, str]:
    """WSGI applications in modules and by names of convention come first, factories last."""
    name = found.name.rpartition(".")[2]
    stem = found.file.parent.name if found.file.name == "__init__.py" else found.file.stem
    return (
        name.endswith("()"),
        found.name.count("."),
        _FIRST.index(stem) if stem in _FIRST else len(_FIRST),
        _NAMES.index(name) if name in _NAMES else len(_NAMES),
        found.name,
    )


def _modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of the modules of a folder and one level of packages below."""
    files = sorted(folder.glob("*.py"))[:_MAX_FILES]
    yield from ((file.stem, file) for file in files if file.stem.isidentifier())
    for place in sorted(folder.iterdir()):
        if place.name in UNWATCHED or not place.name.isidentifier() or place.name in _NOT_PACKAGES:
            continue
        if (place / "__init__.py").is_file():
            yield place.name, place / "__init__.py"
        if place.is_dir():
            for file in sorted(place.glob("*.py"))[:_MAX_FILES]:
                if file.name != "__init__.py" and file.stem.isidentifier():
                    yield f"{place.name}.{file.stem}", file


def _in_module(dotted: str, file: Path) -> Iterator[FoundApplication]:
    tree = tree_of(file)
    if tree is None or file.stem.startswith("test") or file.stem == "conftest":
        return
    known = _imported(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            if kind := _function(node, known):
                call = "" if kind == "WSGI" else "()"
                yield FoundApplication(kind, f"{dotted}.{node.name}{call}", file, node.lineno)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            kind = known.get(ast.unparse(node.value.func), "")
            for target in targets:
                if kind and isinstance(target, ast.Name):
                    end = ".server" if kind == "Dash" else ""
                    name = f"{dotted}.{target.id}{end}"
                    yield FoundApplication(kind, name, file, node.lineno, _says_static(node.value))


def _says_static(call: ast.Call) -> bool:
    return any(word.arg in ("static_folder", "static_url_path") for word in call.keywords)


def _imported(tree: ast.Module) -> dict[str, str]:
    """What makes an application in this module, as it is written there -> kind."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            makers = _MAKERS.get(node.module or "", {})
            for name in node.names:
                if name.name in makers:
                    known[name.asname or name.name] = makers[name.name]
        elif isinstance(node, ast.Import):
            for name in node.names:
                for maker, kind in _MAKERS.get(name.name, {}).items():
                    known[f"{name.asname or name.name}.{maker}"] = kind
    return known


def _function(node: ast.FunctionDef, known: dict[str, str]) -> str:
    """The kind of application that a function is or makes; "" for any other function."""
    arguments = [argument.arg for argument in node.args.args]
    if len(arguments) == 2 and arguments[1] == "start_response":
        return "WSGI"
    if node.name not in _FACTORIES or len(arguments) > len(node.args.defaults):
        return ""
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    return next((known[name] for name in map(ast.unparse, calls) if name in known), "")
