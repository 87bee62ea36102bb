"""What commands print fits their JSON Schemas, key by key; the XML Schema accepts what check does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lxml import etree

from fcgiemu import catalogue, schemas
from fcgiemu.catalogue import EXAMPLE_FILES, Example
from fcgiemu.cli import main
from fcgiemu.config import file as config_file
from fcgiemu.config import schema as table
from fcgiemu.schemas.web_config import DOTNET, xsd

from ..schemas import closed, hold
from ..sites import python_handler, web_config, write

ROOT = Path(__file__).parents[2]
RULES = """
<rewrite>
  <rules>
    <rule name="old" stopProcessing="true">
      <match url="^old/(.*)" />
      <conditions><add input="{QUERY_STRING}" pattern="a=(.*)" /></conditions>
      <serverVariables><set name="HTTP_X_OLD" value="{R:1}" /></serverVariables>
      <action type="Redirect" url="/new/{R:1}" redirectType="Found" />
    </rule>
    <rule name="proxy"><match url="^there" /><action type="Rewrite" url="http://x.example/" /></rule>
    <rule name="gone"><match url="^gone" /><action type="AbortRequest" /></rule>
    <rule name="pages"><match url="^p/(.*)" /><action type="Rewrite" url="{Pages:{R:1}}" /></rule>
  </rules>
  <allowedServerVariables><add name="HTTP_X_OLD" /></allowedServerVariables>
  <rewriteMaps><rewriteMap name="Pages"><add key="a" value="/static/a.css" /></rewriteMap></rewriteMaps>
</rewrite>
<httpErrors errorMode="Custom">
  <remove statusCode="404" />
  <error statusCode="404" path="/static/a.css" responseMode="ExecuteURL" />
</httpErrors>
<no />
"""
EXPECTATIONS = '/static/a.css -> static\n/old/1?a=2 -> 302 /new/1 rule "old"\n/x -> 418\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site in the current folder with something for every part of an answer."""
    good = RULES.replace("<no />", "")
    write(
        tmp_path,
        {
            "web.config": web_config(python_handler("app/*") + good, {"WSGI_HANDLER": "app.app"}),
            "web.Release.config": (
                '<configuration xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform">'
                '<appSettings><add key="WSGI_HANDLER" value="b.app"'
                ' xdt:Transform="SetAttributes" xdt:Locator="Match(key)" /></appSettings>'
                '<nothing xdt:Transform="Remove" /></configuration>'
            ),
            "static/a.css": "",
            "app.py": "def app(environ, start_response): ...",
            "bad/web.config": web_config(RULES),
            "urls.txt": "/old/1?a=1\n/static/a.css\n/none\n",
            "site.expect": EXPECTATIONS,
            "new/": "",
            "batch.jsonl": '{"url": "/p/a", "id": [1]}\n{"url": "/x", "response": {"status": 404}}\n7\n',
        },
    )
    write(tmp_path / "other", {"web.config": web_config(), "static/a.css": ""})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


URLS = [
    "/",
    "/static/a.css",
    "/static",
    "/old/1?a=2",
    "/there",
    "/gone",
    "/p/a",
    "/app/x?y=1",
    "/none",
    "/bad/x",
    "/%zz",
    "http://localhost/..%2f..%2f",
]


@pytest.mark.parametrize("url", URLS)
def test_explain(url: str, site: Path) -> None:
    for options in ([], ["--no-events"], ["--measured-only", "--mask"], ["--azure", "--php"]):
        hold("explain", run("explain", ".", url, "--json", *options).stdout)


def test_a_batch(site: Path) -> None:
    lines = run("explain", "--batch", "batch.jsonl", "--json").stdout.splitlines()
    answers = [hold("explain-batch", line) for line in lines]
    assert [set(answer) & {"error", "id"} for answer in answers] == [{"id"}, set(), {"error"}]


#: Schema -> a command that prints what it describes, and keys that must be there.
OUTPUTS = [
    ("check", ["check"]),
    ("doctor", ["doctor"]),
    ("test", ["test"]),
    ("test", ["test", "--coverage"]),
    ("diff", ["diff", "other", ".", "--urls", "urls.txt"]),
    ("diff", ["diff", ".", ".", "--log", "log.txt"]),
    ("deploy", ["deploy", "--dry-run"]),
    ("deploy", ["deploy", "--to", "."]),
    ("deploy", ["deploy", "other", "--to", "home"]),
    ("xdt", ["xdt", "web.config", "web.Release.config"]),
    ("xdt", ["xdt", "web.config", "web.Release.config", "-o", "result.config"]),
    ("xdt", ["xdt", "web.config", "urls.txt"]),
    ("init", ["init", "new", "--handler", "app.app", "--dry-run"]),
    ("support", ["support"]),
    ("support-facts", ["support", "--facts"]),
    ("support-profile", ["support", "--profile", "iis10-default"]),
]
LOG = """\
#Fields: date time cs-method cs-uri-stem cs-uri-query sc-status
2026-11-22 10:00:00 GET /old/1 a=1 200
2026-11-22 10:00:00 GET /static/a.css - 200
not a line
"""


@pytest.mark.parametrize(("name", "words"), OUTPUTS)
def test_outputs(name: str, words: list[str], site: Path) -> None:
    write(site, {"log.txt": LOG})
    done = run(*words, "--json")
    assert done.exit_code in (0, 1, 2), done.output
    hold(name, done.stdout)


EXAMPLES = [
    pytest.param(example, id=name)
    for kind in catalogue.kinds()
    if kind.needs in ("configuration", "files")
    for name, example in kind.examples()
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_check_says_of_every_example(example: Example, tmp_path: Path) -> None:
    is_whole = example.before.lstrip().startswith(("<?xml", "<configuration", "<!DOCTYPE"))
    text = (
        example.before if is_whole or example.file != "web.config" else web_config(example.before)
    )
    beside = {**EXAMPLE_FILES, "web.config": web_config(), **example.files}
    write(tmp_path, {**beside, example.file: text})
    hold("check", run("check", str(tmp_path), "--json").stdout)


def test_a_deployment_says_how_far_it_came(site: Path) -> None:
    done = run("deploy", "other", "--to", "home", "--json")
    told = hold("deploy", done.stdout)
    assert (done.exit_code, told["status"]) == (0, "success")
    assert {step["status"] for step in told["steps"]} == {"done"}
    assert (Path(told["site"]) / "web.config").exists()
    planned = hold("deploy", run("deploy", "other", "--to", "home", "--dry-run", "--json").stdout)
    assert {step["status"] for step in planned["steps"]} == {"planned"}
    failed = run("deploy", "--to", ".", "--json")
    told = hold("deploy", failed.stdout)
    assert (failed.exit_code, told["status"], told["error"]["step"]) == (1, "failed", "target")
    assert {step["status"] for step in told["steps"]} == {"not run"}
    assert run("deploy", "--git-init", "--json").exit_code == 2


def test_a_transform_as_json(site: Path) -> None:
    told = hold("xdt", run("xdt", "web.config", "web.Release.config", "--json").stdout)
    assert told["ok"] and 'value="b.app"' in told["text"] and told["output"] is None
    (warned,) = [message for message in told["messages"] if message["kind"] == "warning"]
    assert (warned["code"], warned["line"]) == ("no-match", 1) and warned["hint"]
    failed = run("xdt", "web.config", "urls.txt", "--json", "-o", "result.config")
    told = hold("xdt", failed.stdout)
    assert (failed.exit_code, told["ok"], told["text"], told["output"]) == (1, False, None, None)
    assert not (site / "result.config").exists()


def test_the_command(site: Path) -> None:
    assert run("schema", "explain").stdout == schemas.text("explain")
    assert "fcgiemu explain --json" in run("schema").stdout
    rows = json.loads(run("schema", "--json").stdout)
    assert {row["name"] for row in rows} == {*schemas.names(), "web.config"}
    assert "Did you mean explain?" in run("schema", "explian").output
    assert run("schema", "explain", "--dotnet-namespace").exit_code == 2


@pytest.mark.parametrize("name", schemas.names())
def test_schemas_have_a_version_and_close(name: str) -> None:
    closed(name)
    found = schemas.schema(name)
    assert found["$id"].startswith(f"urn:fcgiemu:{name}:") and found["title"]


# -- the XML Schema --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def xml_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring(xsd().encode()))


#: What stands in system.webServer, and whether the schema takes it.
PARTS = [
    (RULES.replace("<no />", ""), True),
    (RULES, False),
    ('<handlers><add name="a" path="*" verb="*" /></handlers>', True),
    ('<handlers><add name="a" path="*" /></handlers>', False),
    ('<handlers><add name="" path="*" verb="*" /></handlers>', False),
    ('<handlers><remove name="a" /><clear /></handlers>', True),
    ('<handlers lockItem="true" accessPolicy="Read, script" />', True),
    ('<handlers accessPolicy="Read, Skript" />', False),
    ('<directoryBrowse enabled="True" />', True),
    ('<directoryBrowse enabled="yes" />', False),
    ("<rewrite><rulez /></rewrite>", False),
    ("<rewrite /><rewrite><rules /></rewrite>", True),
    ("<rewrite><globalRules /></rewrite>", False),
    ('<security><requestFiltering><requestLimits maxUrl="4294967295" /></requestFiltering></security>', True),
    ('<security><requestFiltering><requestLimits maxUrl="-1" /></requestFiltering></security>', False),
    ('<security><requestFiltering><requestLimits maxUrl="infinite" /></requestFiltering></security>', True),
    ('<httpErrors><error statusCode="399" path="/a" /></httpErrors>', False),
    ('<staticContent><clientCache cacheControlMaxAge="7.00:00:00" /></staticContent>', True),
    ('<staticContent><clientCache cacheControlMaxAge="00:60:00" /></staticContent>', False),
    ('<staticContent><clientCache /><clientCache /></staticContent>', True),
    ("<httpProtocol><customHeaders /><customHeaders /></httpProtocol>", False),
    ("<aspNetCore><handlerSettings /></aspNetCore>", True),
    ("<webdav><anything a='b' /></webdav>", True),
]  # fmt: skip


@pytest.mark.parametrize(("inner", "is_good"), PARTS)
def test_parts_of_a_file(inner: str, is_good: bool, xml_schema: etree.XMLSchema) -> None:
    found = xml_schema.validate(etree.fromstring(web_config(inner)))
    assert found == is_good, xml_schema.error_log


WHOLE = [
    ('<configuration><location path="a" overrideMode="Deny"><system.webServer /></location></configuration>', True),
    ('<configuration><location path="a" overrideMode="deny" /></configuration>', False),
    ("<configuration><location><system.webServer><no /></system.webServer></location></configuration>", False),
    ('<configuration><system.web><compilation debug="true" /></system.web><connectionStrings /></configuration>', True),
    ("<configuration><appSettings><add /></appSettings></configuration>", False),
    ("<config />", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "is_good"), WHOLE)
def test_whole_files(text: str, is_good: bool, xml_schema: etree.XMLSchema) -> None:
    assert xml_schema.validate(etree.fromstring(text)) == is_good, xml_schema.error_log


def test_the_namespace_of_dotnet() -> None:
    made = CliRunner().invoke(main, ["schema", "web.config", "--dotnet-namespace"]).stdout
    known = etree.XMLSchema(etree.fromstring(made.encode()))
    for inner, is_good in PARTS:
        text = web_config(inner).replace("<configuration>", f'<configuration xmlns="{DOTNET}">')
        assert known.validate(etree.fromstring(text)) == is_good, inner


def configurations() -> Iterator[tuple[str, bytes]]:
    """Every web.config of the samples and of the catalogue's examples."""
    for path in sorted((ROOT / "samples").rglob("web*.config")):
        yield str(path), path.read_bytes()
    for name, example in (pair for kind in catalogue.kinds() for pair in kind.examples()):
        for text in (example.before, example.after):
            if text.lstrip().startswith("<") and example.file == "web.config":
                is_whole = "<configuration" in text
                yield name, (text if is_whole else web_config(text)).encode()


#: Findings about text between elements, which a schema refuses.
TEXT = {"config-text", "rewrite-foreign-rules"}


def test_what_check_accepts_is_accepted(xml_schema: etree.XMLSchema) -> None:
    tried = 0
    for name, data in configurations():
        loaded = config_file.load(data, "web.config")
        if any(finding.severity == "error" for finding in loaded.findings):
            continue
        if b"configSections" in data:  # sections of other modules: XSD 1.0 cannot say that
            continue
        if name.partition("/")[0] in TEXT:
            continue
        tried += 1
        assert xml_schema.validate(etree.fromstring(data)), (name, xml_schema.error_log)
    assert tried > 100


def test_every_section_and_attribute_is_in_it() -> None:
    """But for those that only applicationHost.config may hold."""
    names = {element.get("name") for element in etree.fromstring(xsd().encode()).iter("{*}*")}
    for path, section in table.sections().items():
        if path.startswith(table.WEB_SERVER) and path not in table.HOST_ONLY:
            assert {path.rpartition("/")[2], *section.attributes} <= names
