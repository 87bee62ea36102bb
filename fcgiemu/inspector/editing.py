"""The root web.config of a site as a text that is edited: read, compared, saved."""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..pages import secret_masking

#: Bytes of a file that can be edited.
MAX_FILE = 1 << 20
_BOM = b"\xef\xbb\xbf"


class CannotEdit(Exception):
    """Why a file cannot be read or saved; ``status`` is the answer's."""

    def __init__(self, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class EditedFile:
    """A file as it was read; ``stamp`` is of its bytes, "" = there is no file."""

    path: Path
    text: str
    stamp: str
    has_bom: bool = False
    has_returns: bool = False


def read(folder: Path) -> EditedFile:
    """The web.config of a folder. Raises CannotEdit."""
    path = _path(folder)
    try:
        data = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise CannotEdit(f"{path.name} cannot be read: {error.strerror}.") from error
    if data is None:
        return EditedFile(path, "", "")
    if len(data) > MAX_FILE:
        raise CannotEdit(f"{path.name} has more than {MAX_FILE} bytes: edit it elsewhere.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotEdit(f"{path.name} is not UTF-8: edit it elsewhere.") from None
    stamp = hashlib.sha256(data).hexdigest()
    plain = text.replace("\r\n", "\n")
    return EditedFile(path, plain, stamp, data.startswith(_BOM), "\r\n" in text)


def _path(folder: Path) -> Path:
    names = [name for name in os.listdir(folder) if name.lower() == "web.config"]
    path = folder / (sorted(names, reverse=True)[0] if names else "web.config")
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()):
        raise CannotEdit(f"{path.name} is a link that leaves the site.")
    return real


def diff(source: EditedFile, text: str, show_secrets: bool) -> str:
    """What saving ``text`` would change, as a unified diff."""
    before, after = source.text, text
    if not show_secrets:
        before, after = secret_masking.text(before), secret_masking.text(after)
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "web.config", "web.config (new)", lineterm=""
    )
    return "\n".join(lines)


def save(folder: Path, text: str, stamp: str) -> EditedFile:
    """Write ``text`` in the place of the file that had ``stamp``: whole or not at all. Byte order
    mark, line ends and mode stay. Raises CannotEdit where the file has changed since.
    """
    source = read(folder)
    if source.stamp != stamp:
        raise CannotEdit("web.config has changed since it was read: reload it first.")
    plain = text.replace("\r\n", "\n")
    data = (plain.replace("\n", "\r\n") if source.has_returns else plain).encode()
    data = (_BOM if source.has_bom else b"") + data
    if len(data) > MAX_FILE:
        raise CannotEdit(f"web.config has at most {MAX_FILE} bytes here.", 413)
    try:
        _replace(source.path, data)
    except OSError as error:
        raise CannotEdit(f"web.config cannot be written: {error.strerror}.") from error
    return read(folder)


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".web.config.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.chmod(name, path.stat().st_mode & 0o7777 if path.exists() else 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
