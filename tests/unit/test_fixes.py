"""``check --fix``: every fix of the catalogue takes its finding away and changes nothing else; the
encoding, the mark and the line ends of a file stay; and what has changed meanwhile is left alone.
"""

from __future__ import annotations

import codecs
import difflib
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu import catalogue
from fcgiemu.catalogue import Example, Kind
from fcgiemu.cli import main
from fcgiemu.diagnosis import fixes
from fcgiemu.diagnosis.check import check
from fcgiemu.errors import SiteError
from fcgiemu.site import Site
from fcgiemu.testing import expectations
from fcgiemu.testing.client import Client

from ..sites import example_site, rules, web_config, write

FIXED = [
    pytest.param(kind, example, id=name)
    for kind in catalogue.kinds()
    for name, example in kind.examples()
    if kind.forms.get(name.partition("/")[2], catalogue.Form(message="")).fix
]


def changed(folder: Path, code: str = "") -> list[fixes.FileChange]:
    """The changes that the fixes of a site make, or of one code; they are written."""
    site = Site(folder)
    made = fixes.changes(site, [one for one in check(site) if not code or one.code == code])
    for change in made:
        change.write()
    return made


@pytest.mark.parametrize(("kind", "example"), FIXED)
def test_a_fix_takes_its_finding_away(tmp_path: Path, kind: Kind, example: Example) -> None:
    """And makes no other but notes; a request comes to what the remedy promises."""
    example_site(tmp_path, example, example.before)
    before = {found.code for found in check(Site(tmp_path))}
    assert changed(tmp_path, kind.code)
    found = check(Site(tmp_path))
    assert kind.code not in {one.code for one in found}
    assert {one.code for one in found if one.severity != "info"} <= before
    if example.expects:
        lines = list(expectations.parse([example.expects[1]], kind.code))
        results = expectations.judge(Client(Site(tmp_path)).open, lines)
        assert [result.differences for result in results] == [[]]
    assert not changed(tmp_path, kind.code)


HANDLER = '<handlers><add name="S" path="*" verb="*" modules="StaticFileModule" /></handlers>'
RULE = (
    '<rule name="r"><match url="{}" /><conditions><add input="{}" pattern="{}" {} /></conditions>'
    '<action type="Redirect" url="/x" {} /></rule>'
)
MIME = (
    '<staticContent>{}<mimeMap fileExtension=".json" mimeType="application/json" /></staticContent>'
)
CASES = [
    ("rule in apostrophes", "<match url='^/a&amp;b' />", "<match url='^a&amp;b' />"),
    ("line ends inside of the tag", '<match\r\n  url="^/a"\r\n/>', '<match\r\n  url="^a"\r\n/>'),
    ("alternatives", '<match url="^(/a|/b)/(.*)" />', '<match url="^(a|b)/(.*)" />'),
    ("escaped", r'<match url="^\/a" />', '<match url="^a" />'),
]


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_what_a_fix_writes(tmp_path: Path, before: str, after: str) -> None:
    config = rules('<rule name="r">{}<action type="Redirect" url="/x" /></rule>')
    (tmp_path / "web.config").write_bytes(config.replace("{}", before).encode())
    changed(tmp_path)
    assert (tmp_path / "web.config").read_bytes() == config.replace("{}", after).encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "\r\n\t" + MIME.format(""),
            "\r\n\t" + MIME.format('<remove fileExtension=".json" />'),
            id="in one line",
        ),
        pytest.param(
            "\r\n\t" + MIME.format("\r\n\t\t"),
            "\r\n\t" + MIME.format('\r\n\t\t<remove fileExtension=".json" />\r\n\t\t'),
            id="in lines of their own",
        ),
    ],
)
def test_an_element_before(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "web.config").write_bytes(web_config(before).encode())
    changed(tmp_path)
    assert (tmp_path / "web.config").read_bytes() == web_config(after).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_encodings_and_line_ends_stay(tmp_path: Path, encoding: str, ends: str) -> None:
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    lines = [
        f'<?xml version="1.0" encoding="{named}"?>',
        "<configuration><!-- grün --><system.webServer><rewrite><rules>",
        '  <rule name="größe"><match url="^/größe$" /><action type="Redirect" url="/n" /></rule>  ',
        "</rules></rewrite></system.webServer></configuration>",
        "",
    ]
    data = ends.join(lines).encode(encoding)
    (tmp_path / "web.config").write_bytes(data)
    (change,) = changed(tmp_path)
    written = (tmp_path / "web.config").read_bytes()
    assert written == ends.join(lines).replace("^/", "^").encode(encoding)
    assert "^größe$" in change.diff() and "\r" not in change.diff()
    assert not check(Site(tmp_path))


@pytest.mark.parametrize(
    "inner",
    ['<match url="a" /><match url="b" />', '<x><match url="a" /></x>', '<match url="meant" />'],
    ids=["two", "deeper", "already so"],
)
def test_no_change_where_the_element_is_not_the_one_that_was_meant(inner: str) -> None:
    span = catalogue.Span("web.config", 1, 1)
    assert fixes.edits(f"<rule>{inner}</rule>".encode(), "match/@url=meant", span) == []


def test_a_value_that_xml_cannot_hold_is_not_written() -> None:
    span = catalogue.Span("web.config", 1, 1)
    assert fixes.edits(b'<match url="%00" />', "@url=\0", span) == []


def test_an_entry_of_a_list_without_remove_gets_none(tmp_path: Path) -> None:
    """Such as the variables of a rule: a <remove> there is an error of its own."""
    twice = '<set name="HTTP_X" value="1" />' * 2
    rule = (
        '<rule name="r"><match url="a" /><action type="Rewrite" url="b" />'
        f"<serverVariables>{twice}</serverVariables></rule>"
    )
    write(tmp_path, {"web.config": rules(rule)})
    found = [one for one in check(Site(tmp_path)) if one.code == "config-duplicate-entry"]
    assert found and not any("<remove" in one.hint or one.fix for one in found)


def test_a_file_that_has_changed_is_left_alone(tmp_path: Path) -> None:
    rule = '<rule name="r"><match url="^/x" /><action type="None" /></rule>'
    write(tmp_path, {"web.config": rules(rule)})
    site = Site(tmp_path)
    (change,) = fixes.changes(site, check(site))
    write(tmp_path, {"web.config": rules(rule) + "<!-- edited -->"})
    with pytest.raises(SiteError, match="has changed meanwhile"):
        change.write()
    with pytest.raises(SiteError, match="has changed meanwhile"):
        fixes.changes(site, check(site))
    assert (tmp_path / "web.config").read_text().endswith("<!-- edited -->")


def test_two_fixes_of_one_attribute_are_two_rounds(tmp_path: Path) -> None:
    header = '<add name="cache-control:" value="cache-control: cache-control: public" />'
    headers = f"<httpProtocol><customHeaders>{header}</customHeaders></httpProtocol>"
    write(tmp_path, {"web.config": web_config(headers)})
    done = CliRunner().invoke(main, ["check", str(tmp_path), "--fix"])
    assert done.exit_code == 0, done.output
    assert '<add name="cache-control" value="public" />' in (tmp_path / "web.config").read_text()


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rule = '<rule name="{}"><match url="{}" /><action type="Redirect" url="/n" /></rule>\n'
    config = rules("\n" + rule.format("a", "^/x$") + rule.format("b", "/y/(.*)"))
    write(tmp_path, {"sub/web.config": config, "web.config": web_config()})
    shown = CliRunner().invoke(main, ["check", "--diff"])
    assert shown.exit_code == 1 and (tmp_path / "sub/web.config").read_text() == config
    lines = shown.stdout.splitlines()
    assert lines[:2] == ["--- a/sub/web.config", "+++ b/sub/web.config"]
    assert [line[1:] for line in lines[2:] if line.startswith("+")] == [
        rule.format("a", "^x$").strip()
    ]
    done = CliRunner().invoke(main, ["check", "--fix"])
    assert done.exit_code == 1 and "'/y/(.*)'" in done.stdout  # left: it leaves a choice
    assert "sub/web.config: fixed rewrite-leading-slash (1)" in done.stderr
    fixed = (tmp_path / "sub/web.config").read_text()
    assert [line for line in difflib.ndiff([config], [fixed]) if line.startswith("+")]
    again = CliRunner().invoke(main, ["check", "--fix"])
    assert (tmp_path / "sub/web.config").read_text() == fixed and "fixed" not in again.stderr
    shown = CliRunner().invoke(main, ["check", "--diff"])
    assert not shown.stdout and "--fix changes nothing" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fix", "--watch"], "--watch does not go with --fix or --diff."),
        (["--fix", "--transform", "Release"], "--fix changes web.config itself."),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, arguments: list[str], words: str) -> None:
    write(tmp_path, {"web.config": web_config(), "web.Release.config": "<configuration />"})
    done = CliRunner().invoke(main, ["check", str(tmp_path), *arguments])
    assert done.exit_code == 2 and words in done.output


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"web.config": rules('<rule name="r"><match url="^/x" /><action /></rule>')})

    def refuse(_path: Path, _data: bytes) -> int:
        raise PermissionError(13, "Permission denied", "web.config")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    done = CliRunner().invoke(main, ["check", str(tmp_path), "--fix"])
    assert done.exit_code == 2 and "web.config: Permission denied." in done.output


def test_a_mark_is_kept_once(tmp_path: Path) -> None:
    data = codecs.BOM_UTF8 + web_config('<directoryBrowse enabled="True" />').encode()
    (tmp_path / "web.config").write_bytes(data)
    changed(tmp_path)
    assert (tmp_path / "web.config").read_bytes() == data.replace(b"True", b"true")
    assert re.match(rb"\xef\xbb\xbf<", data)
