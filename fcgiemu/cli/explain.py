"""``fcgiemu explain``: one URL or a batch, as a story or as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TextIO, cast

import click

from ..app_service import easy_auth
from ..app_service.principal import principal_of
from ..errors import SiteError
from ..files import find
from ..http.identity import Identity
from ..http.response import Response
from ..http.url import UrlRefused
from ..identities import Account, identity
from ..pages import secret_masking
from ..report.explanation import AnsweredJson, Explanation, header_map
from ..report.explanation_text import as_page, story
from ..settings import Settings
from ..site import Site
from . import fail
from .shared_options import SitePath, site_and_url
from .site_options import open_site, site_options


@click.command(help="Say what IIS would do with URL at SITE (default: this folder), and why.")
@click.argument("words", nargs=-1, metavar="[SITE] URL")
@click.option("-X", "--method", default="GET", show_default=True)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'")
@click.option("--body-length", type=int, help="Length of the request's body in bytes.")
@click.option("--https", is_flag=True, help="The request comes over TLS.")
@click.option("--remote-addr", default="127.0.0.1", show_default=True, metavar="IP")
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
@click.option(
    "--only-matching",
    is_flag=True,
    help="Leave out rules that do not apply and handlers that were passed over.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one self-contained page.",
)
@click.option(
    "--run",
    is_flag=True,
    help="Ask the site once too, with its programs, and show what a client gets.",
)
@click.option("--mask", is_flag=True, help="Leave passwords, keys and tokens out.")
@click.option("--no-events", is_flag=True, help="Leave the trace out of the JSON.")
@click.option(
    "--measured-only",
    is_flag=True,
    help="Only such events in 'trace' as genuine traces have shown.",
)
@click.option(
    "--batch",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Requests as JSON Lines; - = standard input.",
)
@click.option(
    "--fail-on-error",
    is_flag=True,
    help="Exit 1 where the configuration cannot be loaded for the URL.",
)
@site_options
def command(
    words: tuple[str, ...],
    method: str,
    headers: tuple[str, ...],
    body_length: int | None,
    https: bool,
    remote_addr: str,
    as_json: bool,
    only_matching: bool,
    html: Path | None,
    run: bool,
    mask: bool,
    no_events: bool,
    measured_only: bool,
    batch: TextIO | None,
    fail_on_error: bool,
    **settings: Any,
) -> None:
    if run and (batch is not None or body_length is not None):
        raise click.UsageError("--run asks for one URL, without a body: no --batch, --body-length.")
    try:
        named, url = site_and_url(words, batch is not None)
        site = SitePath().convert(named, None, None)
        opened = open_site(site, **settings)
        finish = partial(_finished, mask=mask, measured_only=measured_only)
        if batch is not None:
            has_failed = _batch(
                opened,
                batch,
                as_json=as_json,
                events=not no_events,
                only_matching=only_matching,
                finish=finish,
            )
        else:
            assert url is not None
            answer = opened.explain(
                url,
                method,
                _headers(headers),
                https=https,
                remote_addr=remote_addr,
                body_length=body_length,
                events=not (as_json and no_events),
            )
            if run:
                answer["answered"] = _run(
                    opened, url, method, headers, https=https, remote_addr=remote_addr
                )
            answer = finish(answer)
            if html is not None:
                _write_page(html, opened, answer)
            else:
                click.echo(_json(answer, 1) if as_json else _story(answer, only_matching))
            if not as_json and find(opened.path, "web.config") is None:
                _say_what_is_missing(opened.path)
            has_failed = _is_broken(answer)
    except SiteError as error:
        fail(error, error.hint)
    if fail_on_error and has_failed:
        sys.exit(1)


def _say_what_is_missing(site: Path) -> None:
    from ..diagnosis.configuration_files import missing  # loaded only where it is used

    if lack := missing(site):
        click.echo(f"note: {lack.message}. {lack.hint}", err=True)


def _run(
    site: Site, url: str, method: str, headers: tuple[str, ...], *, https: bool, remote_addr: str
) -> AnsweredJson:
    """What a client on this machine gets. Raises SiteError where it cannot be asked."""
    from ..server import single_request  # the server is loaded only where it is used

    printed: list[str] = []
    try:
        if not ip_address(remote_addr).is_loopback:
            raise SiteError("--run asks from this machine: --remote-addr 127.0.0.1 or 127.0.0.2")
        got = single_request.ask(
            site,
            url,
            method,
            _headers(headers),
            https=https,
            client=remote_addr,
            output=lambda _pid, _label, text: printed.append(text),
        )
    except (UrlRefused, OSError, ValueError) as error:
        raise SiteError(f"--run could not ask: {error}") from None
    response = Response(got.status, got.reason, got.headers)
    return {
        "status": got.status,
        "substatus": got.substatus,
        "reason": got.reason,
        "headers": header_map(response),
        "body": got.body.decode(response.charset(), "replace"),
        "remark": got.remark,
        "output": "\n".join(text.rstrip("\n") for text in printed),
    }


def _masked(answer: Explanation) -> Explanation:
    """An answer without the secrets in it."""
    return cast(Explanation, secret_masking.data(answer))


def _json(answer: Explanation, indent: int | None = None) -> str:
    """JSON that any terminal and file can hold: lone surrogates stay escaped."""
    text = json.dumps(answer, ensure_ascii=False, indent=indent)
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return json.dumps(answer, indent=indent)


#: Role of a line -> how click shows it on a terminal.
_STYLES: dict[str, dict[str, Any]] = {
    "request": {"bold": True},
    "rule": {"bold": True},
    "yes": {"fg": "green"},
    "no": {"dim": True},
    "action": {"fg": "blue"},
    "outcome": {"bold": True},
    "warning": {"fg": "yellow"},
    "error": {"fg": "red"},
    "hint": {"dim": True},
}


def _story(answer: Explanation, only_matching: bool) -> str:
    """The story as wide as the terminal and in its colours; click leaves the colours out
    elsewhere.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    text = story(
        answer, lambda part, role: click.style(part, **_STYLES.get(role, {})), width, only_matching
    )
    return text.encode("utf-8", "replace").decode()


def _write_page(path: Path, site: Site, answer: Explanation) -> None:
    try:
        path.write_bytes(as_page(answer, site.files.configuration))
    except OSError as error:
        fail(error)
    click.echo(f"wrote {path}")


def _headers(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"-H {text!r} is not 'Name: value'.")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _is_broken(answer: Explanation) -> bool:
    outcome = answer["outcome"]
    return (
        outcome["status"] == 500
        and outcome["substatus"] in (19, 50, 52)
        and outcome["kind"] == "respond"
    )


def _finished(answer: Explanation, mask: bool, measured_only: bool) -> Explanation:
    """The answer as the options want it."""
    if measured_only and "trace" in answer:
        answer["trace"] = [event for event in answer["trace"] if event["measured"]]
    return _masked(answer) if mask else answer


def _batch(
    site: Site,
    lines: TextIO,
    *,
    as_json: bool,
    events: bool,
    only_matching: bool,
    finish: Callable[[Explanation], Explanation],
) -> bool:
    """One answer a line, in the order of the questions. A line that cannot be answered says so in
    its place and stops no other; the exit status is 2 then.
    """
    sites: dict[tuple[Any, ...], Site] = {(): site}
    has_failed = failed = False
    for number, line in _numbered(lines):
        if not line.strip():
            continue
        question: dict[str, Any] = {}
        try:
            question = _question(line)
            answer = finish(_answer(site, sites, question, events))
        except Exception as error:  # an internal error too: the other lines have their answers
            failed = True
            _say_why(number, question, error, as_json)
            continue
        has_failed = has_failed or _is_broken(answer)
        click.echo(_json(answer) if as_json else _story(answer, only_matching) + "\n")
    if failed:
        sys.exit(2)
    return has_failed


def _say_why(number: int, question: dict[str, Any], error: Exception, as_json: bool) -> None:
    known = isinstance(error, (SiteError, ValueError, TypeError))
    why = f"batch line {number}: {error if known else repr(error)}"
    click.echo(f"fcgiemu: {why}", err=True)
    if as_json:
        named = {"id": question["id"]} if "id" in question else {}
        click.echo(json.dumps({**named, "error": why}))


def _question(line: str) -> dict[str, Any]:
    """A line of a batch. Raises ValueError for what is not a question."""
    question = json.loads(line)
    if not isinstance(question, dict) or not isinstance(question.get("url"), str):
        raise ValueError("it is not a JSON object with a url")
    if not isinstance(question.get("method", ""), str):
        raise ValueError("its method is not a text")
    return question


def _numbered(lines: TextIO) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield number, line
    except UnicodeDecodeError as error:
        fail(SiteError(f"batch line {number + 1}: {error}"))


def _answer(
    default: Site, sites: dict[tuple[Any, ...], Site], question: dict[str, Any], events: bool
) -> Explanation:
    opened = _site_of(default, sites, question)
    answer = opened.explain(
        question["url"],
        question.get("method", "GET"),
        question.get("headers") or {},
        https=question.get("https", False),
        remote_addr=question.get("remote_addr", "127.0.0.1"),
        body_length=question.get("body_length"),
        vars=question.get("vars"),
        response=question.get("response"),
        events=events,
        identity=_identity(question),
        signed_in=principal_of(question["identity"]) if question.get("identity") else None,
    )
    if "id" in question:
        answer["id"] = question["id"]
    return answer


def _identity(question: dict[str, Any]) -> Identity | None:
    """Who the client of a batch line is: ``as`` and ``roles``. Raises ValueError, SiteError."""
    name, roles = question.get("as"), question.get("roles", [])
    if name is None:
        return None
    if not isinstance(name, str) or not isinstance(roles, list):
        raise ValueError("its as is not a text, or its roles are not a list")
    return identity(name, map(str, roles))


def _basic_users(table: dict[str, Any]) -> dict[str, Account]:
    """``basic_users`` of a batch line: name -> password and roles. Raises ValueError."""
    if not all(isinstance(value, dict) and "password" in value for value in table.values()):
        raise ValueError('its basic_users are not {"name": {"password": "…", "roles": []}}')
    return {
        name.casefold(): Account(str(value["password"]), tuple(map(str, value.get("roles") or ())))
        for name, value in table.items()
    }


def _look_up(table: dict[str, str], argument: str) -> str:
    """A provider given as a table in a batch line."""
    return table.get(argument, "")


def _given(value: Any) -> Any:
    """A value of a batch line, as Settings has it."""
    return tuple(map(str, value)) if isinstance(value, list) else value


def _site_of(default: Site, sites: dict[tuple[Any, ...], Site], question: dict[str, Any]) -> Site:
    """The site a line asks about; opened once for each combination of its keys."""
    keys = (
        "site",
        "host_config",
        "strict",
        "azure",
        "arr",
        "php",
        "modules",
        "transforms",
        "profile",
    )
    given = {key: _given(question[key]) for key in keys if question.get(key) is not None}
    tables = question.get("providers") or {}
    users = question.get("basic_users") or {}
    auth = question.get("easy_auth")
    key: tuple[Any, ...] = ()
    if given or tables or users or auth:
        key = (*sorted(given.items()), json.dumps([tables, users, auth], sort_keys=True))
    if key not in sites:
        if len(sites) > 64:
            sites.clear()
        known: Settings = default.settings
        settings = replace(
            known,
            strict=bool(given.get("strict", known.strict)),
            azure=bool(given.get("azure", known.azure)) or auth is not None,
            easy_auth=easy_auth.parse(auth) if auth is not None else known.easy_auth,
            arr=bool(given.get("arr", known.arr)),
            php=bool(given.get("php", known.php)),
            modules=given.get("modules", known.modules),
            profile=str(given.get("profile", known.profile)),
            transforms=given.get("transforms", known.transforms),
            host_config=Path(given["host_config"]) if "host_config" in given else known.host_config,
            basic_users=_basic_users(users) or known.basic_users,
            providers={
                **known.providers,
                **{name: partial(_look_up, table) for name, table in tables.items()},
            },
        )
        sites[key] = Site(Path(given.get("site", default.path)), settings)
    return sites[key]
