"""Patterns of rules as people write them who meant others, and those like them that are right."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..sites import rules, write


def of_condition(variable: str, pattern: str, url: str = "/new") -> str:
    """A redirect with one condition."""
    condition = f"<add input={quoteattr(variable)} pattern={quoteattr(pattern)} />"
    return (
        f'<rule name="r" stopProcessing="true"><match url=".*" /><conditions>{condition}'
        f'</conditions><action type="Redirect" url="{url}" appendQueryString="false" /></rule>'
    )


def told(folder: Path, inner: str, code: str) -> str:
    """The remedies of a code for the rules of a site, or ""."""
    write(folder, {"web.config": rules(inner)})
    return " ".join(
        found.hint
        for found in check(Site(folder))
        if found.code == code and found.severity != "info"
    )


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("[?&]ref=([a-z]+)", "(?:^|&)ref=([a-z]+)"),
        (r"[\?&]ref=", "(?:^|&)ref="),
        (r"[&\?]ref=1$", "(?:^|&)ref=1$"),
        ("[?|&]ref=1", "(?:^|&)ref=1"),
        (r"(\?|&)x=(\d+)", r"(^|&)x=(\d+)"),
        (r"(?:\?|&)x=(\d+)", r"(?:^|&)x=(\d+)"),
        (r"(&|\?)x=", "(^|&)x="),
        (r"(^\?|&)x=", "(^|&)x="),
        ("([?&])x=", "(^|&)x="),
        ("^[?&]x=1", "(?:^|&)x=1"),
        ("^.*[?&]x=1.*$", "^.*(?:^|&)x=1.*$"),
        (r"^index.php?page=about$", "^page=about$"),
        ("a=1&amp;b=2", "a=1&b=2"),
        ("(?:^|[?&])x=", ""),
        (r"(^|\?|&)x=", ""),
        ("[?&]?x=", ""),
        ("(^|&)x=", ""),
        ("a=1[?&]b=2", ""),
        ("x=([^?&]+)", ""),
        ("colou?r=red", ""),
        ("x=[?&]", ""),
    ],
)
def test_a_query_has_no_question_mark(tmp_path: Path, pattern: str, meant: str) -> None:
    found = told(tmp_path, of_condition("{QUERY_STRING}", pattern), "rewrite-impossible-condition")
    assert found.startswith(f"Write '{meant}'") if meant else not found


@pytest.mark.parametrize(
    ("variable", "pattern", "meant"),
    [
        ("{REQUEST_URI}", "^/index.php?page=about$", r"Write '^/index.php\?page=about$'."),
        ("{REQUEST_URI}", r"^/index\.php?page=(.*)$", r"Write '^/index\.php\?page=(.*)$'."),
        ("{REQUEST_URI}", "/shop/?id=([0-9]+)", r"Write '/shop/\?id=([0-9]+)'."),
        ("{UNENCODED_URL}", "^/(.*).aspx?id=5", r"Write '^/(.*).aspx\?id=5'."),
        ("{REQUEST_URI}", "/page.php?print$", r"Write '/page.php\?print$'."),
        ("{URL}", "^/page?a=b$", r'Write input="{REQUEST_URI}" and pattern="^/page\?a=b$".'),
        ("{REQUEST_URI}", "/(.*)?id=5", ""),
        ("{REQUEST_URI}", "/.*?id=5", ""),
        ("{REQUEST_URI}", r"^/a\?id=5", ""),
        ("{REQUEST_URI}", "[?&]id=5", ""),
        ("{REQUEST_URI}", "^/page.html?$", ""),
        ("{REQUEST_URI}", r"^/page\.html?(.*)$", ""),
        ("{REQUEST_URI}", r"\.(jpe?g|gif)$", ""),
        ("{REQUEST_URI}", "^/(?!api)(?=x=)", ""),
    ],
)
def test_a_question_mark_in_a_whole_url(
    tmp_path: Path, variable: str, pattern: str, meant: str
) -> None:
    found = told(tmp_path, of_condition(variable, pattern), "rewrite-impossible-condition")
    assert found.startswith(meant) and bool(found) == bool(meant), found


SHOP = "https://shop.example.com"


@pytest.mark.parametrize(
    ("conditions", "url", "is_twice"),
    [
        (["^/shop(/.*)?$"], f"{SHOP}{{C:1}}", True),
        (["^/shop/(.*)$"], f"{SHOP}/{{C:1}}", True),
        (["^/shop/(.+)"], f"{SHOP}/{{C:1}}", True),
        (["^/([a-z]+)/(.*)$"], f"{SHOP}/{{C:2}}", True),
        (["^/shop.*$"], f"{SHOP}{{C:0}}", True),
        (["^/(shop)/", "^/shop/(.*)$"], f"{SHOP}/{{C:2}}", True),
        (["^/([a-z]+)/(.*)$"], f"{SHOP}/{{C:1}}", False),
        (["^/shop/([^?]*)"], f"{SHOP}/{{C:1}}", False),
        (["^/shop(/[^?]*)?"], f"{SHOP}{{C:1}}", False),
        ([r"^/shop/(\d+)"], f"{SHOP}/{{C:1}}", False),
        (["^/(shop)/", "^/shop/(.*)$"], f"{SHOP}/{{C:1}}", False),
    ],
)
def test_a_group_that_holds_the_query(
    tmp_path: Path, conditions: list[str], url: str, is_twice: bool
) -> None:
    adds = "".join(
        f"<add input='{{REQUEST_URI}}' pattern={quoteattr(text)} />" for text in conditions
    )
    inner = (
        f'<rule name="r"><match url="^shop" /><conditions trackAllCaptures="true">{adds}'
        f'</conditions><action type="Redirect" url="{url}"'
    )
    found = told(tmp_path, f"{inner} /></rule>", "rewrite-query-twice")
    assert bool(found) == is_twice
    own = f'{inner} appendQueryString="false" /></rule>'
    assert not told(tmp_path, own, "rewrite-query-twice")


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("^[^api].*", "^(?!api).*"),
        ("^[^api]", "^(?!api)"),
        ("[^admin]", "^(?!admin)"),
        ("^[^admin]+$", "^(?!admin).+$"),
        ("^([^admin].*)$", "^((?!admin).*)$"),
        ("^[^static/].*$", "^(?!static/).*$"),
        ("^[^/static/]", "^(?!static/)"),
        ("^[^www].*", "^(?!www).*"),
        ("^(.*)[^.html]$", r"^(?!.*\.html$)(.*)$"),
        ("[^.html]$", r"^(?!.*\.html$).*$"),
        ("[^html]$", r"^(?!.*\.html$).*$"),
        (r"^[^\.php]+$", r"^(?!.*\.php$).+$"),
        ("^[^index.html].*", r"^(?!index\.html).*"),
        ("^blog/[^admin].*", "^blog/(?!admin).*"),
        ("^[^job].*", "^(?!job).*"),
        ("^[^js/].*", "^(?!js/).*"),
        ("^[!api].*", "^(?!api).*"),
        ("^[api]/(.*)", "^api/(.*)"),
        ("^[^abc].*", ""),
        ("[^/]", ""),
        ("^[^?#]+$", ""),
        ("^[^a-z]", ""),
        ("^[^.]+$", ""),
        ("^[^aeiou]+$", ""),
        ("^[^xyz]$", ""),
        ("^[^ts]$", ""),
        (r"^[^\d]+", ""),
        (r"^[^/.]+$", ""),
        (r"^[^\r\n]+$", ""),
    ],
)
def test_words_as_sets(tmp_path: Path, pattern: str, meant: str) -> None:
    write(tmp_path, {"job/index.html": "", "js/site.js": ""})
    inner = (
        f'<rule name="r"><match url={quoteattr(pattern)} />'
        '<action type="Redirect" url="https://a.example/" /></rule>'
    )
    found = told(tmp_path, inner, "rewrite-set-of-letters")
    assert found == (f'Write url="{meant}".' if meant else "")


@pytest.mark.parametrize(
    ("variable", "pattern", "meant"),
    [
        ("{HTTP_HOST}", "^[^www]", r'pattern="^www\." negate="true"'),
        ("{HTTP_HOST}", "^[^www.]", r'pattern="^www\." negate="true"'),
        ("{REQUEST_URI}", "^/[^api].*", 'pattern="^/(?!api).*"'),
        ("{URL}", "^/[^admin/]", 'pattern="^/(?!admin/)"'),
        ("{REQUEST_URI}", "[^api]", 'pattern="api" negate="true"'),
        ("{REQUEST_URI}", "^/[^/]+$", ""),
        ("{HTTP_HOST}", "^[^.]+$", ""),
    ],
)
def test_words_as_sets_of_conditions(
    tmp_path: Path, variable: str, pattern: str, meant: str
) -> None:
    found = told(tmp_path, of_condition(variable, pattern), "rewrite-set-of-letters")
    assert found == (f"Write {meant}." if meant else "")


@pytest.mark.parametrize(
    ("pattern", "url", "meant"),
    [
        ("login", "/account/login/", "^login/?$"),
        ("shop", "/shop/", "^shop$"),
        ("login/(.*)", "/account/login/{R:1}", "^login/(.*)"),
        ("login(.*)", "/account/login{R:1}", "^login(.*)"),
        ("^login", "/login/new", ""),
    ],
)
def test_a_word_that_is_looked_for_in_the_target(
    tmp_path: Path, pattern: str, url: str, meant: str
) -> None:
    """A redirect leads back to itself because its pattern is found in its own target."""
    inner = f'<rule name="r"><match url="PATTERN" /><action type="Redirect" url="{url}" /></rule>'
    found = told(tmp_path, inner.replace("PATTERN", pattern), "redirect-loop")
    assert found and (found == f'Write url="{meant}" in <match>.') == bool(meant)
    if meant:
        assert not told(tmp_path, inner.replace("PATTERN", meant), "redirect-loop")


@pytest.mark.parametrize(
    ("pattern", "files", "meant"),
    [
        ("^(.+).html$", ["guide/xhtml/index.html"], r"^(.+)\.html$"),
        ("^.*.html$", ["guide/xhtml/index.html"], r"^.*\.html$"),
        ("(.*).(html|htm)$", ["dhtm/index.html"], r"(.*)\.(html|htm)$"),
        ("(.*)(.php|.html)$", ["docs/myphp/index.html"], r"(.*)(\.php|\.html)$"),
        ("^([^/]+).js$", ["nodejs/index.html"], r"^([^/]+)\.js$"),
        ("^(.+).html$", ["guide/html/index.html", "a.html"], r"^(.+)\.html$"),
        ("^(.+).html$", ["guide/page.html"], ""),
        (r"^(.+)\.html$", ["guide/xhtml/index.html"], ""),
        ("^(.+)html$", ["guide/xhtml/index.html"], ""),
    ],
)
def test_a_dot_that_takes_another_path(
    tmp_path: Path, pattern: str, files: list[str], meant: str
) -> None:
    write(tmp_path, dict.fromkeys(files, ""))
    inner = f'<rule name="r"><match url="{pattern}" /><action type="Redirect" url="/new" /></rule>'
    assert told(tmp_path, inner, "rewrite-takes-files") == (meant and f"Write '{meant}'.")


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (r"page\.php[?&]id=(.*)", 'url="page\\.php$" in <match>'),
        (r"^page\.php\?(.*)$", 'url="^page\\.php$" in <match>'),
        (r"^page\.php[?].+", 'url="^page\\.php$" in <match>'),
        (r"^page\.php([?&].*)?$", ""),
        (r"^page\.php$", ""),
    ],
)
def test_a_query_in_the_path(tmp_path: Path, pattern: str, told: str) -> None:
    inner = f'<rule name="r"><match url={quoteattr(pattern)} />'
    inner += '<action type="Redirect" url="/new" /></rule>'
    write(tmp_path, {"web.config": rules(inner)})
    hints = {one.code: one.hint for one in check(Site(tmp_path))}
    assert ("rewrite-query-in-pattern" in hints) == bool(told)
    assert told in hints.get("rewrite-query-in-pattern", "")
