"""Sites that tests write: a dictionary of files becomes a folder; common pieces of web.config."""

from __future__ import annotations

import re
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

from fcgiemu import posix
from fcgiemu.catalogue import EXAMPLE_FILES, Example
from fcgiemu.site import Site

#: For tests of what there is not on Windows.
POSIX_ONLY = pytest.mark.skipif(posix.IS_WINDOWS, reason="Windows lacks what this test uses")
#: A scriptProcessor whose interpreter does not exist here: the running one stands for it.
PROCESSOR = r"D:\Python34\python.exe|D:\Python34\Scripts\wfastcgi.py"


def web_config(inner: str = "", settings: Mapping[str, str] | None = None) -> str:
    """A web.config with appSettings and the content of system.webServer."""
    adds = "".join(
        f'<add key="{key}" value="{value}" />' for key, value in (settings or {}).items()
    )
    return (
        f"<configuration><appSettings>{adds}</appSettings>"
        f"<system.webServer>{inner}</system.webServer></configuration>"
    )


def python_handler(path: str = "*", **attributes: str) -> str:
    """<handlers> that give ``path`` to Python."""
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (
        f'<handlers><add name="Python" path="{path}" verb="*" modules="FastCgiModule" '
        f'scriptProcessor="{PROCESSOR}" resourceType="Unspecified"{more} /></handlers>'
    )


def wsgi_site(
    handler: str = "app.application",
    path: str = "*",
    inner: str = "",
    handler_attributes: Mapping[str, str] = {},
    **settings: str,
) -> str:
    """A web.config that gives every URL to a WSGI application, wfastcgi's way."""
    return web_config(
        python_handler(path, **handler_attributes) + inner, {"WSGI_HANDLER": handler, **settings}
    )


def rules(inner: str) -> str:
    """A web.config with inbound rules."""
    return web_config(f"<rewrite><rules>{inner}</rules></rewrite>")


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files; a name that ends in ``/`` is a folder."""
    for name, content in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return folder


def make_env(site: Path, packages: Path | None = None) -> Path:
    """A virtual environment ``env`` for a site, made without pip; it sees the packages of
    ``packages``.
    """
    venv.EnvBuilder(with_pip=False, symlinks=True).create(site / "env")
    library = (
        site
        / "env"
        / "lib"
        / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        / "site-packages"
    )
    if packages is not None:
        (library / "packages.pth").write_text(f"{packages}\n")
    return library


def example_site(folder: Path, example: Example, text: str) -> Site:
    """The site that an example of the catalogue is, with ``text`` for its file."""
    whole = re.match(r"\s*<(?:configuration|config |!DOCTYPE|!--.*--><config|\?xml)", text)
    is_config = example.file.endswith(".config")
    config = text.strip() if whole or not is_config else web_config(text)
    beside = {"web.config": web_config()} if example.file != "web.config" else {}
    write(folder, {**EXAMPLE_FILES, **beside, **example.files, example.file: config})
    return Site(folder)
