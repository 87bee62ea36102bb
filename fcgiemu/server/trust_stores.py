"""Where browsers and the system keep the authorities that they trust, and the commands that add and
remove ours.

Only what needs no other user's rights is run: the databases of Chromium and Firefox in the user's
home. For the system's store the command is shown.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Our authority's name in every store.
NICKNAME = "fcgiemu"
_SECONDS = 30
_SYSTEM = {
    "debian": ("/usr/local/share/ca-certificates", "update-ca-certificates"),
    "fedora": ("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    "arch": ("/etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one store: ``done`` says whether; ``command`` is what the user can type."""

    store: str
    done: bool
    command: str


Runner = Callable[[tuple[str, ...]], bool]


def run(command: tuple[str, ...]) -> bool:
    """Whether a command ran and succeeded."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def add(
    authority: Path, home: Path, runner: Runner = run, root: Path = Path("/")
) -> Iterator[Outcome]:
    """Let browsers trust an authority, and say how the system is told."""
    for database in databases(home):
        command = (
            "certutil", "-A", "-d", f"sql:{database}", "-t", "C,,", "-n", NICKNAME,
            "-i", str(authority),
        )  # fmt: skip
        yield _ran(str(database), command, runner)
    if sys.platform == "darwin":
        keychain = home / "Library/Keychains/login.keychain-db"
        argv = ("security", "add-trusted-cert", "-k", str(keychain), str(authority))
        yield Outcome("the login keychain", False, shlex.join(argv))
    for folder, update in _stores(root):
        copy = shlex.join(("sudo", "cp", str(authority), f"{folder}/{NICKNAME}.crt"))
        yield Outcome("the system's store", False, f"{copy} && sudo {update}")


def remove(
    authority: Path, home: Path, runner: Runner = run, root: Path = Path("/")
) -> Iterator[Outcome]:
    """Take the trust back, where it has been given."""
    for database in databases(home):
        listed = ("certutil", "-L", "-d", f"sql:{database}", "-n", NICKNAME)
        if shutil.which("certutil") is None or runner(listed):
            command = ("certutil", "-D", "-d", f"sql:{database}", "-n", NICKNAME)
            yield _ran(str(database), command, runner)
    if sys.platform == "darwin":
        argv = shlex.join(("security", "remove-trusted-cert", str(authority)))
        yield Outcome("the login keychain", False, argv)
    for folder, update in _stores(root):
        file = Path(folder, f"{NICKNAME}.crt")
        if root.joinpath(str(file).lstrip("/")).exists():
            shown = f"{shlex.join(('sudo', 'rm', str(file)))} && sudo {update}"
            yield Outcome("the system's store", False, shown)


def _ran(store: str, command: tuple[str, ...], runner: Runner) -> Outcome:
    return Outcome(store, runner(command), shlex.join(command))


def databases(home: Path) -> list[Path]:
    """The certificate databases of Chromium and Firefox in a home."""
    profiles = [
        file.parent
        for place in (".mozilla/firefox", "snap/firefox/common/.mozilla/firefox")
        for file in sorted((home / place).glob("*/cert9.db"))
    ]
    shared = home / ".pki/nssdb"
    return [*([shared] if (shared / "cert9.db").is_file() else []), *profiles]


def _stores(root: Path) -> Iterator[tuple[str, str]]:
    """The folder of the system's store and what reads it again."""
    for folder, update in _SYSTEM.values():
        if root.joinpath(folder.lstrip("/")).is_dir():
            yield folder, update
            return
