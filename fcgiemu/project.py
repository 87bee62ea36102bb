"""Settings that a site keeps with itself: ``[tool.fcgiemu]`` of its pyproject.toml, or
fcgiemu.toml.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import identities
from .app_service import easy_auth
from .app_service.environment import AppSetting
from .app_service.environment import read as read_app_settings
from .app_service.principal import read_people
from .errors import SiteError
from .files import MAX_TEXT, content, read_bounded
from .settings import EVERY, OPTIONAL_MODULES, server_pair
from .version import DOCUMENTATION

#: Keys that are switches of Settings by the same name, but for the hyphens.
_SWITCHES = ("strict", "strict-locks", "azure", "portal-wins", "arr", "php", "compression", "ui")
#: Who the client is, and who may be.
_IDENTITY = ("as", "role", "as-type", "basic-users", "easy-auth", "identities")
_KEYS = (
    *_SWITCHES,
    "site-name",
    "profile",
    "host-config",
    "map",
    "map-server",
    "app-settings",
    "python",
    "transform",
    "module",
    *_IDENTITY,
)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


#: Options of ``serve`` by their key: what holds for a value. The command line knows the rest.
_SERVE: dict[str, Callable[[object], bool]] = {
    "port": _is_number,
    "host": _is_text,
    "local-host": _is_list,
    "reload": _is_flag,
    "reload-also": _is_list,
    "standby": _is_flag,
    "workers": _is_number,
    "worker": _is_text,
    "strict-pool": _is_flag,
    "https": _is_flag,
    "cert": _is_text,
    "key": _is_text,
    "debugpy": _is_number,
    "no-timeouts": _is_flag,
    "app-init": _is_flag,
    "health-checks": _is_flag,
    "log-format": _is_text,
    "freb": _is_text,
    "measured-only": _is_flag,
    "quiet": _is_flag,
    "verbose": _is_flag,
    "open": _is_flag,
    "editor": _is_text,
    "ui-open": _is_flag,
    "ui-host": _is_text,
    "ui-port": _is_number,
    "ui-write": _is_flag,
}
#: Those of them that name a file, relative to the file that holds the key.
_PATHS = frozenset({"cert", "key", "freb"})


def read(folder: Path) -> dict[str, Any]:
    """Fields of Settings that the files in ``folder`` set. Raises SiteError, naming the file, for
    what they cannot hold.
    """
    found = _find(folder)
    return _fields(*found) if found is not None else {}


def named_files(folder: Path) -> list[Path]:
    """The files and folders that the settings of a site name, whether they exist or not; none of
    them is read. Raises SiteError.
    """
    found = _find(folder)
    if found is None:
        return []
    table, path = found
    named = [table.get(key) for key in ("host-config", "app-settings", "basic-users", "easy-auth")]
    transforms, maps = table.get("transform"), table.get("map")
    named += [table.get("identities"), transforms]
    named += transforms if isinstance(transforms, list) else ()
    named += maps.values() if isinstance(maps, dict) else ()
    return [path.parent / text for text in named if isinstance(text, str)]


def of_serve(folder: Path) -> tuple[Path, dict[str, object]] | None:
    """The file that holds settings, and the options of ``serve`` that it sets, by their key; None
    where no file holds any. Raises SiteError.
    """
    found = _find(folder)
    if found is None:
        return None
    table, path = found
    _fields(table, path)
    return path, {
        key: str(path.parent / str(value)) if key in _PATHS else value
        for key, value in table.items()
        if key in _SERVE
    }


def _find(folder: Path) -> tuple[dict[str, Any], Path] | None:
    """Our settings of a folder, and the file that holds them. Raises SiteError."""
    for path, whole in ((folder / "fcgiemu.toml", True), (folder / "pyproject.toml", False)):
        if path.is_file():
            table = _table(_text_of(path), str(path), whole)
            if table is not None:
                return table, path
    return None


def _text_of(path: Path) -> str:
    try:
        data = read_bounded(path, MAX_TEXT + 1)
        if len(data) > MAX_TEXT:
            raise SiteError(
                f"{path} has more than {MAX_TEXT} bytes.", "Move what is not a setting elsewhere."
            )
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SiteError(f"{path} is not UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise SiteError(
            f"{path}: {error.strerror}.", "Give yourself the right to read it."
        ) from error


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
        raise SiteError(f"{name}: {error}.", "Correct the TOML.") from error
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
            or key in ("site-name", "profile")
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
        elif key == "map-server" and _texts(value):
            found["server_map"] = tuple(server_pair(f"{k}={v}") for k, v in value.items())
        elif key == "python" and (isinstance(value, str) or _texts(value)):
            given = {EVERY: value} if isinstance(value, str) else value
            found[field] = tuple((url, _python(text, path)) for url, text in given.items())
        elif key == "app-settings" and _texts(value):
            found[field] = tuple(AppSetting(name, text) for name, text in value.items())
        elif key == "app-settings" and isinstance(value, str):
            found[field] = tuple(read_app_settings(path.parent / value))
        elif key == "module" and _is_list(value) and set(value) <= set(OPTIONAL_MODULES):
            found["modules"] = tuple(value)
        elif key in _IDENTITY and (_is_text(value) or key == "role" and _is_list(value)):
            continue  # together: see _identity
        elif key in _SERVE and _SERVE[key](value):
            continue  # of serve alone: see of_serve
        else:
            raise _wrong(key, value, path)
    return {**found, **_identity(table, path)}


def _identity(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """Fields of Settings about clients."""
    found: dict[str, Any] = {}
    if "as" in table:
        roles = table.get("role", ())
        given = (roles,) if isinstance(roles, str) else tuple(roles)
        found["identity"] = identities.identity(table["as"], given, table.get("as-type", ""))
    if "basic-users" in table:
        found["basic_users"] = identities.read_accounts(path.parent / table["basic-users"])
    if "easy-auth" in table:
        found["easy_auth"] = easy_auth.read(path.parent / table["easy-auth"])
        found["azure"] = True
    if "identities" in table:
        found["people"] = read_people(path.parent / table["identities"])
        if "easy_auth" in found:
            found["easy_auth"] = replace(found["easy_auth"], people=found["people"])
    return found


def _wrong(key: str, value: object, path: Path) -> SiteError:
    """What to say of a key that does not exist, or holds what it cannot."""
    known = (*_KEYS, *_SERVE)
    if key in known:
        what = f"What each key holds: {DOCUMENTATION}serve.md."
        if key == "module":
            what = f"It is a list of {', '.join(OPTIONAL_MODULES)}."
        return SiteError(f"{path}: {key} cannot be {value!r}.", what)
    near = difflib.get_close_matches(key.lower().replace("_", "-"), known, 1, 0.6)
    hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}."
    return SiteError(f"{path}: there is no key {key}.", hint)


def _python(text: str, path: Path) -> str:
    """An interpreter or environment: a path is relative to the file, a name or a version is not
    one.
    """
    local = path.parent / Path(text).expanduser()
    return str(local) if "/" in text or local.exists() else text


def _texts(value: object) -> bool:
    """Whether a value is a table of texts."""
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
