"""``fcgiemu trust`` and ``clean``: which commands run, which are shown, and what is removed."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.x509 import verification

from fcgiemu.cli import main
from fcgiemu.server import certificate_authority, tls, trust_stores

from ..sites import write

DATABASES = {".pki/nssdb/cert9.db": "", ".mozilla/firefox/a.default/cert9.db": ""}
STORE = {"usr/local/share/ca-certificates/": ""}
on_linux = pytest.mark.skipif(sys.platform == "darwin", reason="a keychain is named as well")


class Runner:
    """Notes commands; each has the given success."""

    def __init__(self, works: bool) -> None:
        self.works = works
        self.ran: list[tuple[str, ...]] = []

    def __call__(self, command: tuple[str, ...]) -> bool:
        self.ran.append(command)
        return self.works


@on_linux
def test_browsers_are_told_and_the_system_is_shown(tmp_path: Path) -> None:
    home, root = write(tmp_path / "home", DATABASES), write(tmp_path / "root", STORE)
    runner = Runner(True)
    found = list(trust_stores.add(Path("/a b/ca.pem"), home, runner, root))
    assert [outcome.done for outcome in found] == [True, True, False]
    assert [command[0] for command in runner.ran] == ["certutil", "certutil"]
    assert found[-1].command == (
        "sudo cp '/a b/ca.pem' /usr/local/share/ca-certificates/fcgiemu.crt"
        " && sudo update-ca-certificates"
    )


@on_linux
def test_what_fails_is_shown_as_a_command(tmp_path: Path) -> None:
    home = write(tmp_path / "home", DATABASES)
    found = list(trust_stores.add(Path("/ca.pem"), home, Runner(False), tmp_path / "none"))
    assert [outcome.done for outcome in found] == [False, False]
    assert found[0].command.startswith(f"certutil -A -d sql:{home}/.pki/nssdb ")


@on_linux
def test_removal_only_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/certutil")
    home, root = write(tmp_path / "home", DATABASES), write(tmp_path / "root", STORE)
    assert list(trust_stores.remove(Path("/ca.pem"), home, Runner(False), root)) == []
    write(root, {"usr/local/share/ca-certificates/fcgiemu.crt": ""})
    found = list(trust_stores.remove(Path("/ca.pem"), home, Runner(True), root))
    assert [outcome.done for outcome in found] == [True, True, False]
    assert found[-1].command.startswith("sudo rm /usr/local/share/ca-certificates/fcgiemu.crt")


def test_clean_removes_what_is_kept_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = write(tmp_path / "kept", {"tls/localhost.key": "x"})
    monkeypatch.setattr(click, "get_app_dir", lambda _: str(kept))
    site = write(tmp_path / "site", {"web.config": "<configuration />"})
    elsewhere = write(tmp_path / "elsewhere", {"precious": ""})
    (site / ".fcgiemu").symlink_to(elsewhere)

    def run(*words: str, answer: str = "") -> str:
        return CliRunner().invoke(main, ["clean", str(site), *words], input=answer).output

    assert str(kept) in run("--dry-run")
    run(answer="n\n")
    assert kept.is_dir() and (site / ".fcgiemu").is_symlink()
    assert "removed" in run("--yes")
    assert not kept.exists() and not (site / ".fcgiemu").is_symlink()
    assert (elsewhere / "precious").exists() and (site / "web.config").exists()
    assert run("--yes") == "Nothing is kept.\n"


# -- the authority ---------------------------------------------------------------------------------


def verified(made: certificate_authority.Made, name: str, signed: bytes | None = None) -> str:
    """Why a client does not take a certificate for a name; "" where it does."""
    store = verification.Store([x509.load_pem_x509_certificate(made.authority)])
    server = x509.load_pem_x509_certificate(signed or made.chain)
    subject = (
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    )
    try:
        verification.PolicyBuilder().store(store).build_server_verifier(subject).verify(server, [])
    except verification.VerificationError as error:
        return str(error)
    return ""


def test_the_authority_signs_for_this_machine_alone() -> None:
    made = certificate_authority.make(("localhost", "shop.localhost", "127.0.0.1"))
    for name in ("localhost", "shop.localhost", "127.0.0.1"):
        assert not verified(made, name)
    for name in ("bank.example", "localhost.example", "192.0.2.1"):
        assert verified(made, name)  # not its names
        assert verified(
            certificate_authority.make((name,)), name
        )  # beyond what its authority may sign


def test_extensions_of_the_authority() -> None:
    root = x509.load_pem_x509_certificate(certificate_authority.make(("localhost",)).authority)
    limits = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical and limits.value.excluded_subtrees is None
    assert [str(name.value) for name in limits.value.permitted_subtrees or ()] == [
        "localhost",
        "127.0.0.0/8",
        "::1/128",
    ]
    basic = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)


def test_a_certificate_that_has_run_out_is_made_anew(tmp_path: Path) -> None:
    kept = tls.local(tmp_path)
    old = certificate_authority.make(("localhost",), datetime(2020, 1, 1, tzinfo=UTC))
    kept.certificate.write_bytes(old.chain)
    tls.local(tmp_path)
    assert kept.certificate.read_bytes() != old.chain
    kept.certificate.write_bytes(b"no certificate")
    assert certificate_authority.is_current(tls.local(tmp_path).certificate.read_bytes())


@on_linux
@pytest.mark.skipif(shutil.which("certutil") is None, reason="certutil is not installed")
def test_the_real_certutil_adds_and_removes(tmp_path: Path) -> None:
    database = tmp_path / ".pki/nssdb"
    database.mkdir(parents=True)
    made = ["certutil", "-N", "-d", f"sql:{database}", "--empty-password"]
    subprocess.run(made, check=True, capture_output=True)
    kept = tls.local(tmp_path / "tls")
    assert kept.authority is not None

    def listed() -> str:
        words = ["certutil", "-L", "-d", f"sql:{database}"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    (told,) = trust_stores.add(kept.authority, tmp_path, root=tmp_path / "none")
    assert told.done and "fcgiemu" in listed()
    list(trust_stores.add(kept.authority, tmp_path, root=tmp_path / "none"))  # again: as before
    (gone,) = trust_stores.remove(kept.authority, tmp_path, root=tmp_path / "none")
    assert gone.done and "fcgiemu" not in listed()
    assert list(trust_stores.remove(kept.authority, tmp_path, root=tmp_path / "none")) == []


@on_linux
def test_that_no_browser_has_a_profile_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ran = CliRunner().invoke(main, ["trust"])
    assert "No Chromium or Firefox profile was found" in ran.output
