"""iisnode without Node: iisnode.yml as it is really read, where each setting comes from, what an
application would get, and which file is watched.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.app_service.environment import AppSetting
from fcgiemu.decision import CallIisnode, Respond
from fcgiemu.http.request import make_request
from fcgiemu.modules import iisnode_yml
from fcgiemu.modules.iisnode import MAX_PROCESSES, compiled
from fcgiemu.modules.iisnode_yml import YmlLine, YmlProblem
from fcgiemu.programs import node
from fcgiemu.programs.iisnode import command_line
from fcgiemu.programs.interpreters import ProgramMissing
from fcgiemu.report.explanation_text import story
from fcgiemu.server.process_handlers.iisnode import is_watched
from fcgiemu.site import Site

from ..node import ALL, node_config

MakeSite = Callable[..., Site]


@pytest.mark.parametrize(
    ("text", "lines", "problems"),
    [
        ("", [], []),
        ("a: b", [("a", "b", 1)], []),
        ("a:b\r\n\r\nc : d  ", [("a", "b", 1), ("c", "d", 3)], []),
        ("a: b # c\n# d: e\n  # f", [("a", "b", 1)], []),
        ("a: #b", [], []),
        ("a: x:y", [("a", "x:y", 1)], []),
        ('a: "b c"', [("a", '"b c"', 1)], []),
        ("a: '#1'", [("a", "'", 1)], []),
        ("a:\tb", [("a", "\tb", 1)], []),
        ("\ta: b", [("\ta", "b", 1)], []),
        ("a:   ", [], []),
        ("---\na: b", [("a", "b", 2)], [("colon", "---", 1)]),
        ("\t", [], [("colon", "\t", 1)]),
        (": b", [], [("key", ": b", 1)]),
        ("a b: c", [], [("key", "a b: c", 1)]),
        ("- a", [], [("colon", "- a", 1)]),
    ],
)
def test_the_lines_of_iisnode_yml(
    text: str, lines: list[tuple[str, str, int]], problems: list[tuple[str, str, int]]
) -> None:
    read = iisnode_yml.read(text.encode())
    assert list(read.lines) == [YmlLine(*line) for line in lines]
    assert list(read.problems) == [YmlProblem(*problem) for problem in problems]


def test_bytes_that_are_not_utf_8() -> None:
    assert iisnode_yml.read(b"a: \xff").lines == (YmlLine("a", "\xff", 1),)


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("YES", True), ("1", True), ("no", False), ("0", False), ("False", False)]
    + [(text, None) for text in ("on", '"true"', "2", "\ttrue")],
)
def test_flags(text: str, value: bool | None) -> None:
    assert iisnode_yml.flag(text) is value


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("12kb", 12), ("\t3", 3), ("x", 0), ("-1", 0), ('"5"', 0)]
)
def test_numbers(text: str, value: int) -> None:
    assert iisnode_yml.number(text) == value


def action(site: Site, url: str = "/server.js") -> CallIisnode:
    decided = site.decide(make_request(url)).action
    assert isinstance(decided, CallIisnode), decided
    return decided


def test_where_settings_come_from(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IISNODE_FLUSHRESPONSE", "1")
    monkeypatch.setenv("IISNODE_loggingEnabled", "false")
    monkeypatch.setenv("IISNODE_UNKNOWN", "x")
    monkeypatch.setenv("MY_LOGS", "of-env")
    files = {
        "web.config": node_config('maxLogFiles="7" loggingEnabled="true" watchedFiles="a"'),
        "server.js": "",
        "iisnode.yml": "DebugPortRange: 1-2\nwatchedfiles: b\nlogDirectory: %MY_LOGS%\nx: y",
        "sub/server.js": "",
        "sub/web.config": "<configuration><system.webServer><iisnode maxLogFiles='9' />"
        "</system.webServer></configuration>",
    }
    site = make_site(files)
    found = {
        name: tuple(setting)
        for name, setting in action(site).settings
        if setting.origin != "default"
    }
    (line,) = {origin for _, origin in found.values() if origin.startswith("web.config")}
    assert found == {
        "maxLogFiles": (7, line),
        "flushResponse": (True, "the variable IISNODE_FLUSHRESPONSE"),
        "loggingEnabled": (False, "the variable IISNODE_loggingEnabled"),
        "debuggerPortRange": ("1-2", "iisnode.yml:1"),
        "watchedFiles": ("b", "iisnode.yml:2"),
        "logDirectory": ("of-env", "iisnode.yml:3"),
    }
    below = compiled(action(site, "/sub/server.js").settings)
    assert (below.log_files, below.watched, below.log_directory) == (9, ("a",), "iisnode")


def test_app_settings_of_azure(make_site: MakeSite) -> None:
    given = (AppSetting("IISNODE_nodeProcessCountPerApplication", "3"), AppSetting("X", "there"))
    files = {"web.config": node_config('logDirectory="%X%"'), "server.js": ""}
    settings = compiled(action(make_site(files, azure=True, app_settings=given)).settings)
    assert (settings.processes, settings.log_directory) == (3, "there")


def test_another_file_of_config_overrides(make_site: MakeSite) -> None:
    files = {"server.js": "", "own.yml": "maxLogFiles: 3", "iisnode.yml": "maxLogFiles: 4"}
    for attribute, count in (("own.yml", 3), ("", 20), ("none.yml", 20)):
        config = node_config(f'configOverrides="{attribute}"')
        site = make_site({**files, "web.config": config})
        assert compiled(action(site).settings).log_files == count


@pytest.mark.parametrize(
    ("yml", "words"),
    [
        ("loggingEnabled: on", "takes true, yes, 1"),
        ("---", "has no colon"),
        ("a b: c", "a key has no blank"),
    ],
)
def test_a_broken_file(make_site: MakeSite, yml: str, words: str) -> None:
    files = {"web.config": node_config(), "server.js": "", "iisnode.yml": yml}
    decision = make_site(files).decide(make_request("/server.js"))
    error = decision.action
    assert isinstance(error, Respond) and (error.status, error.substatus) == (500, 1000)
    assert words in error.message and decision.module == "iisnode"
    assert error.finding is not None and str(error.finding.span) == "iisnode.yml:1:1"


def test_a_variable_and_a_section_that_cannot_be_read(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"web.config": node_config('maxLogFiles="x"'), "server.js": "", "a.txt": ""}
    site = make_site(files)
    assert site.explain("/server.js")["outcome"]["substatus"] == 1000
    assert site.explain("/a.txt")["outcome"]["kind"] == "static"
    monkeypatch.setenv("IISNODE_maxLogFiles", "many")
    outcome = make_site({**files, "web.config": node_config()}).explain("/server.js")["outcome"]
    assert outcome["substatus"] == 1000 and "IISNODE_maxLogFiles" in str(outcome["message"])


def test_an_attribute_of_no_release(make_site: MakeSite) -> None:
    site = make_site({"web.config": node_config('skipIISCustomErrors="true"'), "server.js": ""})
    answer = site.explain("/server.js")
    assert (answer["outcome"]["status"], answer["outcome"]["substatus"]) == (500, 19)
    assert any("existingResponse=" in finding["hint"] for finding in answer["findings"])


@pytest.mark.parametrize(
    ("url", "kind", "status", "substatus"),
    [
        ("/server.js", "iisnode", None, 0),
        ("/SERVER.JS/x", "iisnode", None, 0),
        ("/sub/server.js", "respond", 404, 0),
        ("/none/server.js", "respond", 500, 1000),
        ("/server.jsx", "respond", 404, 0),
        ("/lib.js", "static", 200, 0),
    ],
)
def test_which_script_answers(
    make_site: MakeSite, url: str, kind: str, status: int | None, substatus: int
) -> None:
    files = {"web.config": node_config(), "server.js": "", "sub/x": "", "lib.js": ""}
    outcome = make_site(files).explain(url)["outcome"]
    assert (outcome["kind"], outcome["status"], outcome["substatus"]) == (kind, status, substatus)


@pytest.mark.parametrize(
    ("path", "files", "url", "script"),
    [
        ("bin/www", {"bin/www": ""}, "/bin/www", "bin/www"),
        ("*.js", {"a/hello.js": ""}, "/a/hello.js", "a/hello.js"),
        ("src/index.js", {"src/index.js": ""}, "/src/index.js/x", "src/index.js"),
    ],
)
def test_paths_of_handlers(
    make_site: MakeSite, path: str, files: dict[str, str], url: str, script: str
) -> None:
    shown = (
        "<security><requestFiltering><hiddenSegments><remove segment='bin' /></hiddenSegments>"
        "</requestFiltering></security>"
    )
    site = make_site({"web.config": node_config("", shown, path=path), **files})
    outcome = site.explain(url)["outcome"]
    assert (outcome["kind"], outcome["iisnode"]["script"]) == ("iisnode", script)


@pytest.mark.parametrize(
    ("url", "headers", "seen"),
    [
        ("/a/b?x=%20", {}, "/a/b?x=%20"),
        ("/a%2Fb/c%3Dd", {}, "/a/b/c=d"),
        ("/a%20b", {}, "/a%20b"),
        ("/", {}, "/"),
        ("/x", {"X-Original-URL": "/forged"}, "/x"),
    ],
)
def test_the_url_behind_a_rewrite(
    make_site: MakeSite, url: str, headers: dict[str, str], seen: str
) -> None:
    site = make_site({"web.config": node_config("", ALL), "server.js": ""})
    assert site.explain(url, headers=headers)["outcome"]["iisnode"]["url"] == seen


@pytest.mark.parametrize(
    ("url", "headers", "seen"),
    [
        ("/server.js/a%20b", {}, "/server.js/a b"),
        ("/server.js?q=%20", {}, "/server.js?q=%20"),
        ("/server.js", {"X-Original-URL": "/forged"}, "/forged"),
        ("/", {}, "/server.js"),
    ],
)
def test_the_url_without_a_rewrite(
    make_site: MakeSite, url: str, headers: dict[str, str], seen: str
) -> None:
    document = (
        '<defaultDocument><files><clear /><add value="server.js" /></files></defaultDocument>'
    )
    site = make_site({"web.config": node_config("", document), "server.js": ""})
    assert site.explain(url, headers=headers)["outcome"]["iisnode"]["url"] == seen


def test_what_explain_tells(make_site: MakeSite) -> None:
    config = node_config(
        'enableXFF="true" promoteServerVars="REQUEST_METHOD,NONE" node_env="test"',
        ALL,
        '<add key="one" value="1" />',
    )
    answer = make_site({"web.config": config, "server.js": ""}).explain("/x?y=1")
    told = answer["outcome"]["iisnode"]
    assert told["headers"] == {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-iisnode-REQUEST_METHOD": "GET",
    }
    environment = told["environment"]
    assert (environment["one"], environment["NODE_ENV"]) == ("1", "test")
    assert told["settings"]["enableXFF"]["value"] is True
    text = story(answer)
    assert "script server.js" in text and "the application sees the URL '/x?y=1'" in text
    assert "enableXFF = True (web.config:1" in text


@pytest.mark.parametrize(
    ("watched", "changed", "matches"),
    [
        ("*.js", "server.js", True),
        ("*.js", "SERVER.JS", True),
        ("*.js", "lib/a.js", False),
        ("lib\\*.js", "lib/a.js", True),
        ("lib\\*.js", "lib/sub/a.js", False),
        ("..\\web.txt", "../web.txt", True),
        ("a?.js", "ab.js", True),
        ("", "server.js", False),
    ],
)
def test_watched_files(tmp_path: Path, watched: str, changed: str, matches: bool) -> None:
    path = Path(*(tmp_path / "site" / changed).parts)
    path = (tmp_path / "site" / changed).resolve()
    assert is_watched(tmp_path / "site", tuple(filter(None, [watched])), path) is matches


# -- programs --------------------------------------------------------------------------------------


@pytest.fixture
def node_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a program that stands for Node in a folder."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("NVM_DIR", str(tmp_path / "nvm"))

    def make(*parts: str) -> Path:
        program = tmp_path.joinpath(*parts)
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        return program

    return make


def test_which_node(make_site: MakeSite, node_of: Callable[..., Path]) -> None:
    site = make_site({"web.config": node_config()})

    def found(text: str) -> str:
        return node.find(text, site, site.root).path

    for name in ("node", '"C:\\Program Files\\nodejs\\node.exe" --x', "D:\\x\\18.1.0\\node.exe"):
        with pytest.raises(ProgramMissing, match="no such program here"):
            found(name)
    old, new = (
        node_of("nvm", "versions", "node", name, "bin", "node") for name in ("v9.1.0", "v20.3.1")
    )
    assert found("node.exe") == str(new) != str(old)
    on_path = node_of("path", "node")
    node_of("path", "other")
    for name in ("node", "NODE.EXE", '"C:\\Program Files\\nodejs\\node.exe" --x'):
        assert found(name) == str(on_path)
    assert found("other.exe").endswith("path/other")
    for name in ("idontexist.exe", "C:\\tools\\other.exe", ""):
        with pytest.raises(ProgramMissing):
            found(name)


def test_a_mapped_node(make_site: MakeSite, node_of: Callable[..., Path]) -> None:
    node_of("path", "node")
    mine = node_of("mine", "node")
    windows = "D:\\Program Files\\nodejs"
    site = make_site({"web.config": node_config()}, path_map=((windows, str(mine.parent)),))
    found = node.find(f'"{windows}\\node.exe" --a "b c"', site, site.root)
    assert (found.path, found.arguments) == (str(mine), ("--a", "b c"))


@pytest.mark.parametrize(
    ("interceptor", "between"),
    [
        ("", []),
        ("own.js", ["own.js"]),
        ("&quot;%programfiles%\\iisnode\\interceptor.js&quot;", ["interceptor.js"]),
        ("D:\\Program Files (x86)\\iisnode\\interceptor.js", None),
        ("&quot;D:\\Program Files (x86)\\IISNODE\\Interceptor.js&quot; x", ["interceptor.js", "x"]),
    ],
)
def test_the_interceptor(
    make_site: MakeSite,
    node_of: Callable[..., Path],
    interceptor: str,
    between: list[str] | None,
) -> None:
    program = node_of("path", "node")
    config = node_config(f'interceptor="{interceptor}" nodeProcessCommandLine="node --flag"')
    site = make_site({"web.config": config, "server.js": ""})
    words, _ = command_line(site, site.root, action(site), "/socket")
    assert words[:2] == (str(program), "--flag") and words[-1] == site.local_path("/server.js")
    if between is not None:
        assert [Path(word).name for word in words[2:-1]] == between


def test_the_environment(
    make_site: MakeSite, node_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    node_of("path", "node")
    monkeypatch.setenv("NODE_PENDING_PIPE_INSTANCES", "7")
    monkeypatch.setenv("PYTHONPATH", "x")
    settings = (
        '<add key="data" value="D:\\home\\site\\wwwroot\\data" /><add key="PORT" value="1" />'
    )
    config = node_config('logDirectory="..\\logs"', settings=settings)
    site = make_site({"web.config": config, "server.js": ""})
    _, found = command_line(site, site.root, action(site), "/socket")
    assert (found["PORT"], found["port"], found["NODE_PENDING_PIPE_INSTANCES"]) == (
        *("/socket", "/socket", "7"),
    )
    assert found["data"] == f"{site.path}/data" and "PYTHONPATH" not in found
    assert found["IISNODE_LOGDIRECTORY"] == str(site.path.parent / "logs")
    assert "NODE_ENV" not in found or found["NODE_ENV"] != "%node_env%"


@pytest.mark.parametrize(
    ("text", "version"),
    [("v20.1.0", (20, 1, 0)), ("20", (20,)), (">=18 <21", (18,)), ("lts/iron", ()), ("", ())],
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert node.version_of(text) == version


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (">=18", True),
        (">= 18 < 21", True),
        (">=18 <20", False),
        ("^20.1.0", True),
        ("^20.30", False),
        ("~20.20.1", True),
        ("~20.19", False),
        ("20", True),
        ("20.x", True),
        ("20.20.2", True),
        ("v20.20.1", False),
        ("18.x || 20.x", True),
        ("16 || 18", False),
        ("18 - 22", True),
        ("*", True),
        ("", True),
        (">20", False),
        ("<=20", True),
        (">19.1 <=20.20.2", True),
        ("^0.10", False),
        ("lts/iron", None),
        ("node", None),
    ],
)
def test_ranges_of_versions(wanted: str, fits: bool | None) -> None:
    assert node.satisfies((20, 20, 2), wanted) is fits


def test_versions_that_a_site_asks_for(make_site: MakeSite) -> None:
    files = {
        "web.config": node_config(),
        ".nvmrc": "v18\n",
        "package.json": '{"engines": {"node": "20.x"}}',
    }
    site = make_site(files)
    command = '"D:\\Program Files\\nodejs\\14.17.0\\node.exe"'
    assert list(node.wanted(site, site.root, command)) == [
        ("nodeProcessCommandLine", "14.17.0"),
        (".nvmrc", "v18"),
        ("engines.node of package.json", "20.x"),
    ]


def test_the_web_socket_section_is_unlocked(make_site: MakeSite) -> None:
    below = "<configuration><system.webServer><webSocket enabled='true' /></system.webServer></configuration>"
    for config, locked in ((node_config(), False), (below, True)):
        site = make_site({"web.config": config, "sub/web.config": below})
        codes = [found["code"] for found in site.explain("/sub/x")["findings"]]
        assert ("config-locked-section" in codes) is locked


@pytest.mark.parametrize("wanted", ["100000", "9" * 20])
def test_the_number_of_processes_has_a_limit(wanted: str, make_site: MakeSite) -> None:
    yml = f"nodeProcessCountPerApplication: {wanted}\n"
    files = {"server.js": "", "web.config": node_config(), "iisnode.yml": yml}
    action = make_site(files).decide(make_request("http://localhost/server.js")).action
    assert isinstance(action, CallIisnode)
    assert compiled(action.settings).processes == MAX_PROCESSES


@pytest.mark.parametrize(
    ("attributes", "url", "code"),
    [
        ("", "/server.js/debug", ["iisnode-debugger-url"]),
        ("", "/server.js/Debug/x", ["iisnode-debugger-url"]),
        ("", "/server.js/debugger", []),
        ('debuggingEnabled="false"', "/server.js/debug", []),
        ('debuggerPathSegment="look"', "/server.js/look", ["iisnode-debugger-url"]),
    ],
)
def test_urls_of_the_debugger_are_named(
    make_site: MakeSite, attributes: str, url: str, code: list[str]
) -> None:
    site = make_site({"web.config": node_config(attributes), "server.js": ""})
    answer = site.explain(url)
    assert answer["outcome"]["kind"] == "iisnode"
    assert [known["code"] for known in answer["findings"]] == code
