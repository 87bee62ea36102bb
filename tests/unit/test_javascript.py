"""What the text of a script tells of its port and of the main module: forms that break in iisnode,
and near ones that do not.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fcgiemu.diagnosis import javascript
from fcgiemu.diagnosis.check import check
from fcgiemu.site import Site

from ..node import ALL, node_config

NUMBERS = [
    "app.listen(parseInt(process.env.PORT));",
    "app.listen(parseInt(process.env.PORT, 10), f);",
    "app.listen(Number(process.env.PORT || 3000))",
    "app.listen(+process.env.PORT)",
    "app.listen( + (process.env.PORT || 3000) )",
    "app.set('port', parseInt(process.env['PORT'] || '3000', 10)); app.listen(app.get('port'))",
    "const port = Number.parseInt(process.env.PORT ?? '80'); app.listen(port)",
    "const port = process.env.PORT | 0; app.listen(port);",
    "const port = process.env.PORT || 3000;\napp.listen(Number(port));",
    "var p = process.env.PORT\napp.listen(parseInt(p, 10))",
    "let p = process.env.PORT; server.listen(+p);",
]
NAMES = [
    "app.listen(process.env.PORT)",
    "app.listen(process.env.PORT || 3000, () => 1)",
    "app.listen((process.env.PORT || 3000), '0.0.0.0')",
    "const port = process.env.PORT || 3000; app.listen(port)",
    "// app.listen(parseInt(process.env.PORT))\napp.listen(port)",
    "/* Number(process.env.PORT) */ app.listen(port)",
    "const port = parseInt(process.env.PORT, 10) || process.env.PORT; app.listen(port)",
    "const port = isNaN(process.env.PORT) ? process.env.PORT : 1; app.listen(port)",
    "if (isNaN(parseInt(process.env.PORT))) {} app.listen(port)",
    "console.log(parseInt(process.env.PORT)); app.listen(process.env.PORT)",
    """var port = normalizePort(process.env.PORT || '3000');
       function normalizePort(val) { var port = parseInt(val, 10); if (isNaN(port)) return val; }
       server.listen(port);""",
    "app.listen({path: process.env.PORT})",
    "app.listen(Number(process.env.OTHER_PORT))",
]


@pytest.mark.parametrize("code", NUMBERS)
def test_a_port_that_becomes_a_number(code: str) -> None:
    assert javascript.port_as_number(javascript.without_comments(code))


@pytest.mark.parametrize("code", NAMES)
def test_a_port_that_stays_a_name(code: str) -> None:
    plain = javascript.without_comments(code)
    assert not javascript.port_as_number(plain) and not javascript.port_in_object(plain)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("app.listen({port: process.env.PORT})", True),
        ("app.listen({ host: 'x', port: process.env.PORT || 3000 }, f)", True),
        ("const port = process.env.PORT || 1; app.listen({ port, host })", True),
        ("const p = process.env.PORT; app.listen({ host, port: p })", True),
        ("app.listen({port: 3000})", False),
        ("const port = 1; app.listen({ port })", False),
        ("app.other({port: process.env.PORT})", False),
    ],
)
def test_a_port_in_an_object(code: str, found: bool) -> None:
    assert bool(javascript.port_in_object(code)) is found


MAIN_ONLY = [
    "if (require.main === module) { app.listen(p); }",
    "if (module === require.main) app.listen(p);",
    "if (require.main == module) {\n  const x = {};\n  start();\n}\nfunction start() { app.listen(p); }",
    "const start = async () => { await app.listen(p); };\nif (!module.parent) { start(); }\nmodule.exports = app;",
    "if (module.parent === null) app.listen(p)\nmodule.exports = app",
    "require.main === module && app.listen(p);",
    "!module.parent && start();\nfunction start() { app.listen(p); }",
    "const isMain = require.main === module;\nif (isMain) { app.listen(p); }",
    "if (require.main !== module) { module.exports = app; } else { app.listen(p); }",
    "if (module.parent) { module.exports = app; } else { app.listen(p); }",
]
ALWAYS = [
    "app.listen(p);",
    "if (require.main === module) { console.log('x'); }\napp.listen(p);",
    "function start() { app.listen(p); }\nif (require.main === module) { log(); }\nstart();",
    "// if (require.main === module) app.listen(p)\napp.listen(p);",
    "if (require.main !== module) { module.exports = app; }\napp.listen(p);",
    "connect().then(() => { app.listen(p); });\nif (require.main === module) { log(); }",
    "if (require.main === module) { app.listen(p); } else { app.listen(q); }",
    "module.exports = app;",
]


@pytest.mark.parametrize("code", MAIN_ONLY)
def test_listening_as_the_main_module_only(code: str) -> None:
    assert javascript.listens_as_main_only(javascript.without_comments(code))


@pytest.mark.parametrize("code", ALWAYS)
def test_listening_in_every_case(code: str) -> None:
    assert not javascript.listens_as_main_only(javascript.without_comments(code))


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("a // b\nc", "a     \nc"),
        ("'http://x' // y", "'http://x'     "),
        ('"/* x */" /* y\nz */ a', '"/* x */"     \n     a'),
        ("`//` + '\\'//'", "`//` + '\\'//'"),
    ],
)
def test_comments(code: str, plain: str) -> None:
    assert javascript.without_comments(code) == plain


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("const x = await f();", True),
        ("await f();", True),
        ("async function f() { await g(); }", False),
        ("const awaited = 1;", False),
    ],
)
def test_await_at_the_top(code: str, found: bool) -> None:
    assert bool(javascript.awaits_at_top(code)) is found


# -- in a site -------------------------------------------------------------------------------------


def codes(site: Site) -> dict[str, str]:
    return {
        found.code: str(found.span) for found in check(site) if found.code.startswith("iisnode")
    }


@pytest.mark.parametrize(
    ("files", "path", "found"),
    [
        ({"server.js": "x.listen(process.env.PORT)"}, "server.js", {}),
        (
            {"server.js": "require('./bin/www');", "bin/www": "\nx.listen(+process.env.PORT)"},
            "server.js",
            {"iisnode-port-number": "bin/www:2:10"},
        ),
        (
            {"server.js": "require('./lib')", "lib/index.js": "x.listen(8080)"},
            "server.js",
            {"iisnode-port-number": "lib/index.js:1:2"},
        ),
        ({"server.js": "x.listen(config.port)"}, "server.js", {}),
        ({"sub/server.js": "x"}, "server.js", {}),
        ({"app.js": "x"}, "server.js", {"iisnode-no-script": "web.config:1:71"}),
        (
            {"a.js": "x.listen(+process.env.PORT)", "b.js": "x"},
            "*.js",
            {"iisnode-port-number": "a.js:1:10"},
        ),
        (
            {"server.js": "import 'x';", "package.json": '{"type": "module"}'},
            "server.js",
            {"iisnode-es-module": "server.js:1:1"},
        ),
        ({"server.js": "", "package.json": "{"}, "server.js", {}),
        ({"server.js": "require('../../outside')"}, "server.js", {}),
    ],
)
def test_scripts_of_a_site(
    make_site: Callable[..., Site], files: dict[str, str], path: str, found: dict[str, str]
) -> None:
    site = make_site({"web.config": node_config("", ALL, path=path), **files})
    assert codes(site) == found


#: An error page that the site has itself.
OWN_PAGE = '<remove statusCode="404" /><error statusCode="404" path="app.js" responseMode="File" />'


@pytest.mark.parametrize(
    ("inner", "hint"),
    [
        ("", "Add <httpErrors"),
        ('\n<httpErrors errorMode="Custom" />', "Write existingResponse="),
        ("\n<httpErrors></httpErrors>", "Write existingResponse="),
    ],
)
def test_where_errors_are_left_alone(make_site: Callable[..., Site], inner: str, hint: str) -> None:
    site = make_site({"web.config": node_config("", inner), "server.js": ""})
    found = [one.hint for one in check(site) if one.code == "iisnode-error-bodies"]
    assert len(found) == 1 and found[0].startswith(hint), found


@pytest.mark.parametrize(
    ("inner", "package", "found"),
    [
        ("", "{}", {"iisnode-error-bodies"}),
        ('<httpErrors errorMode="Detailed" />', "{}", set()),
        ('<httpErrors errorMode="Custom" />', "{}", {"iisnode-error-bodies"}),
        (f'<httpErrors errorMode="Custom">{OWN_PAGE}</httpErrors>', "{}", set()),
        ('<httpErrors existingResponse="Replace" />', "{}", set()),
        (
            '<httpErrors existingResponse="PassThrough" />',
            '{"dependencies": {"ws": "8"}}',
            {"iisnode-web-socket"},
        ),
        (ALL, '{"dependencies": {"ws": "8"}}', set()),
        (ALL, '{"devDependencies": {"ws": "8"}}', set()),
    ],
)
def test_the_configuration_of_a_site(
    make_site: Callable[..., Site], inner: str, package: str, found: set[str]
) -> None:
    files = {"web.config": node_config("", inner), "server.js": "", "package.json": package}
    assert set(codes(make_site(files))) == found


@pytest.mark.parametrize(
    ("yml", "code", "words"),
    [
        ("node_env: 'x'", "iisnode-yml-quoted", "node_env is 'x'"),
        ('logDirectory: "a b"', "iisnode-yml-quoted", 'logDirectory is "a b"'),
        ('nodeProcessCommandLine: "a b" --x', "", ""),
        ("node_env: it's", "", ""),
        ("maxLogFiles: 5x", "iisnode-yml-value", "reads as 5"),
        ("node_env:\tx", "iisnode-yml-value", "A tab"),
        ("node-env: x", "iisnode-yml-key", "does not know the setting 'node-env'"),
        ("# x", "", ""),
    ],
)
def test_iisnode_yml_of_a_site(
    make_site: Callable[..., Site], yml: str, code: str, words: str
) -> None:
    site = make_site({"web.config": node_config("", ALL), "server.js": "", "iisnode.yml": yml})
    found = [known for known in check(site) if known.code.startswith("iisnode")]
    assert [known.code for known in found] == ([code] if code else [])
    assert all(words in known.message and str(known.span) == "iisnode.yml:1:1" for known in found)


@pytest.mark.parametrize(
    ("attributes", "settings", "found"),
    [("", {}, True), ('enableXFF="true"', {}, False), ("", {"azure": True}, False)],
)
def test_forwarded_for(
    make_site: Callable[..., Site], attributes: str, settings: dict[str, object], found: bool
) -> None:
    files = {"web.config": node_config(attributes, ALL), "server.js": "app.enable('trust proxy')"}
    assert ("iisnode-forwarded-for" in codes(make_site(files, **settings))) is found


def test_the_rule_of_kudu_is_not_told_of_its_query(make_site: Callable[..., Site]) -> None:
    """The query comes twice, and neither Node nor a file sees that."""
    inner = (
        '<rewrite><rules><rule name="r"><action type="Rewrite" url="public{REQUEST_URI}" /></rule>'
        '<rule name="s"><match url="^old" /><action type="Redirect" url="/new{REQUEST_URI}" />'
        "</rule></rules></rewrite>"
    )
    site = make_site({"web.config": node_config("", inner), "server.js": ""})
    found = [known.message for known in check(site) if known.code == "rewrite-query-twice"]
    assert len(found) == 1 and "'s'" in found[0]
