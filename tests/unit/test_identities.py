"""Authentication and URL authorization: who is asked, who may, and what the application is told."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu import Site, SiteError, project
from fcgiemu.cli import main
from fcgiemu.http.identity import Identity
from fcgiemu.http.request import make_request
from fcgiemu.http.url import UrlRefused
from fcgiemu.identities import Account, arrive, basic_user, identity, read_accounts
from fcgiemu.report.explanation_text import story
from fcgiemu.settings import Settings

from ..sites import python_handler, web_config, write

MakeSite = Callable[..., Site]
ADA = Identity("CONTOSO\\ada", ("CONTOSO\\Admins",))
USERS = {"ada": Account("lovelace", ("CONTOSO\\Admins",))}
NO_ANONYMOUS = '<anonymousAuthentication enabled="false" />'
BASIC = '<basicAuthentication enabled="true" />'
WINDOWS = '<windowsAuthentication enabled="true" />'
ANSWER = {"status": 200}


def site_of(make_site: MakeSite, methods: str, rules: str = "", **settings: object) -> Site:
    """A site that gives everything to Python."""
    authorization = f"<authorization>{rules}</authorization>" if rules else ""
    inner = f"<security><authentication>{methods}</authentication>{authorization}</security>"
    files = {"web.config": web_config(python_handler() + inner), "app.py": ""}
    return make_site(files, **settings)


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(text.encode()).decode()}


def status(found: object) -> str:
    """Status and substatus of an explanation."""
    assert isinstance(found, dict)
    outcome = found["outcome"]
    return f"{outcome['status']}.{outcome['substatus']}" if outcome["status"] else outcome["kind"]


CHALLENGES = {
    "none": (NO_ANONYMOUS, None),
    "basic": (NO_ANONYMOUS + BASIC, 'Basic realm="shop.example"'),
    "a realm": (
        NO_ANONYMOUS + '<basicAuthentication enabled="true" realm="Shop" />',
        'Basic realm="Shop"',
    ),
    "windows": (NO_ANONYMOUS + WINDOWS, "Negotiate, NTLM"),
    "both": (NO_ANONYMOUS + BASIC + WINDOWS, 'Basic realm="shop.example", Negotiate, NTLM'),
    "other providers": (
        NO_ANONYMOUS
        + '<windowsAuthentication enabled="true"><providers><clear /><add value="NTLM" />'
        + "</providers></windowsAuthentication>",
        "NTLM",
    ),
    "a module that is not there": (
        NO_ANONYMOUS + '<digestAuthentication enabled="true" />',
        None,
    ),
}


@pytest.mark.parametrize(("methods", "challenge"), CHALLENGES.values(), ids=CHALLENGES)
def test_a_site_without_anonymous_access_challenges(
    make_site: MakeSite, methods: str, challenge: str | None
) -> None:
    found = site_of(make_site, methods).explain("http://shop.example/x")
    assert status(found) == "401.2"
    assert found["outcome"]["module"] == "IIS Web Core"
    assert found["response"]["headers"].get("WWW-Authenticate") == challenge
    assert "config-locked-section" in {finding["code"] for finding in found["findings"]}


def test_locks_come_first_where_they_are_strict(make_site: MakeSite) -> None:
    found = site_of(make_site, NO_ANONYMOUS, strict_locks=True).explain("/x")
    assert status(found) == "500.19"


def test_anonymous_access_asks_nobody(make_site: MakeSite) -> None:
    found = site_of(make_site, BASIC + WINDOWS).explain("/x", response=ANSWER, identity=ADA)
    assert found["response"]["status"] == 200
    assert found["outcome"]["environ"]["REMOTE_USER"] == ""


def test_a_401_of_the_application_is_challenged(make_site: MakeSite) -> None:
    site = site_of(make_site, WINDOWS)
    found = site.explain("/x", response={"status": 401, "body": "no"})
    assert found["response"]["headers"]["WWW-Authenticate"] == "Negotiate, NTLM"


PASSWORDS = {
    "right": (BASIC, "ada:lovelace", ""),
    "case of the name": (BASIC, "ADA:lovelace", ""),
    "with a domain": (BASIC, "CONTOSO\\ada:lovelace", ""),
    "wrong": (BASIC, "ada:wrong", "401.1"),
    "nobody": (BASIC, "eve:lovelace", "401.1"),
    "empty": (BASIC, "", "401.1"),
}


@pytest.mark.parametrize(("methods", "sent", "wanted"), PASSWORDS.values(), ids=PASSWORDS)
@pytest.mark.parametrize("anonymous", [True, False])
def test_basic_passwords(
    make_site: MakeSite, methods: str, sent: str, wanted: str, anonymous: bool
) -> None:
    given = methods if anonymous else NO_ANONYMOUS + methods
    found = site_of(make_site, given, basic_users=USERS).explain("/x", headers=basic(sent))
    if wanted:
        assert status(found) == wanted
        return
    environ, name = found["outcome"]["environ"], sent.partition(":")[0]
    assert {environ[key] for key in ("AUTH_USER", "LOGON_USER", "REMOTE_USER")} == {name}
    assert (environ["AUTH_TYPE"], environ["AUTH_PASSWORD"]) == ("Basic", "lovelace")


def test_credentials_that_no_method_knows_reach_the_application(make_site: MakeSite) -> None:
    found = site_of(make_site, "").explain("/x", headers=basic("ada:lovelace"))
    environ = found["outcome"]["environ"]
    assert environ["AUTH_USER"] == "" and environ["HTTP_AUTHORIZATION"].startswith("Basic ")


def test_basic_without_users_says_what_to_type(make_site: MakeSite) -> None:
    site = site_of(make_site, NO_ANONYMOUS + BASIC)
    decision = site.decide(make_request("/x", headers=basic("ada:x")))
    assert "--basic-users" in decision.action.hints[0]  # type: ignore[union-attr]


SIGN_IN = {
    "windows": (WINDOWS, "", "Negotiate"),
    "chosen": (WINDOWS, "NTLM", "NTLM"),
    "basic": (BASIC, "", "Basic"),
    "both": (BASIC + WINDOWS, "", "Negotiate"),
    "not offered": (WINDOWS, "Basic", ""),
    "nothing offered": ("", "", ""),
}


@pytest.mark.parametrize(("methods", "scheme", "wanted"), SIGN_IN.values(), ids=SIGN_IN)
def test_a_client_answers_the_challenge(
    make_site: MakeSite, methods: str, scheme: str, wanted: str
) -> None:
    who = Identity(ADA.name, (), scheme)
    found = site_of(make_site, NO_ANONYMOUS + methods).explain("/x", identity=who)
    if not wanted:
        assert status(found) == "401.2"
        return
    environ = found["outcome"]["environ"]
    assert (environ["AUTH_TYPE"], environ["REMOTE_USER"]) == (wanted, ADA.name)
    assert environ["AUTH_PASSWORD"] == ""
    steps = {event["name"]: event for event in found["events"]}
    assert steps["AUTH_END"]["User"] == ADA.name


ALLOW_ADMINS = '<clear /><add accessType="Allow" roles="CONTOSO\\Admins" />'
BY_VERB = (
    '<clear /><add accessType="Allow" users="?" verbs="OPTIONS" />'
    '<add accessType="Allow" roles="Admins" />'
)
RULES = {
    "a role": (ALLOW_ADMINS, ADA, "GET", ""),
    "a role without its domain": (BY_VERB, ADA, "GET", ""),
    "no role": (ALLOW_ADMINS, Identity("CONTOSO\\bob", ("CONTOSO\\Interns",)), "GET", "401.2"),
    "the role of another domain": (
        ALLOW_ADMINS, Identity("X\\ada", ("X\\Admins",)), "GET", "401.2",
    ),  # fmt: skip
    "a user, whatever the case": (
        '<clear /><add accessType="Allow" users="contoso\\ADA" />', ADA, "GET", "",
    ),  # fmt: skip
    "deny goes first": (
        '<add accessType="Deny" users="?" /><add accessType="Deny" roles="Admins" />', ADA, "GET",
        "401.2",
    ),  # fmt: skip
    "anonymous access is enough": ('<add accessType="Deny" roles="Admins" />', None, "GET", ""),
    "anonymous is challenged": ('<add accessType="Deny" users="?" />', ADA, "GET", ""),
    "anonymous stays out": ('<add accessType="Deny" users="?" />', None, "GET", "401.2"),
    "a verb for everybody": (BY_VERB, None, "OPTIONS", ""),
    "another verb": (BY_VERB, None, "GET", "401.2"),
    "nothing matches": ("<clear />", ADA, "GET", "401.2"),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "who", "method", "wanted"), RULES.values(), ids=RULES)
def test_authorization(
    make_site: MakeSite, rules: str, who: Identity | None, method: str, wanted: str
) -> None:
    found = site_of(make_site, WINDOWS, rules).explain("/x", method, identity=who)
    if wanted:
        assert status(found) == wanted
        assert found["response"]["headers"]["WWW-Authenticate"] == "Negotiate, NTLM"
    else:
        assert found["outcome"]["kind"] == "fastcgi"
        user = who.name if who is not None else ""
        assert found["outcome"]["environ"]["REMOTE_USER"] == user


def _authorization(rules: str) -> str:
    return f"<security><authorization>{rules}</authorization></security>"


def test_a_parents_deny_is_not_undone(make_site: MakeSite) -> None:
    outer = _authorization('<add accessType="Deny" roles="Interns" />')
    inner = _authorization('<add accessType="Allow" users="A\\b" />')
    site = make_site(
        {
            "web.config": web_config(
                f"<security><authentication>{NO_ANONYMOUS}{WINDOWS}</authentication></security>"
            ),
            "a/web.config": web_config(outer),
            "a/b/web.config": web_config(inner),
            "a/b/x.txt": "x",
        }
    )
    found = site.explain("/a/b/x.txt", identity=Identity("A\\b", ("Interns",)))
    assert status(found) == "401.2"
    last = [event for event in found["events"] if event["name"] == "URL_AUTHORIZATION"][-1]
    assert (last["Allowed"], last["Rule"].partition(":")[0]) == (False, "a/web.config")


def test_inbound_rules_do_not_know_the_user(make_site: MakeSite) -> None:
    rule = (
        '<rewrite><rules><rule name="r"><match url=".*" /><conditions>'
        '<add input="{REMOTE_USER}{AUTH_USER}{LOGON_USER}{AUTH_TYPE}" pattern="." /></conditions>'
        '<action type="Redirect" url="/seen" /></rule></rules></rewrite>'
        f"<security><authentication>{NO_ANONYMOUS}{WINDOWS}</authentication></security>"
    )
    site = make_site({"web.config": web_config(rule), "x.txt": "x"})
    assert site.explain("/x.txt", identity=ADA)["outcome"]["kind"] == "static"


def test_an_error_page_may_answer_for_a_401(make_site: MakeSite) -> None:
    inner = (
        '<httpErrors><remove statusCode="401" /><error statusCode="401" path="/no.txt"'
        ' responseMode="ExecuteURL" /></httpErrors>'
        f"<security><authentication>{NO_ANONYMOUS}</authentication></security>"
    )
    site = make_site({"web.config": web_config(inner), "no.txt": "keep out"})
    assert site.explain("/x")["response"]["body"] == "keep out"


NAMES = {
    "CONTOSO\\ada": "CONTOSO\\ada",
    "ada": "DEV\\ada",
    "ada@contoso.example": "ada@contoso.example",
}


@pytest.mark.parametrize(("given", "name"), NAMES.items())
def test_names(given: str, name: str) -> None:
    assert identity(given).name == name


@pytest.mark.parametrize("given", ["", "*", "?", "A\\", "A\\*", "a\nb"])
def test_what_is_not_a_name(given: str) -> None:
    with pytest.raises(SiteError, match="not the name of an account"):
        identity(given)


def test_files_of_users(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("# people\n\nada:love:lace,A\nCONTOSO\\bob:x\n")
    accounts = read_accounts(path)
    assert accounts["ada"].roles == ("lace", "A")
    found = basic_user(accounts, "bob", "x", "contoso")
    assert found is not None and found.name == "bob"
    for text, message in (("ada", "users:1: the line is not"), ("a:x\nA:y", "users:2: there is")):
        path.write_text(text)
        with pytest.raises(SiteError, match=message):
            read_accounts(path)
    with pytest.raises(SiteError, match="absent"):
        read_accounts(tmp_path / "absent")


HEADERS = {
    "nothing": (None, "127.0.0.1", ADA),
    "another one": ("X\\bob; roles=A, B", "127.0.0.1", Identity("X\\bob", ("A", "B"))),
    "without roles": ("bob", "::1", Identity("DEV\\bob")),
    "from elsewhere": ("X\\bob", "192.0.2.1", ADA),
}


@pytest.mark.parametrize(("sent", "address", "wanted"), HEADERS.values(), ids=HEADERS)
def test_the_header_of_one_request(sent: str | None, address: str, wanted: Identity) -> None:
    headers = {} if sent is None else {"X-Fcgiemu-As": sent}
    request = arrive(make_request("/", headers=headers, remote_addr=address), ADA)
    assert request.identity == wanted
    assert "x-fcgiemu-as" not in request.fields
    assert all(name != "X-Fcgiemu-As" for name, _ in request.headers)


@pytest.mark.parametrize("sent", ["*", "bob; groups=A", ""])
def test_a_header_that_names_nobody(sent: str) -> None:
    with pytest.raises(UrlRefused):
        arrive(make_request("/", headers={"X-Fcgiemu-As": sent}), ADA)


def test_batch_lines_name_identities(tmp_path: Path) -> None:
    site = write(
        tmp_path,
        {
            "web.config": web_config(
                python_handler()
                + f"<security><authentication>{NO_ANONYMOUS}{BASIC}{WINDOWS}</authentication></security>"
            )
        },
    )
    lines = [
        {"url": "/x", "as": "CONTOSO\\ada", "roles": ["A"]},
        {"url": "/x"},
        {"url": "/x", "headers": basic("a:b"), "basic_users": {"a": {"password": "b"}}},
        {"url": "/x", "as": 3},
    ]
    batch = "\n".join(map(json.dumps, lines))
    result = CliRunner().invoke(main, ["explain", str(site), "--batch", "-", "--json"], batch)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    users = [answer.get("outcome", {}).get("environ", {}).get("AUTH_USER") for answer in answers]
    assert users == ["CONTOSO\\ada", None, "a", None]
    assert "error" in answers[3]


def test_explain_as(tmp_path: Path) -> None:
    site = write(
        tmp_path,
        {
            "web.config": web_config(
                f"<security><authentication>{NO_ANONYMOUS}{WINDOWS}</authentication></security>"
            ),
            "x.txt": "x",
        },
    )
    run = CliRunner().invoke
    assert "401" in run(main, ["explain", str(site), "/x.txt"]).output
    found = run(main, ["explain", str(site), "/x.txt", "--as", "CONTOSO\\ada", "--json"])
    assert json.loads(found.output)["outcome"]["status"] == 200
    assert "--as" in run(main, ["explain", str(site), "/x.txt", "--role", "A"]).output


def test_settings_name_an_identity_for_every_request(tmp_path: Path) -> None:
    config = web_config(
        f"<security><authentication>{NO_ANONYMOUS}{WINDOWS}</authentication></security>"
    )
    site = Site(write(tmp_path, {"web.config": config, "x.txt": "x"}), Settings(identity=ADA))
    assert site.explain("/x.txt")["outcome"]["status"] == 200


def test_the_sites_own_settings_name_identities(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "auth.json": "{}",
            "users": "ada:x\n",
            "fcgiemu.toml": 'as = "X\\\\ada"\nrole = ["A"]\nas-type = "NTLM"\n'
            'basic-users = "users"\neasy-auth = "auth.json"\n',
        },
    )
    found = project.read(tmp_path)
    assert found["identity"] == Identity("X\\ada", ("A",), "NTLM")
    assert found["basic_users"] == {"ada": Account("x")}
    assert found["azure"] and found["easy_auth"].action == "RedirectToLoginPage"


def test_the_story_tells_who_and_which_rule(make_site: MakeSite) -> None:
    site = site_of(make_site, NO_ANONYMOUS + WINDOWS, ALLOW_ADMINS)
    text = story(site.explain("/x", identity=ADA))
    assert "authentication (Windows): CONTOSO\\ada by Negotiate (CONTOSO\\Admins)" in text
    assert "<authorization>: rule at web.config:1:" in text
    assert "authentication (Windows): nobody" in story(site.explain("/x"))


def test_the_trace_knows_who_signed_in(make_site: MakeSite) -> None:
    site = site_of(make_site, NO_ANONYMOUS + WINDOWS)
    for who, users in ((ADA, [ADA.name]), (None, [])):
        trace = site.explain("/x", identity=who)["trace"]
        succeeded = [event for event in trace if event["name"] == "AUTH_SUCCEEDED"]
        assert [event["data"]["RemoteUserName"] for event in succeeded] == users
