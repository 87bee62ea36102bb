"""The page about an application that failed: what is read of its text, and what is not opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.errors import SiteError
from fcgiemu.server import failure_page

from ..sites import write

APP = "def one():\n    two()\n\n\ndef two():\n    raise ValueError('<b>')\n"


def text(folder: Path, file: str = "app.py", error: str = "ValueError: <b>") -> str:
    return (
        f"Error occurred:\n\nTraceback (most recent call last):\n"
        f'  File "/lib/python3/wsgi.py", line 9, in run\n    call()\n'
        f'  File "{folder}/{file}", line 2, in one\n    two()\n    ^^^^^\n'
        f'  File "{folder}/{file}", line 6, in two\n    raise ValueError()\n{error}\n'
        "\n\nStdOut: printed before\n\n\nStdErr: \n"
    )


def page(folder: Path, given: str, causes: list[str] | None = None, links: str = "") -> str:
    return failure_page.page(given, "GET /x", causes or [], folder, links=links).decode()


def test_the_error_its_cause_and_the_own_lines(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP})
    found = page(tmp_path, text(tmp_path), ["Write it otherwise."], failure_page.editor("vscode"))
    assert "<h1>ValueError: &lt;b&gt;</h1>" in found
    assert found.index("Write it otherwise.") < found.index("app.py:6")
    assert '<span class="at">    6      raise ValueError(&#39;&lt;b&gt;&#39;)' in found
    assert "1 call of libraries and the worker" in found
    assert f'<a href="vscode://file{tmp_path}/app.py:6">app.py:6</a>' in found
    assert "printed before" in found
    assert found.count("Write it otherwise.") == 1


@pytest.mark.parametrize(
    "file",
    ["../outside.py", "env/lib/x.py", "secret.txt", "link.py", "no.py", "a/site-packages/y.py"],
)
def test_only_own_files_are_opened(file: str, tmp_path: Path) -> None:
    secret = "\n".join(["SECRET"] * 9)
    site = tmp_path / "site"
    names = ("outside.py", "site/env/lib/x.py", "site/secret.txt", "site/a/site-packages/y.py")
    write(tmp_path, dict.fromkeys(names, secret))
    (site / "link.py").symlink_to(tmp_path / "outside.py")
    assert "SECRET" not in page(site, text(site, file))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("", "The application failed"),
        ("just words\nmore", "just words"),
        ('Traceback (most recent call last):\n  File "a", line 99999999\nX: y\n', "X: y"),
        ("Traceback (most recent call last):\n" * 3, "Traceback (most recent call last):"),
        ("x" * 1_000_000, "x" * 500),
        ('  File "a.py", line 1\n    def (\n        ^\nSyntaxError: bad', "SyntaxError: bad"),
    ],
)
def test_texts_that_are_no_traceback(given: str, error: str, tmp_path: Path) -> None:
    assert f"<h1>{error}</h1>" in page(tmp_path, given)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("TEXT/HTML;q=0.5", True),
        ("text/html;q=0", False),
        ("*/*", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_who_gets_it(accept: str, wanted: bool) -> None:
    assert failure_page.accepts_html(accept) == wanted


def test_editors() -> None:
    assert failure_page.editor(None) == ""
    assert failure_page.editor("x://{file}+{line}") == "x://{file}+{line}"
    for wrong in ("emcas", "javascript:alert('{file}')"):
        with pytest.raises(SiteError, match="is not known"):
            failure_page.editor(wrong)


@pytest.mark.parametrize(
    ("file", "said"),
    [("app.py", "app.py:6: ValueError: <b>"), ("gone.py", "ValueError: <b>")],
)
def test_the_line_of_the_console(tmp_path: Path, file: str, said: str) -> None:
    write(tmp_path, {"app.py": APP})
    assert failure_page.in_one_line(text(tmp_path, file), tmp_path) == said
    assert failure_page.in_one_line("a word", tmp_path) == ""
