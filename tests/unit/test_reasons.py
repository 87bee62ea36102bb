"""Why a request was answered as it was, in the first sentence: a table of causes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fcgiemu.site import Site

from ..sites import web_config


def rules(inner: str) -> str:
    return f"<rewrite><rules>{inner}</rules></rewrite>"


def rule(pattern: str, inner: str = "", action: str = 'type="Rewrite" url="new.html"') -> str:
    conditions = f"<conditions>{inner}</conditions>" if inner else ""
    return (
        f'\n<rule name="R" stopProcessing="true"><match {pattern} />{conditions}'
        f"<action {action} /></rule>"
    )


MAP = (
    '<rewriteMaps><rewriteMap name="Moved"><add key="old-pgae" value="new.html" />'
    "</rewriteMap></rewriteMaps>"
)
NOTHING = "There is no file at /old-page, and no rule gives the request another URL: rule 'R' "
FITS = NOTHING + "(web.config:2) fits the URL, but "
OLD = 'url="^old-page$"'
REWRITES = "Rule 'R' (web.config:2) rewrites /old-page to "
HIDDEN = '<security><requestFiltering><hiddenSegments><add segment="x" /></hiddenSegments>'
CAUSES: dict[str, tuple[str, list[str]]] = {
    "no file": ("", ["There is no file at /old-page."]),
    "a file that does not exist": (
        rules(rule(OLD, action='type="Rewrite" url="gone.html"')),
        [REWRITES + "/gone.html, and there is no such file."],
    ),
    "a condition": (
        rules(rule(OLD, '<add input="{HTTPS}" pattern="^on$" />')),
        [FITS + "its condition is false: {HTTPS} is 'off', which does not match ^on$."],
    ),
    "a negated condition": (
        rules(rule(OLD, '<add input="{HTTPS}" pattern="^off$" negate="true" />')),
        [FITS + "its condition is false: {HTTPS} is 'off', which matches ^off$."],
    ),
    "a file test": (
        rules(rule(OLD, '<add input="{REQUEST_FILENAME}" matchType="IsFile" />')),
        [FITS + "'C:\\inetpub\\wwwroot\\old-page' is not a file."],
    ),
    "a key of a map": (
        f'<rewrite>{MAP}<rules>{rule("""url="(.*)" """, """<add input="{Moved:{R:1}}" pattern="(.+)" />""")}'
        "</rules></rewrite>",
        [FITS + "the map 'Moved' (web.config:1) has no key 'old-page'; the nearest is 'old-pgae'."],
    ),
    "a key of a map in an action": (
        f'<rewrite>{MAP}<rules>{rule(OLD, action="""type="Rewrite" url="x/{Moved:{R:0}}" """)}'
        "</rules></rewrite>",
        [
            REWRITES + "/x/, and there is no such file.",
            "Rule 'R' (web.config:2) uses a key that is not there: the map 'Moved' (web.config:1) has no key"
            " 'old-page'; the nearest is 'old-pgae'.",
        ],
    ),
    "a slash": (
        rules(rule('url="^/old-page$"')),
        [
            NOTHING + "(web.config:2) does not match: its pattern begins with a slash, which rules"
            " do not see: they see 'old-page'."
        ],
    ),
    "the case of letters": (
        rules(rule('url="^Old-Page$" ignoreCase="false"')),
        [
            NOTHING + "(web.config:2) does not match: it distinguishes upper and lower case"
            " (ignoreCase)."
        ],
    ),
    "an earlier rule": (
        rules(
            rule('url="(.*)"', action='type="Rewrite" url="p/{R:1}"')
            + '\n<rule name="S"><match url="^old-page$" /><action type="None" /></rule>'
        ),
        [
            REWRITES + "/p/old-page, and there is no such file.",
            "Rule 'S' (web.config:3), which fits as well, is never asked: rule 'R' (web.config:2)"
            " stops processing.",
        ],
    ),
    "a hidden folder of IIS": (
        rules(rule(OLD, action='type="Rewrite" url="bin/a.html"')),
        [
            REWRITES + "/bin/a.html, and request filtering refuses it: hiddenSegments hides"
            " 'bin', as every IIS does."
        ],
    ),
    "a hidden folder of the site": (
        rules(rule(OLD, action='type="Rewrite" url="x/a.html"'))
        + f"\n{HIDDEN}</requestFiltering></security>",
        [
            REWRITES + "/x/a.html, and request filtering refuses it: hiddenSegments hides 'x'"
            " (web.config:3)."
        ],
    ),
    "a type without a handler": (
        rules(rule(OLD, action='type="Rewrite" url="new.page"')),
        [
            REWRITES + "/new.page, and no MIME type is declared for '.page', and no handler takes"
            " it."
        ],
    ),
    "an answer of a rule": (
        rules(rule(OLD, action='type="CustomResponse" statusCode="404" statusReason="Gone"')),
        ["Rule 'R' (web.config:2) answers 404.0 Gone."],
    ),
    "a redirect": (
        rules(rule(OLD, action='type="Redirect" url="/b"')),
        ["Rule 'R' (web.config:2) redirects to http://localhost/b."],
    ),
    "a file": (
        rules(rule(OLD)),
        [REWRITES + "/new.html; StaticFileModule sends the file new.html."],
    ),
    "a broken configuration": (
        "<nonsense />",
        [
            "The configuration section 'nonsense' cannot be read because it is missing a section"
            " declaration (web.config:1)."
        ],
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_why(make_site: Callable[..., Site], cause: str) -> None:
    config, why = CAUSES[cause]
    site = make_site({"web.config": web_config(config), "new.html": "", "new.page": ""})
    assert site.explain("/old-page").get("why") == why


def test_a_rule_in_a_folder(make_site: Callable[..., Site]) -> None:
    folder = web_config(rules(rule('url="^docs/old-page$"')))
    [why] = make_site({"docs/web.config": folder}).explain("/docs/old-page").get("why", ())
    assert why.endswith(
        "does not match: rules of docs/web.config see 'old-page', without the folder."
    )


def test_where_http_sys_answers(make_site: Callable[..., Site]) -> None:
    answer = make_site({}).explain("/%")
    assert answer.get("pipeline") == []
    assert answer.get("why", [""])[0].startswith("http.sys refuses it: ")
    assert "why" not in make_site({}).explain("/", events=False)
