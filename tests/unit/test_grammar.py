"""What all commands have in common: SITE, suggestions, help, and errors without numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fcgiemu.cli import main
from fcgiemu.cli.command_groups import GROUPS

from ..sites import write


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, {"web.config": "<configuration />", "a.txt": "hello"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize("words", [["."], ["web.config"], []])
def test_a_site_is_a_folder_its_web_config_or_this_folder(words: list[str], site: Path) -> None:
    assert "nothing found" in run("check", *words).output
    assert "=> 200 static file a.txt" in run("explain", *words, "/a.txt").output
    assert run("test", "--init").exit_code == 0
    assert run("test", "--site", *(words or ["."]), "--json").exit_code == 0


def test_another_file_is_not_a_site(site: Path) -> None:
    done = run("check", "a.txt")
    assert done.exit_code == 2
    assert "a.txt is a file. Name the folder of the site, or its web.config." in done.output


#: Words of explain -> a part of what it says.
EXPLAIN = [
    (["http://localhost/a.txt"], "=> 200 static file a.txt"),
    (["/"], "403.14"),
    (["."], "Give a URL or --batch FILE: fcgiemu explain . /"),
    ([".", "static/a.css"], "A URL begins with / or http://, for example /blog/1."),
    ([], "Give a URL or --batch FILE"),
    ([".", "/", "/"], "Too many arguments"),
    ([".", "/", "--batch", "-"], "Too many arguments"),
]


@pytest.mark.parametrize(("words", "part"), EXPLAIN)
def test_the_words_of_explain(words: list[str], part: str, site: Path) -> None:
    assert part in run("explain", *words).output


def test_a_word_that_is_a_site_and_a_url(site: Path) -> None:
    """Both readings are named, and both work."""
    done = run("explain", str(site))
    assert done.exit_code == 2
    assert f"fcgiemu explain {site} / for the site" in done.output
    assert f"fcgiemu explain . {site} for the URL" in done.output
    assert run("explain", str(site), "/").exit_code == 0
    assert run("explain", ".", str(site)).exit_code == 0


@pytest.mark.parametrize(("word", "near"), [("chek", "check"), ("sevre", "serve")])
def test_near_commands(word: str, near: str) -> None:
    done = run(word)
    assert (done.exit_code, f"Did you mean {near}?" in done.output) == (2, True)
    assert "fcgiemu --help lists the commands" in run("qqq").output


def test_help_has_every_command_with_an_example() -> None:
    text = run("-h").output
    for group, commands in GROUPS.items():
        assert f"{group}:" in text
        for name in commands:
            assert f"fcgiemu {name}" in text
            assert f"Example:\n    fcgiemu {name}" in run(name, "-h").output
    assert run("-V").output.startswith("fcgiemu, version ")


#: Calls that fail -> a part of what they say.
WRONG = [
    (["explain", "/", "--html", "no/x.html"], "no/x.html: No such file or directory."),
    (["diff", "HEAD~5"], "is not a folder"),
    (["diff", "--urls", ".", "."], "Is a directory"),
    (["diff", "--urls", "log.gz", "."], "--log log.gz"),
    (["support", "foo"], "No section has 'foo' in its name."),
    (["support", "httpErors"], "Did you mean httpErrors?"),
    (["capture", "nothing.zip"], "nothing.zip cannot be read as a capture: No such file"),
    (["deploy", "nowhere"], "There is no folder nowhere."),
    (["test", "."], "There is no *.expect in .. Write one. Run: fcgiemu test --init --site "),
    (["check", "--jsno"], "There is no option --jsno. Did you mean --json?"),
    (["check", "--zzz"], "There is no option --zzz. main check -h lists them."),
    (["serve", "--port", "abc"], "--port: abc is not a whole number from 0 to 65535."),
    (["check", "--format", "jsn"], "Did you mean json?"),
    (["diff", "."], "fcgiemu diff HEAD . --urls urls.txt"),
    (["diff"], "fcgiemu diff HEAD . --urls urls.txt"),
    (["check", "empty"], "which is empty. Put the files of the site there first"),
    (["doctor", "empty"], "which is empty"),
    (["test", "empty"], "Write one. Run: fcgiemu test --init --site "),
    (["test", "--init", "--site", "empty"], "empty is empty: there is nothing to expect of it."),
]


@pytest.mark.parametrize(("words", "part"), WRONG)
def test_errors_are_sentences(words: list[str], part: str, site: Path) -> None:
    write(site, {"log.gz": b"\x1f\x8b\x08\x00", "empty/": ""})
    done = run(*words)
    assert (done.exit_code != 0, part in done.output) == (True, True), done.output
    assert "fcgiemu init" not in done.output or "empty" not in words
    assert "Errno" not in done.output
    assert "fatal:" not in done.output
    assert not (site / "nowhere").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["test"],
        ["support"],
        ["explain", "/"],
        ["doctor"],
        ["init", "--dry-run"],
        ["deploy", "--dry-run"],
        ["schema"],
    ],
)
def test_json(words: list[str], site: Path) -> None:
    write(site, {"a.expect": "/a.txt -> static\n", "index.html": ""})
    json.loads(run(*words, "--json").stdout)


def test_a_folder_of_expectations(site: Path) -> None:
    write(site, {"one.expect": "/a.txt -> static\n", "t/two.expect": "/ -> 403.14\n"})
    assert "2 of 2" in run("test", ".").output
    assert "1 of 1" in run("test", "t").output


@pytest.mark.parametrize(
    ("environment", "is_coloured"), [({"FORCE_COLOR": "1"}, True), ({"NO_COLOR": "1"}, False)]
)
def test_colours_as_the_environment_says(
    environment: dict[str, str], is_coloured: bool, site: Path
) -> None:
    write(
        site,
        {
            "web.config": "<configuration><system.webServer><no /></system.webServer></configuration>"
        },
    )
    both = {"NO_COLOR": "", "FORCE_COLOR": "", **environment}
    done = CliRunner().invoke(main, ["check"], env=both, color=False)
    assert ("\x1b[" in done.output) == is_coloured
