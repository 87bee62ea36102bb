"""What kind of site a folder holds, from its files alone.

The order is from what is surest: manage.py is Django's, an application in a module is that
framework's, package.json with a file that starts the site is Node's, index.php is PHP's, and a
folder with an index.html is static. A single-page application is a static site whose script takes
its URLs apart by itself.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import SiteError
from ..files import UNWATCHED, find, read_bounded, read_text
from ..programs import environments
from . import node_site
from .python_sources import FoundApplication, applications, tree_of

#: Kinds of applications that speak ASGI, which wfastcgi does not.
ASGI = frozenset({"FastAPI", "Starlette", "Quart", "Litestar"})
#: Where build tools put the pages of a single-page application.
_BUILT = ("dist", "build", "out", "public", "www")
_SCRIPTED = re.compile(
    r"<div[^>]*\bid=[\"']?(?:root|app|__next|svelte)[\"' >]|<app-root|<script[^>]*type=[\"']?module"
)
_STATIC = "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a folder holds. ``kind`` is a framework's name, "WSGI", "Node", "PHP", "static"
    or "single-page"; ``because`` the file that says so; ``handler`` what WSGI_HANDLER takes, ""
    where no Python runs; ``start`` the file that iisnode starts, or "".

    ``settings`` is DJANGO_SETTINGS_MODULE or "". ``static`` is the folder that IIS can serve by
    itself under the URL of the same name, or "". ``notes`` are sentences for the user.
    """

    kind: str
    because: str
    handler: str = ""
    start: str = ""
    settings: str = ""
    python_path: str = ""
    static: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_asgi(self) -> bool:
        """Whether the application speaks ASGI."""
        return self.kind in ASGI

    @property
    def is_python(self) -> bool:
        """Whether Python answers."""
        return bool(self.handler)


def recognise(folder: Path) -> Recognised:
    """What a folder holds. Raises SiteError, saying what was looked for, where nothing is known."""
    if not folder.is_dir():
        raise SiteError(f"There is no folder {folder}.", "Name the folder of the site.")
    try:
        found = _here(folder)
        if found is None and (built := _built(folder)) is not None:
            raise SiteError(
                f"The pages lie in {built}, where a build puts them.",
                f"Run: fcgiemu init {shlex.quote(str(built))}",
            )
        if found is None:
            raise SiteError(f"Nothing in {folder} looks like a site.", _what_then(folder))
    except OSError as error:
        raise SiteError(
            f"{folder} cannot be read: {error.strerror}.", "Name the folder of the site."
        ) from error
    return found


def place_of_site(folder: Path) -> Path | None:
    """The folder that ``init`` has to be given for the site that ``folder`` holds: itself, or one
    below it. None where it knows of none.
    """
    try:
        if _here(folder) is not None:
            return folder
        return _built(folder) or next((place for place, _ in _below(folder)), None)
    except OSError:
        return None


def _here(folder: Path) -> Recognised | None:
    return _django(folder) or _python(folder) or _node(folder) or _php(folder) or _pages(folder)


def _below(folder: Path) -> Iterator[tuple[Path, Recognised]]:
    """The sites in the folders of a folder, and in those where their builds put them."""
    for inner in sorted(folder.iterdir()):
        if inner.is_dir() and inner.name not in UNWATCHED and not inner.name.startswith("."):
            try:
                for place in (inner, _built(inner)):
                    if place is not None and (found := _here(place)) is not None:
                        yield place, found
            except OSError:
                continue


def _what_then(folder: Path) -> str:
    """What to do about a folder that holds no site of its own."""
    for place, inner in _below(folder):
        name = place.relative_to(folder).as_posix()
        return f"{name} does ({inner.kind}): fcgiemu init {shlex.quote(str(place))}"
    if any(_bottle_routes(file) for file in folder.glob("*.py")):
        return "Bottle's default application needs a name: application = bottle.default_app()"
    return (
        "Looked for: manage.py, an application of Flask, Bottle, Dash or FastAPI in a module, a "
        "function of environ and start_response, package.json with a start script of node, "
        "index.php, index.html. --handler module.name names a Python application."
    )


def _bottle_routes(file: Path) -> bool:
    text = read_text(file) if file.stat().st_size < 1 << 20 else ""
    return bool(re.search(r"^(?:from bottle import|import bottle)\b", text, re.MULTILINE))


# -- Django ----------------------------------------------------------------------------------------


def _django(folder: Path) -> Recognised | None:
    manage = folder / "manage.py"
    text = read_text(manage) if manage.is_file() else ""
    match = re.search(r"DJANGO_SETTINGS_MODULE[\"']\s*,\s*[\"']([\w.]+)[\"']", text)
    if match is None:
        return None
    settings = match[1]
    package = settings.rpartition(".")[0] if "." in settings else ""
    package = package.removesuffix(".settings")
    own = folder / package.replace(".", "/") / "wsgi.py"
    has_wsgi = bool(package) and own.is_file()
    static, notes = _django_static(folder, settings)
    return Recognised(
        kind="Django",
        because="manage.py",
        handler=f"{package}.wsgi.application"
        if has_wsgi
        else "django.core.wsgi.get_wsgi_application()",
        settings=settings,
        static=static,
        notes=notes,
    )


def _django_static(folder: Path, settings: str) -> tuple[str, tuple[str, ...]]:
    """The folder of collectstatic, where IIS can serve it; what to do where it cannot."""
    file = folder / f"{settings.replace('.', '/')}.py"
    values = _constants(file)
    url = values.get("STATIC_URL", "static/").strip("/") or _STATIC
    root = values.get("STATIC_ROOT", "")
    if root and root == url and "/" not in root:
        is_filled = (folder / root).is_dir()
        return root, () if is_filled else (f"fill {root}/ with: {_collectstatic(folder)}",)
    if root:
        return "", (
            f"STATIC_ROOT is {root}/ and STATIC_URL is /{url}/: IIS serves them by itself once "
            f"both have one name, {_static_root(file, folder, url)}",
        )
    return "", (
        "static files: runserver alone serves them without being asked. Set "
        f"{_static_root(file, folder, url)}, run {_collectstatic(folder)}, remove web.config and "
        "run fcgiemu init again (or use WhiteNoise)",
    )


def _collectstatic(folder: Path) -> str:
    """The command that fills STATIC_ROOT, with the Python of the site's own environment where it
    has one.
    """
    names = (*environments.NAMES, environments.AZURE_NAME)
    pythons = (Path(environments.program(folder / name)) for name in names)
    own = next((shlex.quote(str(python)) for python in pythons if python.is_file()), None)
    if own is None:
        return "python manage.py collectstatic (with the Python that has Django)"
    return f"{own} {shlex.quote(str(folder / 'manage.py'))} collectstatic"


def _static_root(file: Path, folder: Path, url: str) -> str:
    """The line that sets STATIC_ROOT in a settings file, by what the file has defined."""
    tree = tree_of(file)
    base = next(
        (
            node.value
            for node in (tree.body if tree is not None else ())
            if isinstance(node, ast.Assign)
            and any(isinstance(to, ast.Name) and to.id == "BASE_DIR" for to in node.targets)
        ),
        None,
    )
    if base is None and file.is_file():
        ups = len(file.relative_to(folder).parts) - 1
        return f'STATIC_ROOT = Path(__file__).resolve().parents[{ups}] / "{url}" (from pathlib)'
    if base is not None and "os.path" in ast.unparse(base):
        return f'STATIC_ROOT = os.path.join(BASE_DIR, "{url}")'
    return f'STATIC_ROOT = BASE_DIR / "{url}"'


def _constants(file: Path) -> dict[str, str]:
    """STATIC_URL and STATIC_ROOT of a settings module: the last text in their expression."""
    tree = tree_of(file)
    found: dict[str, str] = {}
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts = [
                part.value
                for part in ast.walk(node.value)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            if node.targets[0].id in ("STATIC_URL", "STATIC_ROOT") and texts:
                found[node.targets[0].id] = texts[-1]
    return found


# -- other Python ----------------------------------------------------------------------------------


def _python(folder: Path) -> Recognised | None:
    for place, path in ((folder, ""), (folder / "src", ".\\src")):
        if place.is_dir() and (found := applications(place)):
            return of_application(folder, found[0], path, found[1:])
    return None


def of_application(
    folder: Path,
    found: FoundApplication,
    python_path: str = "",
    others: list[FoundApplication] | None = None,
) -> Recognised:
    """The site that an application of a module is."""
    kind = found.kind
    has_static = (folder / _STATIC).is_dir() and not found.has_own_static
    notes = [f"{found.name}() makes the application" for _ in () if found.name.endswith("()")]
    rivals = [other.name for other in others or () if other.kind == kind][:3]
    if rivals:
        notes.append(f"also there: {', '.join(rivals)}; --handler chooses another one")
    return Recognised(
        kind=kind,
        because=f"{found.file.relative_to(folder).as_posix()}:{found.line}",
        handler=found.name,
        python_path=python_path,
        static=_STATIC if has_static else "",
        notes=tuple(notes),
    )


# -- Node, PHP and pages ---------------------------------------------------------------------------


def _node(folder: Path) -> Recognised | None:
    """package.json, and a file that starts a server. Beside pages of its own server.js or app.js
    may be a script of theirs: there a start script has to name it.
    """
    if find(folder, "package.json") is None:
        return None
    named = node_site.start_script(folder)
    has_pages = find(folder, "index.html") is not None
    start = named if has_pages else node_site.start_file(folder)
    if not start or not (folder / start).is_file():
        return None
    return Recognised(kind="Node", because=start, start=start)


def _php(folder: Path) -> Recognised | None:
    if (folder / "index.php").is_file():
        return Recognised(kind="PHP", because="index.php")
    return None


def _built(folder: Path) -> Path | None:
    """Where a build has put the pages of a site."""
    places = (folder / name for name in _BUILT)
    return next((place for place in places if (place / "index.html").is_file()), None)


def _pages(folder: Path) -> Recognised | None:
    page = next(
        (folder / name for name in ("index.html", "index.htm") if (folder / name).is_file()), None
    )
    if page is None:
        return None
    text = read_bounded(page, 1 << 18).decode("utf-8", "replace")
    pages = [file for file in folder.glob("*.htm*") if file.name != "404.html"]
    is_scripted = len(pages) == 1 and _SCRIPTED.search(text) is not None
    return Recognised(kind="single-page" if is_scripted else "static", because=page.name)
