"""What the language server knows, without the protocol: outlines of broken texts, completion,
hovers, places of findings, fixes. In the texts, ``|`` is where the cursor stands.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fcgiemu.cli import main
from fcgiemu.config import schema
from fcgiemu.editor import completing, examining, fixing, hovering
from fcgiemu.editor.outline import Outline

from ..sites import rules, web_config, write


def cursor(text: str) -> tuple[Outline, int]:
    before, _, after = text.partition("|")
    return Outline(before + after), len(before)


# -- outlines --------------------------------------------------------------------------------------

#: A text -> what stands at the cursor: (elements around, tag, attribute, part).
PLACES = [
    ("<a><b |", ("a", "b", "", "attribute")),
    ("<a><b>|", ("a/b", "", "", "content")),
    ("<a><b/>|", ("a", "", "", "content")),
    ("<a><b></b>|", ("a", "", "", "content")),
    ("<a><b></c>|", ("a/b", "", "", "content")),
    ("<a><|", ("a", "", "", "name")),
    ("<a><b|\n<c>", ("a", "b", "", "name")),
    ('<a><b c="|', ("a", "b", "c", "value")),
    ('<a><b c="d|>\n<e f="g" />', ("a", "b", "c", "value")),
    ("<a><b c='d|' e=\"f\"/>", ("a", "b", "c", "value")),
    ('<a><b c="1" d|="2">', ("a", "b", "d", "attribute")),
    ("<a><!-- <b> |", ("a", "", "", "content")),
    ("<a><!-- <b> --><c |", ("a", "c", "", "attribute")),
    ("<a><![CDATA[<b>]]><c |", ("a", "c", "", "attribute")),
    ('<?xml version="1.0"?><a |', ("", "a", "", "attribute")),
    ("<a></|", ("a", "", "", "name")),
    ("<a b=c |d>", ("", "a", "d", "attribute")),
    ('<a b="c"|', ("", "a", "", "attribute")),
    ("<<<<<<< HEAD\n<a>|", ("a", "", "", "content")),
    ("|", ("", "", "", "content")),
]


@pytest.mark.parametrize(("text", "expected"), PLACES)
def test_places(text: str, expected: tuple[str, ...]) -> None:
    outline, offset = cursor(text)
    place = outline.at(offset)
    around = "/".join(tag.name for tag in place.around if tag.name not in ("", "<"))
    tag = place.tag.name if place.tag else ""
    attribute = place.attribute.name if place.attribute else ""
    assert (around, tag, attribute, place.part) == expected


@given(st.text(alphabet="<>/=\"' ab\n!-[]?&{}$é😀", max_size=60), st.integers(0, 60))
def test_any_text_has_an_outline(text: str, offset: int) -> None:
    """No text and no place fails, and tags lie one behind the other."""
    outline = Outline(text)
    end = 0
    for tag in outline.tags:
        assert end <= tag.begin < tag.end <= len(text)
        end = tag.end
    at = min(offset, len(text))
    completing.proposals(outline, at)
    hovering.hover(outline, at)
    line, column = outline.position(at)
    assert outline.offset(line + 1, column + 1) == at


def test_long_texts_are_read_once() -> None:
    """Nothing is scanned again and again: these would take minutes."""
    for text in ("<a " + " " * 200_000 + "=", "<" * 200_000, "<a b=" * 50_000, "<!--" * 50_000):
        Outline(text)


# -- completion ------------------------------------------------------------------------------------


def inside(inner: str) -> str:
    return f"<configuration><system.webServer>{inner}</system.webServer></configuration>"


HANDLERS = schema.sections()["system.webServer/handlers"].collections["add"].entry
ELSEWHERE = completing.Elsewhere(("Elsewhere",), {HANDLERS: ({"name": "StaticFile"},)})
MAP = '<rewriteMaps><rewriteMap name="Pages" /></rewriteMaps>'
#: A text -> a label that is offered there and what it writes; None = it is not offered.
OFFERED = [
    ("<|", "configuration", "configuration>$0</configuration>"),
    ("<configuration><|", "system.webServer", "system.webServer>$0</system.webServer>"),
    ("<configuration><|", "/configuration", "/configuration>"),
    ("<configuration>|", "/configuration", "</configuration>"),
    ("<configuration></|", "/configuration", "configuration>"),
    ("<configuration></|>", "/configuration", "configuration"),
    ('<configuration><location path="a"><|', "system.webServer", "system.webServer>$0</system.webServer>"),
    (inside("<|"), "rewrite", "rewrite>$0</rewrite>"),
    (inside("|"), "rewrite", "<rewrite>$0</rewrite>"),
    (inside("<rew|"), "handlers", "handlers>$0</handlers>"),
    (inside('<rew| enabled="true">'), "rewrite", "rewrite"),
    (inside("<security><|"), "requestFiltering", "requestFiltering>$0</requestFiltering>"),
    (inside("<security><|"), "rewrite", None),
    (inside("<handlers><|"), "add", 'add name="$1" path="$2" verb="$3" $0/>'),
    (inside("<handlers><|"), "remove", 'remove name="$1" $0/>'),
    (inside("<handlers><|"), "clear", "clear $0/>"),
    (inside("<rewrite><rules><|"), "rule", 'rule name="$1">$0</rule>'),
    (inside("<rewrite><rules><rule><conditions><|"), "add", 'add input="$1" matchType="$2" $0/>'),
    (inside("<handlers><add |"), "path", 'path="$1"$0'),
    (inside('<handlers><add path="*" |'), "path", None),
    (inside('<handlers><add pa|="*" />'), "path", "path"),
    (inside("<handlers><remove |"), "path", None),
    (inside("<nothing |"), "path", None),
    (inside('<handlers><remove name="|'), "StaticFile", "StaticFile"),
    (inside('<handlers><add name="|'), "StaticFile", None),
    (inside('<directoryBrowse enabled="|'), "true", "true"),
    (inside('<directoryBrowse enabled="f|" />'), "false", "false"),
    (inside('<directoryBrowse showFlags="Date, |'), "Size", "Size"),
    (inside('<handlers><add modules="|'), "FastCgiModule", "FastCgiModule"),
    (inside('<rewrite><rules><rule><action type="|'), "Redirect", "Redirect"),
    (inside('<rewrite><rules><rule><conditions><add input="{|'), "QUERY_STRING", "QUERY_STRING}"),
    (inside('<rewrite><rules><rule><conditions><add input="|'), "QUERY_STRING", "{QUERY_STRING}"),
    (inside('<rewrite><rules><rule><conditions><add input="{QU|}" />'), "QUERY_STRING", "QUERY_STRING"),
    (inside('<rewrite><rules><rule><conditions><add input="{HTTPS}{|'), "HTTP_HOST", "HTTP_HOST}"),
    (inside(f'<rewrite>{MAP}<rules><rule><action url="{{|'), "Pages:", "Pages:$1}"),
    (inside('<rewrite><rules><rule><action url="{|'), "Elsewhere:", "Elsewhere:$1}"),
    (inside('<rewrite><rules><rule><action url="{|'), "R:1", "R:1}"),
    (inside('<rewrite><rules><rule><serverVariables><set name="|'), "HTTP_HOST", "HTTP_HOST"),
    (inside('<rewrite><rules><rule><match url="{|'), "QUERY_STRING", None),
    (
        inside('<rewrite><outboundRules><preConditions><preCondition name="HTML" /></preConditions>'
               '<rule preCondition="|'),
        "HTML",
        "HTML",
    ),
    ('<configuration><appSettings><add key="|', "WSGI_HANDLER", "WSGI_HANDLER"),
    ("<configuration><appSettings><|", "add", 'add key="$1" $0/>'),
    ("<configuration><system.web><|", "rewrite", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "label", "snippet"), OFFERED)
def test_completion(text: str, label: str, snippet: str | None) -> None:
    outline, offset = cursor(text)
    found = {
        proposal.label: proposal for proposal in completing.proposals(outline, offset, ELSEWHERE)
    }
    assert (found[label].snippet if label in found else None) == snippet
    for proposal in found.values():
        assert proposal.begin <= offset <= proposal.end


def test_flags_are_completed_one_by_one() -> None:
    outline, offset = cursor(inside('<directoryBrowse showFlags="Date, Si|, Time" />'))
    (size,) = [one for one in completing.proposals(outline, offset) if one.label == "Size"]
    assert outline.text[size.begin : size.end] == "Si"


def test_without_snippets() -> None:
    assert completing.plain('add name="$1" path="$2" $0/>') == 'add name="" path="" />'
    assert completing.plain(r"a\$1\}") == "a$1}"


# -- hovers ----------------------------------------------------------------------------------------

#: A text -> a part of what is shown; None = nothing.
HOVERS = [
    (inside("<ha|ndlers />"), "system.webServer/handlers"),
    (inside("<handlers></ha|ndlers>"), "system.webServer/handlers"),
    (inside('<handlers><a|dd name="a" />'), "Its key is name"),
    (inside('<handlers><add res|ourceType="File" />'), "default Unspecified"),
    (inside('<handlers><add requireAccess="Scr|ipt" />'), "403.1 (script)"),
    (inside('<rewrite><rules><rule><action ty|pe="None" />'), "Redirect sends the client elsewhere"),
    (inside("<rewrite><rules><rule><condi|tions />"), "once the pattern has matched"),
    (inside("<rewrite><ru|les />"), "Rules of URL Rewrite for requests"),
    (inside("<httpErrors error|Mode='Custom' />"), "Detailed shows IIS's own page"),
    (inside("<asp| />"), "answered with an error"),
    (inside("<security><access| />"), "Locked by default"),
    (inside("<security><ip|Security />"), "Locked by default"),
    (inside('<rewrite><rules><rule><conditions><add input="{REQUEST_FILE|NAME}" />'), "physical path"),
    (inside('<rewrite><rules><rule><action url="{R:|1}" />'), "group of the rule's pattern"),
    (inside('<rewrite><rules><rule><action url="{ToLo|wer:{URL}}" />'), "in lower case"),
    (inside('<rewrite><rules><rule><conditions><add input="{HTTP_X_MY|_NAME}" />'), "request header X-My-Name"),
    ('<configuration><appSettings><add key="WSGI_HAN|DLER" />', "The WSGI application"),
    ('<configuration><loca|tion path="a" />', "case"),
    ("<configuration><system.web><comp|ilation />", None),
    (inside("<noth|ing />"), None),
    (inside("|"), None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "part"), HOVERS)
def test_hovers(text: str, part: str | None) -> None:
    outline, offset = cursor(text)
    found = hovering.hover(outline, offset)
    if part is None:
        assert found is None
    else:
        assert found is not None and part in found.text
        assert found.begin <= offset <= found.end


# -- findings --------------------------------------------------------------------------------------


def test_the_site_of_a_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a/web.config": "",
            "a/b/c/web.config": "",
            "d/web.config": "",
            "d/e/fcgiemu.toml": "",
            "d/e/f/web.config": "",
            "g/h/": "",
        },
    )
    file = tmp_path / "a/b/c/web.config"
    assert examining.site_of(file, [tmp_path]) == tmp_path / "a"
    assert examining.site_of(file, [tmp_path / "a/b"]) == tmp_path / "a/b/c"
    assert examining.site_of(file, []) == tmp_path / "a/b/c"
    assert examining.site_of(tmp_path / "d/e/f/web.config", [tmp_path]) == tmp_path / "d/e"
    assert examining.site_of(tmp_path / "g/h/web.config", [tmp_path]) == tmp_path / "g/h"


def found_in(folder: Path, texts: dict[str, str]) -> dict[str, list[str]]:
    examined = examining.examine(folder, {folder / name: text for name, text in texts.items()})
    assert not examined.trouble
    return {
        str(path.relative_to(folder)): [finding.code for finding in findings]
        for path, findings in examined.findings.items()
    }


def test_texts_that_are_not_saved(tmp_path: Path) -> None:
    """They are read in the place of files; what is on disk counts for all others."""
    write(tmp_path, {"web.config": web_config(), "sub/web.config": web_config("<no />")})
    assert found_in(tmp_path, {}) == {"sub/web.config": ["config-unknown-section"]}
    fixed = {"sub/web.config": web_config(), "web.config": web_config("<directoryBrowse a='' />")}
    assert found_in(tmp_path, fixed) == {"web.config": ["config-unknown-attribute"]}
    assert (tmp_path / "sub/web.config").read_text() == web_config("<no />")
    new = {"new/web.config": web_config("<no />"), "sub/web.config": web_config()}
    (tmp_path / "new").mkdir()
    assert found_in(tmp_path, new) == {"new/web.config": ["config-unknown-section"]}


def test_what_other_files_have(tmp_path: Path) -> None:
    maps = '<rewriteMaps><rewriteMap name="Pages" /></rewriteMaps>'
    write(tmp_path, {"web.config": web_config(f"<rewrite>{maps}</rewrite>")})
    found = examining.examine(tmp_path, {}).elsewhere
    assert found.maps == ("Pages",)
    assert {"name": "StaticFile"} in found.inherited[HANDLERS]
    errors = schema.sections()["system.webServer/httpErrors"].collections["error"].entry
    assert {"statusCode": "404", "subStatusCode": "-1"} in found.inherited[errors]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<configuration>",
        "<configuration",
        "<configuration><a b=</configuration>",
        "\ud800",
        '<?xml version="1.0" encoding="utf-16"?><configuration />',
        '<?xml version="1.0" encoding="none"?><configuration />',
        '<?xml version="1.0" encoding="iso-8859-1"?><configuration><!-- € --></configuration>',
    ],
)
def test_broken_texts(text: str, tmp_path: Path) -> None:
    """Each is told, in its place, and fails nothing."""
    examined = examining.examine(tmp_path, {tmp_path / "web.config": text})
    for finding in examined.findings.get(tmp_path / "web.config", []):
        begin, end = examining.range_of(Outline(text), finding)
        assert 0 <= begin <= end <= len(text)


def test_a_site_that_cannot_be_opened(tmp_path: Path) -> None:
    write(tmp_path, {"web.config": web_config(), "fcgiemu.toml": "strikt = true"})
    assert "Did you mean strict?" in examining.examine(tmp_path, {}).trouble
    assert examining.examine(tmp_path / "none", {}).trouble


#: A web.config -> code -> the text that is marked.
MARKED = [
    (web_config("\n <rewritte />"), "config-unknown-section", "rewritte"),
    (web_config('<directoryBrowse enable="true" />'), "config-unknown-attribute", "enable"),
    (web_config('<directoryBrowse enabled="maybe" />'), "config-bad-value", "maybe"),
    (web_config('<directoryBrowse enabled="True" />'), "config-value-case", "True"),
    (web_config("<defaultDocument><file /></defaultDocument>"), "config-unknown-element", "file"),
    ("<configuration>\n  <a b='&x;' />\n</configuration>", "config-malformed-xml", "<a b='&x;' />"),
]


@pytest.mark.parametrize(("text", "code", "marked"), MARKED)
def test_what_is_marked(text: str, code: str, marked: str, tmp_path: Path) -> None:
    examined = examining.examine(tmp_path, {tmp_path / "web.config": text})
    (finding,) = [one for one in examined.findings[tmp_path / "web.config"] if one.code == code]
    begin, end = examining.range_of(Outline(text), finding)
    assert text[begin:end] == marked


RULE = '<rule name="r"><match url="(.*)" /><conditions>{}</conditions><action type="None" /></rule>'
#: A web.config -> what it becomes by the first fix of its first finding that has one.
FIXED = [
    (web_config("<rewritte><rules /></rewritte>"), web_config("<rewrite><rules /></rewrite>")),
    (web_config("<handlrs />"), web_config("<handlers />")),
    (
        '<?xml version="1.0" encoding="utf-16"?>\n<!-- é😀 -->'
        + rules('<rule name="é"><match url="^/a" /><action type="None" /></rule>'),
        '<?xml version="1.0" encoding="utf-16"?>\n<!-- é😀 -->'
        + rules('<rule name="é"><match url="^a" /><action type="None" /></rule>'),
    ),
    (
        web_config('<directoryBrowse enable="true" />'),
        web_config('<directoryBrowse enabled="true" />'),
    ),
    (
        web_config('<directoryBrowse enabled="True" />'),
        web_config('<directoryBrowse enabled="true" />'),
    ),
    (
        web_config('<directoryBrowse enabled="treu" />'),
        web_config('<directoryBrowse enabled="true" />'),
    ),
    (
        web_config('<directoryBrowse showFlags="Date, Tme" />'),
        web_config('<directoryBrowse showFlags="Date, Time" />'),
    ),
    (
        rules(RULE.format('<add input="{REQUEST_FILNAME}" matchType="IsFile" />')),
        rules(RULE.format('<add input="{REQUEST_FILENAME}" matchType="IsFile" />')),
    ),
    (
        rules(RULE.format('<add input="{REQUEST_FILENAME}" matchType="isFil" />')),
        rules(RULE.format('<add input="{REQUEST_FILENAME}" matchType="IsFile" />')),
    ),
    (
        rules(RULE.format('<add input="{Pagse:{URL}}" pattern="." />')).replace(
            "</rules>", '</rules><rewriteMaps><rewriteMap name="Pages" /></rewriteMaps>'
        ),
        rules(RULE.format('<add input="{Pages:{URL}}" pattern="." />')).replace(
            "</rules>", '</rules><rewriteMaps><rewriteMap name="Pages" /></rewriteMaps>'
        ),
    ),
]


@pytest.mark.parametrize(("text", "fixed"), FIXED)
def test_fixes(text: str, fixed: str, tmp_path: Path) -> None:
    outline = Outline(text)
    for finding in examining.examine(tmp_path, {tmp_path / "web.config": text}).findings[
        tmp_path / "web.config"
    ]:
        begin, _ = examining.range_of(outline, finding)
        found = fixing.fixes(
            outline, begin, finding.code, f"{finding.message}\n{finding.hint}", finding.fix
        )
        if found:
            for begin, end, new in sorted(found[0].edits, reverse=True):
                text = text[:begin] + new + text[end:]
            break
    assert text == fixed


# -- the page --------------------------------------------------------------------------------------


def test_the_problem_matcher_of_the_page_reads_what_check_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "editor.md").read_text("utf-8")
    blocks = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    (tasks,) = [block["tasks"] for block in blocks if "tasks" in block]
    pattern = tasks[0]["problemMatcher"]["pattern"]
    write(tmp_path, {"web.config": web_config('<no /><httpErrors errorMode="custom" />')})
    lines = CliRunner().invoke(main, ["check", str(tmp_path)]).output.splitlines()
    found = list(filter(None, (re.match(pattern["regexp"], line) for line in lines)))
    assert [line[pattern["severity"]] for line in found] == ["error", "warning"]
    assert {Path(line[pattern["file"]]) for line in found} == {tmp_path / "web.config"}
    assert [line[pattern["code"]] for line in found] == [
        "config-unknown-section",
        "config-value-case",
    ]
