"""Requests that are decided together: which are, and that nothing else is found by it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fcgiemu import Settings, Site
from fcgiemu.logs.deciding import Judge
from fcgiemu.logs.entry import Keyed
from fcgiemu.logs.likeness import Likeness
from fcgiemu.logs.results import Section
from fcgiemu.logs.store import Section as Counts

from ..sites import rules, write

MAPS = (
    '<rewriteMaps><rewriteMap name="moved"><add key="/item-1" value="/z" />'
    "</rewriteMap></rewriteMaps>"
)
FILES = ("index.html", "about.html", "web.py", "static/a.css", "api/x.py")
FILE = 'input="{REQUEST_FILENAME}" matchType="IsFile"'
PAGE = 'type="Rewrite" url="index.html"'


def rule(name: str, match: str, action: str, *conditions: str, more: str = "") -> str:
    adds = "".join(f"<add {condition} />" for condition in conditions)
    return (
        f'<rule name="{name}"{more}><match url="{match}" /><conditions>{adds}</conditions>'
        f"<action {action} /></rule>"
    )


ALL = rule("all", "(.*)", PAGE, f'{FILE} negate="true"')
MAIL = rule(
    "mail",
    "^shop/(.*)",
    'type="Redirect" url="/new/{R:1}"',
    'input="{QUERY_STRING}" pattern="ref="',
)


def opened(folder: Path, inner: str, extra: str = "") -> Site:
    text = rules(inner).replace("<rewrite>", f"{extra}<rewrite>{MAPS}")
    return Site(write(folder, {"web.config": text, **dict.fromkeys(FILES, "")}), Settings())


def key(target: str, query: str = "") -> str:
    return Keyed("GET", "", "80", target, query, "", "", "", "").text


def counted(targets: set[str]) -> Counts:
    return {key(*one.split("?")): [(200, 1), (404, 2)] for one in sorted(targets)}


class Watched(Judge):
    """A judge that says how many requests it has decided."""

    decided = 0

    def _judged(self, one: Keyed):  # type: ignore[no-untyped-def]
        self.decided += 1
        return super()._judged(one)


def singly(old: Site, new: Site, counts: Counts) -> Section:
    """What is found where no request is taken for another."""
    judge = Judge(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Likeness, "of_query", lambda *_: None)
        patch.setattr(Likeness, "of_path", lambda *_: None)
        return judge.section(counts)


def on(handler: str) -> str:
    return (
        f'<handlers><add name="h" path="{handler}" verb="*" modules="FastCgiModule"'
        ' scriptProcessor="c:\\py.exe|c:\\w.py" resourceType="Unspecified" /></handlers>'
    )


#: Paths that differ in numbers alone.
NUMBERED = tuple(f"/item-{number}" for number in range(20))


@pytest.mark.parametrize(
    ("inner", "extra", "targets", "decisions"),
    [
        (ALL, "", NUMBERED, 1),
        (MAIL + ALL, "", tuple(f"/shop/{one}/x.html" for one in range(20)), 1),
        (MAIL + ALL, "", ("/shop/1", "/blog/1", "/deep", "/x.html", "/y/"), 5),
        ("", on("*"), NUMBERED, 1),
        # the file system, request filtering, a handler knows them
        (ALL, "", ("/static/1", "/static/2", "/api/1", "/API/2"), 4),
        (ALL, "", ("/u/bin/1", "/u/bin/2", "/u/1.config", "/u/2.config"), 4),
        (ALL, on("item"), ("/u/item/1", "/u/item/2"), 2),
        (ALL, on("*.zzz"), ("/1.zzz", "/2.zzz", "/3.yyy", "/4.zzz.yyy"), 3),
        # paths that can be written in another way, or that rules and handlers see in another one
        (ALL, "", ("/a%20b", "/c%20d", "/a.b/1", "/a.b/2", "/a//b", "/c//d"), 6),
        # what rules make of the path
        (rule("r", "^u/(.*)", 'type="Rewrite" url="app/{R:1}"') + ALL, "", ("/u/1", "/u/2", "/1", "/2"), 3),
        (rule("r", "^u/", 'type="Redirect" url="/gone"') + ALL, "", ("/u/1", "/u/2", "/1", "/2"), 3),
        (rule("r", "^u/", 'type="CustomResponse" statusCode="410"') + ALL, "", ("/u/1", "/u/2"), 1),
        # conditions that read it
        (rule("r", "(.*)", PAGE, 'input="{REQUEST_FILENAME}.html" matchType="IsFile"'), "", ("/about", "/u", "/v"), 2),
        (rule("r", "(.*)", PAGE, 'input="{moved:{REQUEST_URI}}" pattern="(.+)"'), "", NUMBERED, 2),
        (rule("r", "(.*)", PAGE, 'input="{R:1}" pattern="1$"'), "", ("/1", "/2", "/11"), 2),
        (rule("r", "(.*)", PAGE, 'input="x{C:0}" pattern="1$"'), "", ("/1", "/2"), 2),
        (rule("r", "(.*)", PAGE, 'input="{URL}" pattern="1$"'), "", ("/1", "/2", "/11"), 2),
        # a rule that is not needed, until one of its paths shows that it is
        (rule("r", "^u", 'type="None"') + ALL, "", ("/u1", "/u2"), 2),
    ],
)  # fmt: skip
def test_which_are_decided_together(
    tmp_path: Path, inner: str, extra: str, targets: tuple[str, ...], decisions: int
) -> None:
    site = opened(tmp_path, inner, extra)
    counts = counted(set(targets))
    judge = Watched(site, site)
    assert judge.section(counts) == singly(site, site, counts)
    assert judge.decided == decisions


def test_a_path_that_is_what_a_rule_writes(tmp_path: Path) -> None:
    """Both versions agree about /app alone: the others of its class change."""
    old = opened(tmp_path / "old", rule("r", "(.*)", 'type="Rewrite" url="/app"'), on("*"))
    new = opened(tmp_path / "new", "", on("*"))
    counts = counted({"/app", "/b", "/c"})
    assert Judge(old, new).section(counts).changed == 6
    assert Judge(old, new).section(counts) == singly(old, new, counts)


MATCHES = ("(.*)", "^shop/", "^u\\d$", "item-(\\d)", "^$", "/$", "\\.php$")
ACTIONS = (
    PAGE,
    'type="Rewrite" url="/nothing"',
    'type="Rewrite" url="/u1"',
    'type="Rewrite" url="app/{R:0}"',
    'type="None"',
    'type="Redirect" url="/new/{R:0}"',
    'type="CustomResponse" statusCode="410"',
)
CONDITIONS = (
    FILE,
    f'{FILE} negate="true"',
    'input="{REQUEST_FILENAME}.html" matchType="IsFile" negate="true"',
    'input="{REQUEST_URI}" pattern="^/shop"',
    'input="{QUERY_STRING}" pattern="a=1"',
    'input="{URL}" pattern="[0-4]$" negate="true"',
    'input="{HTTP_HOST}{REQUEST_URI}" pattern="t/u"',
)


@pytest.mark.parametrize("seed", range(30))
def test_together_or_singly(tmp_path: Path, seed: int) -> None:
    """The same is found, whatever the rules."""
    draw = random.Random(seed)

    def some(number: int) -> str:
        conditions = draw.choices(CONDITIONS, k=draw.choice((0, 1, 1, 2)))
        stop = draw.choice((' stopProcessing="true"', ""))
        return rule(
            f"r{number}", draw.choice(MATCHES), draw.choice(ACTIONS), *conditions, more=stop
        )

    before = [some(number) for number in range(draw.choice((1, 2, 3, 50)))]
    after = [*before, some(99)]
    draw.shuffle(after)
    extra = draw.choice(("", on("*"), on("*.php")))
    old = opened(tmp_path / "old", "".join(before), extra)
    new = opened(tmp_path / "new", "".join(after), extra)
    targets = {
        "/"
        + "/".join(
            draw.choice(("shop", "static", "about", f"u{draw.randrange(9)}", f"item-{draw.randrange(99)}"))
            for _ in range(draw.choice((1, 1, 2, 3)))
        )
        + draw.choice(("", "", "/", ".php", "?a=1", "?b"))
        for _ in range(200)
    }  # fmt: skip
    counts = counted(targets)
    assert Judge(old, new).section(counts) == singly(old, new, counts)
