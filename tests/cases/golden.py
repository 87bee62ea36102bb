"""The golden files: what stands in them and how a case is asked.

A file holds cases. A case begins with ``=== name  [where the fact comes from]``; then
``file: PATH`` (exists in the site), ``provider: NAME "argument" "result"``, ``skip: REASON``,
``NAME:`` + indented XML (a configuration; without <configuration> it stands inside <rewrite>),
``> METHOD URL``, ``> Header: value``, ``> {VARIABLE} = value`` (the request),
``< STATUS``, ``< Header: value``, ``< "body"`` (what the handler answers), and what must come of
it: ``= /path?query``, ``= unchanged /path``, ``= 301 LOCATION``, ``= 403.0 reason | description``,
``= abort``, ``= error 500.50|500.52``, ``= Header: value``, ``= body "text"``, ``= reason``, ``=
then``, ``= message``, ``= rules [names]``, ``= set NAME = value``, ``= after VARIABLE = value``.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..sites import write

FOLDER = Path(__file__).parent


@dataclass
class Case:
    """One case of a golden file."""

    name: str
    line: int
    files: dict[str, str | bytes] = field(default_factory=dict)
    host: str = ""
    providers: dict[str, dict[str, str]] = field(default_factory=dict)
    method: str = "GET"
    url: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    response: dict[str, Any] | None = None
    expected: list[str] = field(default_factory=list)
    skip: str = ""


def read(path: Path) -> Iterator[Case]:
    """The cases of a file."""
    lines = path.read_text("utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("=== ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield _case(lines[start:end], start + 1)


def _case(lines: list[str], number: int) -> Case:
    case = Case(lines[0][4:].partition("  [")[0], number)
    config, name = [""], ""
    for line in [*lines[1:], ""]:
        if name and line.startswith("    "):
            config.append(line)
            continue
        if name:
            _configure(case, name, textwrap.dedent("\n".join(config)).strip())
            config, name = [], ""
        if re.fullmatch(r"\S*\.config:", line):
            name = line[:-1]
        elif line:
            _statement(case, line)
    return case


def _configure(case: Case, name: str, xml: str) -> None:
    if not xml.startswith(("<configuration", "<?xml")):
        xml = f"<configuration><system.webServer><rewrite>{xml}</rewrite></system.webServer></configuration>"
    if name == "applicationHost.config":
        case.host = xml
    else:
        case.files[name] = xml


def _statement(case: Case, line: str) -> None:
    mark, _, rest = line.partition(" ")
    if mark == "file:":
        case.files.setdefault(rest, "x")
    elif mark == "skip:":
        case.skip = rest
    elif mark == "provider:":
        name, texts = rest.split(" ", 1)
        argument, end = json.JSONDecoder().raw_decode(texts)
        case.providers.setdefault(name, {})[argument] = json.loads(texts[end:])
    elif mark == ">":
        _request(case, rest)
    elif mark == "<":
        _response(case, rest)
    else:
        assert mark == "=", line
        case.expected.append(rest)


def _request(case: Case, text: str) -> None:
    if variable := re.fullmatch(r"\{(\w+)\} = (.*)", text):
        case.variables[variable[1]] = variable[2]
    elif header := re.fullmatch(r"([\w-]+): (.*)", text):
        case.headers[header[1]] = header[2]
    else:
        case.method, case.url = text.split(" ", 1)


def _response(case: Case, text: str) -> None:
    if case.response is None:
        case.response = {"status": int(text), "headers": {}}
    elif text.startswith('"'):
        case.response["body"] = json.loads(text)
    else:
        name, value = text.split(": ", 1)
        case.response["headers"][name] = value


def ask(case: Case, folder: Path) -> dict[str, Any]:
    """The answer of ``explain`` for a case, strictly as IIS."""
    site = folder / "site"
    site.mkdir()
    write(site, case.files)
    host = folder / "applicationHost.config" if case.host else None
    if host is not None:
        host.write_text(case.host, "utf-8")
    providers = {
        name: (lambda argument, table=table: table.get(argument, ""))
        for name, table in case.providers.items()
    }
    opened = Site(site, Settings(strict=True, host_config=host, providers=providers))
    return opened.explain(
        case.url, case.method, case.headers, vars=case.variables, response=case.response
    )


def seen(expected: str, answer: dict[str, Any]) -> str:
    """What the answer says, in the form of the expectation it is held against."""
    outcome = answer["outcome"]
    here = outcome["path"] + ("?" + outcome["query"] if outcome["query"] else "")
    word = expected.partition(" ")[0]
    if word == "error":
        return f"error {outcome['status']}.{outcome['substatus']}"
    if word == "abort":
        return str(outcome["kind"])
    if word == "rules":
        return "rules " + json.dumps(answer["rules"])
    if word == "reason":
        return f"reason {outcome['reason']}"
    if word == "then":
        return f"then {outcome['status']}.{outcome['substatus']}"
    if word == "message":
        text = expected.partition(" ")[2]
        return expected if text in (outcome["message"] or "") else f"message {outcome['message']}"
    if word == "body":
        return "body " + json.dumps(answer["response"]["body"], ensure_ascii=False)
    if word == "set":
        name = expected.split(" ")[1]
        return f"set {name} = {answer['server_variables'].get(name)}"
    if word == "after":
        name = expected.split(" ")[1]
        return f"after {name} = {answer['variables'].get(name)}"
    if word == "unchanged":
        return f"unchanged {here}" if outcome["status"] != 500 else f"error {outcome['message']}"
    if re.fullmatch(r"\d{3}", word):
        return f"{outcome['status']} {outcome['location']}"
    if re.fullmatch(r"\d{3}\.\d+", word):
        return (
            f"{outcome['status']}.{outcome['substatus']} {outcome['reason']} | {outcome['message']}"
        )
    if header := re.fullmatch(r"([\w-]+):", word):
        return f"{header[1]}: {answer['response']['headers'].get(header[1])}"
    return here
