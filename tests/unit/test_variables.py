"""The server variables of a FastCGI request: which HTTP_* there are, in which order, and that the
wire says the same.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fcgiemu.decision import CallFastCgi
from fcgiemu.fastcgi import records
from fcgiemu.http.request import make_request
from fcgiemu.modules.fastcgi_variables import encode_params, variables
from fcgiemu.site import Site

from ..fastcgi_pairs import decoded
from ..sites import python_handler, web_config

SET = (
    '<rewrite><allowedServerVariables><add name="HTTP_X_A" /><add name="HTTP_X_NEW" /></allowedServerVariables><rules>'
    '<rule name="r"><match url="^set/" /><serverVariables><set name="HTTP_X_NEW" value="n" /><set name="HTTP_X_A" value="s" />'
    '</serverVariables><action type="None" /></rule>'
    '<rule name="w"><match url="^old/(.*)" /><action type="Rewrite" url="new/{R:1}" /></rule></rules></rewrite>'
)
HOST = ("HTTP_HOST", "localhost")
Pairs = list[tuple[str, str]]

#: URL, headers, the HTTP_* variables.
CASES: list[tuple[str, Pairs, Pairs]] = [
    ("/x", [], [HOST]),
    (
        "/x",
        [("B", "1"), ("a", ""), ("Cookie", "x=y")],
        [HOST, ("HTTP_B", "1"), ("HTTP_A", ""), ("HTTP_COOKIE", "x=y")],
    ),
    (
        "/x",
        [("X-A", "1"), ("X-B", "2"), ("X-A", "3")],
        [HOST, ("HTTP_X_A", "1, 3"), ("HTTP_X_B", "2")],
    ),
    (
        "/x",
        [("X-A", "1"), ("X-B", "2"), ("X_A", "3")],
        [HOST, ("HTTP_X_A", "3"), ("HTTP_X_B", "2")],
    ),
    ("/x", [("Proxy", "http://evil"), ("X", "\xe9")], [HOST, ("HTTP_X", "\xe9")]),
    ("/x", [("X-Original-URL", "/mine")], [HOST, ("HTTP_X_ORIGINAL_URL", "/mine")]),
    (
        "/old/a%20b?q",
        [("X", "1")],
        [HOST, ("HTTP_X", "1"), ("HTTP_X_ORIGINAL_URL", "/old/a%20b?q")],
    ),
    (
        "/old/a",
        [("X-Original-URL", "/mine"), ("X", "1")],
        [HOST, ("HTTP_X_ORIGINAL_URL", "/old/a"), ("HTTP_X", "1")],
    ),
    ("/set/a", [("X", "1")], [HOST, ("HTTP_X", "1"), ("HTTP_X_NEW", "n"), ("HTTP_X_A", "s")]),
    (
        "/set/a",
        [("X-A", "1"), ("X", "1")],
        [HOST, ("HTTP_X_A", "s"), ("HTTP_X", "1"), ("HTTP_X_NEW", "n")],
    ),
    (
        "/x",
        [("X", "l" * 300), ("Y", "m" * 127), ("Z", "n" * 128)],
        [HOST, ("HTTP_X", "l" * 300), ("HTTP_Y", "m" * 127), ("HTTP_Z", "n" * 128)],
    ),
]


@pytest.mark.parametrize(("url", "headers", "wanted"), CASES)
def test_header_variables(
    make_site: Callable[..., Site], url: str, headers: Pairs, wanted: Pairs
) -> None:
    site = make_site({"web.config": web_config(SET + python_handler())})
    for _ in range(2):  # what is kept of the first says the same
        decision = site.decide(make_request(url, headers=[("Host", "localhost"), *headers]))
        action = decision.action
        assert isinstance(action, CallFastCgi)
        found = variables(decision, action)
        assert [pair for pair in found if pair[0].startswith("HTTP_")] == wanted
        assert sent(encode_params(decision, action)) == found


def sent(stream: bytes) -> Pairs:
    """The pairs of a PARAMS stream."""
    contents: list[bytes] = []
    records.RecordReader().feed(stream, lambda kind, number, content: contents.append(content))
    assert contents.pop() == b""
    return [
        (name.decode(), value.decode("latin-1" if name.startswith(b"HTTP_") else "utf-8"))
        for name, value in decoded(b"".join(contents))
    ]


def test_a_client_on_other_ports(make_site: Callable[..., Site]) -> None:
    site = make_site({"web.config": web_config(python_handler())})
    for port in (1, 65535):
        request = make_request("/x")
        request.remote_port = port
        decision = site.decide(request)
        assert isinstance(decision.action, CallFastCgi)
        found = dict(sent(encode_params(decision, decision.action)))
        assert (found["REMOTE_PORT"], found["REMOTE_ADDR"], found["REQUEST_METHOD"]) == (
            str(port),
            "127.0.0.1",
            "GET",
        )
