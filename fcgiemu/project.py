"""Settings that a site keeps with itself: ``[tool.fcgiemu]`` of its pyproject.toml, or
fcgiemu.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .app_service.environment import AppSetting
from .app_service.environment import read as read_app_settings
from .errors import SiteError
from .files import content
from .settings import EVERY

#: Keys that are switches of Settings by the same name, but for the hyphens.
_SWITCHES = ("strict", "strict-locks", "azure", "portal-wins", "arr", "compression", "ui")
_KEYS = (
    *_SWITCHES,
    "site-name",
    "host-config",
    "map",
    "app-settings",
    "python",
    "transform",
)


def read(folder: Path) -> dict[str, Any]:
    """Fields of Settings that the files in ``folder`` set. Raises SiteError, naming the file, for
    what they cannot hold.
    """
    for path, whole in ((folder / "fcgiemu.toml", True), (folder / "pyproject.toml", False)):
        if path.is_file():
            try:
                text = path.read_text("utf-8-sig")
            except (UnicodeDecodeError, OSError) as error:
                raise SiteError(f"{path}: {error}.", "Mend the TOML.") from error
            table = _table(text, str(path), whole)
            if table is not None:
                return _fields(table, path)
    return {}


def inline_app_settings(folder: Path) -> Iterator[AppSetting]:
    """The app settings that the files of a source hold themselves; none of the other files that
    they may name is read.

    Raises SiteError for TOML that cannot be read.
    """
    for name, whole in (("fcgiemu.toml", True), ("pyproject.toml", False)):
        table = _table(content(folder, name).decode("utf-8-sig", "replace"), name, whole)
        given = table.get("app-settings") if table is not None else None
        if isinstance(given, dict) and _texts(given):
            yield from (AppSetting(key, value) for key, value in given.items())
            return


def _table(text: str, name: str, whole: bool) -> dict[str, Any] | None:
    """Our settings in a TOML text: all of it, or [tool.fcgiemu]; None where there are none. Raises
    SiteError.
    """
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SiteError(f"{name}: {error}.", "Mend the TOML.") from error
    for key in () if whole else ("tool", "fcgiemu"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _fields(table: dict[str, Any], path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        field = key.replace("-", "_")
        if (
            key in _SWITCHES
            and isinstance(value, bool)
            or key == "site-name"
            and isinstance(value, str)
        ):
            found[field] = value
        elif key == "host-config" and isinstance(value, str):
            found[field] = path.parent / value
        elif key == "transform" and isinstance(value, str):
            found["transforms"] = (value,)
        elif (
            key == "transform"
            and isinstance(value, list)
            and all(isinstance(name, str) for name in value)
        ):
            found["transforms"] = tuple(value)
        elif key == "map" and _texts(value):
            found["path_map"] = tuple(
                (windows, str(path.parent / local)) for windows, local in value.items()
            )
        elif key == "python" and (isinstance(value, str) or _texts(value)):
            given = {EVERY: value} if isinstance(value, str) else value
            found[field] = tuple((url, _python(text, path)) for url, text in given.items())
        elif key == "app-settings" and _texts(value):
            found[field] = tuple(AppSetting(name, text) for name, text in value.items())
        elif key == "app-settings" and isinstance(value, str):
            found[field] = tuple(read_app_settings(path.parent / value))
        elif key in _KEYS:
            raise SiteError(
                f"{path}: {key} cannot be {value!r}.", "See docs/serve.md for what each key holds."
            )
        else:
            raise SiteError(f"{path}: there is no key {key}.", f"Known are {', '.join(_KEYS)}.")
    return found


def _python(text: str, path: Path) -> str:
    """An interpreter or environment: a path is relative to the file, a name or a version is not
    one.
    """
    local = path.parent / Path(text).expanduser()
    return str(local) if "/" in text or local.exists() else text


def _texts(value: object) -> bool:
    """Whether a value is a table of texts."""
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
