"""Reading, checking and merging configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from fcgiemu.config import descriptions, schema
from fcgiemu.config.file import load
from fcgiemu.config.schema import sections
from fcgiemu.site import Site

from ..sites import POSIX_ONLY, rules, web_config


def test_positions_are_those_of_the_start_tag() -> None:
    text = b"<configuration>\n  <system.webServer>\n    <bogus\n       a='1'\n    />\n  </system.webServer>\n</configuration>"
    finding = load(text, "web.config").findings[0]
    assert (finding.span.line, finding.span.column) == (3, 5)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (b"\n<?xml version='1.0'?><configuration/>", "config-malformed-xml", 2),
        (b"<configuration>", "config-malformed-xml", 1),
        (
            b"<!DOCTYPE x [<!ENTITY a 'b'>]>\n<configuration>&a;</configuration>",
            "config-doctype",
            1,
        ),
        (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><configuration/>", "config-doctype", 1),
        (b"<config/>", "config-root", 1),
        (
            b"<configuration><system.webServer><rewritte/></system.webServer></configuration>",
            "config-unknown-section",
            1,
        ),
        (b"", "config-malformed-xml", 1),
        (b"\xff\xfe", "config-malformed-xml", 1),
    ],
)
def test_files_that_cannot_be_used(text: bytes, code: str, line: int) -> None:
    finding = load(text, "web.config").findings[0]
    assert (finding.code, finding.severity, finding.span.line) == (code, "error", line)  # type: ignore[union-attr]
    assert finding.hint


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf<configuration/>",
        "<?xml version='1.0' encoding='utf-16'?><configuration/>".encode("utf-16"),
        b'<configuration xmlns="http://schemas.microsoft.com/.NetConfiguration/v2.0"/>',
        b"<configuration><system.web><anything a='1'><b/></anything></system.web><runtime/></configuration>",
        b"<configuration><system.webServer><modules runAllManagedModulesForAllRequests='true'>"
        b"<remove name='WebDAVModule'/></modules></system.webServer></configuration>",
    ],
)
def test_files_that_are_fine(text: bytes) -> None:
    assert load(text, "web.config").findings == []


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("<handlers><add name='a' path='*' /></handlers>", "Missing required attribute 'verb'"),
        (
            "<handlers><add name='a' path='*' verb='*' resourceType='Any' /></handlers>",
            "The 'resourceType' attribute is invalid.  Enum must be one of File, Directory, Either, Unspecified",
        ),
        (
            "<defaultDocument enabled='flase' />",
            "The 'enabled' attribute is invalid.  Boolean must be either 'true' or 'false'",
        ),
        ("<defaultDocument enable='true' />", "Unrecognized attribute 'enable'"),
        ("<defaultDocument><file /></defaultDocument>", "Unrecognized element 'file'"),
        (
            "<staticContent><clientCache cacheControlMaxAge='soon' /></staticContent>",
            "The 'cacheControlMaxAge' attribute is invalid.  Not a valid time span",
        ),
        (
            "<directoryBrowse showFlags='Date, Colour' />",
            "The 'showFlags' attribute is invalid.  Flags must be some combination of None, Date, Time, Size, Extension, LongDate",
        ),
        (
            "<security><requestFiltering><requestLimits maxUrl='-1' /></requestFiltering></security>",
            "The 'maxUrl' attribute is invalid.  Not a valid unsigned integer",
        ),
        (
            "<httpPlatform processPath='python' requestTimeout='00:02:30' />",
            "The 'requestTimeout' attribute is invalid.  Time span must be a multiple of 60 seconds",
        ),
        (
            "<httpPlatform processPath='python' requestTimeout='00:60:00' />",
            "The 'requestTimeout' attribute is invalid.  Not a valid time span",
        ),
        (
            "<httpPlatform processPath='python' requestTimeout='31.00:00:00' />",
            "The 'requestTimeout' attribute is invalid.  Time span must be between 0 and 2592000 seconds inclusive",
        ),
        (
            "<httpPlatform processPath='python' startupTimeLimit='3601' />",
            "The 'startupTimeLimit' attribute is invalid.  Integer value must be between 0 and 3600 inclusive",
        ),
        (
            "<httpPlatform processPath='python' startupRetryCount='101' />",
            "The 'startupRetryCount' attribute is invalid.  Integer value must be between 0 and 100 inclusive",
        ),
        (
            "<httpPlatform processPath='python'><environmentVariables><environmentVariable name='A' />"
            "</environmentVariables></httpPlatform>",
            "Missing required attribute 'value'",
        ),
        (
            "<httpErrors><error statusCode='200' path='x' /></httpErrors>",
            "The 'statusCode' attribute is invalid.  Integer value must be between 400 and 999 inclusive",
        ),
    ],
)
def test_messages_are_those_of_iis(inner: str, message: str) -> None:
    assert [
        finding.message for finding in load(web_config(inner).encode(), "web.config").findings
    ] == [message]


def test_all_errors_are_found_in_one_pass() -> None:
    text = web_config("<handlers><add /></handlers><defaultDocument enabled='x' y='1' />")
    assert len(load(text.encode(), "web.config").findings) == 5


def test_a_wrong_case_is_accepted_with_a_note() -> None:
    findings = load(
        web_config("<defaultDocument enabled='True' />").encode(), "web.config"
    ).findings
    assert [(finding.severity, finding.hint) for finding in findings] == [
        ("info", 'Write enabled="true".')
    ]


def handler(name: str, path: str = "*") -> str:
    return f'<add name="{name}" path="{path}" verb="*" modules="StaticFileModule" />'


def names(site: Site, path: str) -> list[str]:
    shipped = {
        item.text("name")
        for item in site.effective("/none/of/it").section("system.webServer/handlers").items
        if item.file is not None and item.file.is_host
    }
    items = site.effective(path).section("system.webServer/handlers").items
    return [
        item.text("name") for item in items if item.text("name") not in shipped - {"StaticFile"}
    ]


def test_deeper_handlers_come_first_and_keep_their_order(make_site: Callable[..., Site]) -> None:
    site = make_site(
        {
            "web.config": web_config(f"<handlers>{handler('a')}{handler('b')}</handlers>"),
            "sub/web.config": web_config(f"<handlers>{handler('c')}</handlers>"),
            "other/x": "",
        }
    )
    assert names(site, "/x") == ["a", "b", "StaticFile"]
    assert names(site, "/SUB/x") == ["c", "a", "b", "StaticFile"]
    assert names(site, "/other/x") == ["a", "b", "StaticFile"]


def test_a_readded_handler_keeps_its_inherited_place(make_site: Callable[..., Site]) -> None:
    site = make_site(
        {
            "web.config": web_config(
                f"<handlers><remove name='StaticFile' />{handler('StaticFile')}{handler('fresh')}</handlers>"
            )
        }
    )
    assert names(site, "/") == ["fresh", "StaticFile"]


def test_clear_and_remove(make_site: Callable[..., Site]) -> None:
    site = make_site(
        {
            "web.config": web_config(f"<handlers><clear />{handler('a')}{handler('b')}</handlers>"),
            "sub/web.config": web_config(
                "<handlers><remove name='a' /><remove name='absent' /></handlers>"
            ),
        }
    )
    assert names(site, "/") == ["a", "b"]
    assert names(site, "/sub/") == ["b"]


@pytest.mark.parametrize(
    ("inner", "hresult"),
    [
        (f"<handlers>{handler('a')}{handler('a')}</handlers>", 0x8007000D),
        (
            "<staticContent><mimeMap fileExtension='.JSON' mimeType='x/y' /></staticContent>",
            0x800700B7,
        ),
        (
            "<httpProtocol><customHeaders><add name='x-powered-by' value='me' /></customHeaders></httpProtocol>",
            0x8007000D,
        ),
    ],
)
def test_duplicates(inner: str, hresult: int, make_site: Callable[..., Site]) -> None:
    findings = [
        finding
        for finding in make_site({"web.config": web_config(inner)}).effective("/").findings()
        if finding.severity == "error"
    ]
    assert [finding.hresult for finding in findings] == [hresult]
    assert findings[0].message.startswith("Cannot add duplicate collection entry of type")


def test_a_duplicate_mime_map_fails_static_files_only(make_site: Callable[..., Site]) -> None:
    site = make_site(
        {
            "web.config": web_config(
                "<staticContent><mimeMap fileExtension='.json' mimeType='x/y' /></staticContent>"
            ),
            "a.css": "",
        }
    )
    assert site.explain("/a.css")["outcome"]["substatus"] == 19
    assert site.explain("/missing")["outcome"]["status"] == 404


def test_locations_apply_from_short_to_long(make_site: Callable[..., Site]) -> None:
    def browse(flag: str) -> str:
        return f"<system.webServer><directoryBrowse enabled='{flag}' /></system.webServer>"

    site = make_site(
        {
            "web.config": "<configuration>" + f"<location path='A/b'>{browse('true')}</location>"
            f"<location path='a'>{browse('false')}</location><location path='.'>{browse('true')}</location>"
            "</configuration>",
            "a/b/": "",
        }
    )
    asked = {
        path: site.effective(path).section("system.webServer/directoryBrowse").flag("enabled")
        for path in ("/", "/a", "/a/x", "/a/b", "/ab")
    }
    assert asked == {"/": True, "/a": False, "/a/x": False, "/a/b": True, "/ab": True}


def test_config_source(make_site: Callable[..., Site]) -> None:
    files = {
        "web.config": web_config(
            "<rewrite><rewriteMaps configSource='maps\\m.config' /></rewrite>"
        ),
        "maps/m.config": "<rewriteMaps><rewriteMap name='M'><add key='a' value='b' /></rewriteMap></rewriteMaps>",
    }
    site = make_site(files)
    assert (
        site.effective("/")
        .section("system.webServer/rewrite/rewriteMaps")
        .items[0]
        .items[0]
        .text("value")
        == "b"
    )


@pytest.mark.parametrize("kind", [pytest.param("fifo", marks=POSIX_ONLY), "link", "folder"])
def test_a_config_source_is_read_as_the_site_s_other_files_are(
    kind: str, tmp_path_factory: pytest.TempPathFactory, make_site: Callable[..., Site]
) -> None:
    site = make_site(
        {"web.config": web_config("<rewrite><rewriteMaps configSource='m.config' /></rewrite>")}
    )
    there = site.path / "m.config"
    if kind == "fifo":
        os.mkfifo(there)
    elif kind == "link":
        outside = tmp_path_factory.mktemp("elsewhere") / "outside.config"
        outside.write_text("<rewriteMaps />")
        there.symlink_to(outside)
    else:
        there.mkdir()
    (finding,) = site.explain("/")["findings"]
    assert (finding["code"], finding["file"]) == ("config-unreadable", "m.config")


@pytest.mark.parametrize("source", ["../m.config", "C:\\m.config", "/m.config", "missing.config"])
def test_a_config_source_outside_or_absent_is_an_error(
    source: str, make_site: Callable[..., Site]
) -> None:
    site = make_site(
        {"web.config": web_config(f"<rewrite><rewriteMaps configSource='{source}' /></rewrite>")}
    )
    assert site.explain("/")["outcome"]["status"] == 500


def test_locks(make_site: Callable[..., Site]) -> None:
    files = {"web.config": web_config("<webSocket enabled='false' />")}
    assert make_site(files).explain("/")["outcome"]["status"] == 403
    outcome = make_site(files, strict_locks=True).explain("/")["outcome"]
    assert (outcome["status"], outcome["substatus"], outcome["hresult"]) == (500, 19, "0x80070021")


def test_a_broken_file_breaks_its_folder_only_and_heals(make_site: Callable[..., Site]) -> None:
    site = make_site({"a.css": "", "sub/web.config": "<configuration>", "sub/a.css": ""})
    assert site.explain("/a.css")["outcome"]["status"] == 200
    broken = site.explain("/sub/a.css")
    assert (broken["outcome"]["status"], broken["outcome"]["substatus"]) == (500, 19)
    assert broken["findings"][0]["file"] == "sub/web.config"
    (site.path / "sub" / "web.config").write_text(rules(""))
    assert site.explain("/sub/a.css")["outcome"]["status"] == 200


def test_configuration_is_compiled_once(make_site: Callable[..., Site]) -> None:
    site = make_site({"web.config": rules("")})
    assert site.effective("/a") is site.effective("/b/c")


def test_the_table_is_complete_where_it_matters() -> None:
    table = sections()
    assert table["system.webServer/handlers"].collections["add"].prepend
    assert [
        attribute.name
        for attribute in table["system.webServer/httpErrors"].collections["error"].keys
    ] == ["statusCode", "subStatusCode"]


@pytest.mark.parametrize("order", [("", "."), (".", "")])
def test_a_section_at_top_level_and_in_location_dot(order: tuple[str, str]) -> None:
    parts = {
        "": "<system.webServer><handlers /></system.webServer>",
        ".": '<location path="."><system.webServer><handlers /></system.webServer></location>',
    }
    text = f"<configuration>{parts[order[0]]}{parts[order[1]]}</configuration>".encode()
    assert [(finding.code, finding.severity) for finding in load(text, "web.config").findings] == [
        ("config-duplicate-section", "error")
    ]


def test_config_source_compares_without_case(make_site: Callable[..., Site]) -> None:
    config = '<rewrite><rules configSource="sub\\r.config" /></rewrite>'
    site = make_site({"web.config": web_config(config), "Sub/R.config": "<rules />"})
    assert site.explain("/")["findings"] == []
    for bad in ("/etc/passwd", "", "C:\\x.config", "..\\x.config"):
        site = make_site(
            {"web.config": web_config(f'<rewrite><rules configSource="{bad}" /></rewrite>')}
        )
        assert [finding["code"] for finding in site.explain("/")["findings"]] == [
            "config-source"
        ], bad


def _named(element: schema.ElementSchema) -> Iterator[str]:
    """The keys that descriptions.toml may have for what is in an element."""
    inner = [*element.children.values(), *(one.entry for one in element.collections.values())]
    for child in inner:
        yield child.name
        yield from (f"{child.name}@{name}" for name in child.attributes)
        yield from _named(child)


@pytest.mark.parametrize("section", descriptions.table())
def test_meanings_are_of_what_the_schema_has(section: str) -> None:
    known = schema.sections()
    element = known.get(section) or known[schema.WEB_SERVER + section]
    allowed = {"about", *(f"@{name}" for name in element.attributes), *_named(element)}
    assert descriptions.table()[section].keys() <= allowed
    assert all(text.endswith((".", "…", ".py")) for text in descriptions.table()[section].values())
