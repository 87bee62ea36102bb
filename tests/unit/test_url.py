"""URLs as http.sys canonicalises them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcgiemu.http.url import UrlRefused, canonicalize, encode_path


@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/b?x=1", "/a/b", "x=1"),
        ("/a?", "/a", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/a/../x.html", "/x.html", ""),
        ("/a//b.css", "/a/b.css", ""),
        ("/a/./b", "/a/b", ""),
        ("/a/.", "/a/", ""),
        ("/a/b/..", "/a/", ""),
        ("/a%2fb", "/a/b", ""),
        ("/a%5cb", "/a/b", ""),
        (r"/a\b", "/a/b", ""),
        ("/a/%2e%2e/b", "/b", ""),
        ("/...", "/...", ""),
        ("/x%2520y", "/x%20y", ""),
        ("/a+b", "/a+b", ""),
        ("/%C3%A4.html", "/ä.html", ""),
        ("/%E4.html", "/ä.html", ""),  # not UTF-8: the ANSI code page
        ("/%u00e4", "/ä", ""),
        ("/a%20b?q=%20", "/a b", "q=%20"),
        ("/a#b?c", "/a#b", "c"),
    ],
)
def test_canonical(raw: str, path: str, query: str) -> None:
    target = canonicalize(raw)
    assert (target.path, target.query, target.raw) == (path, query, raw)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("/..", 403),
        ("/%2e%2e/x", 403),
        ("/a/../../b", 403),
        ("/x%00", 400),
        ("/x%0a", 400),
        ("/<b>", 400),
        ("/a b", 400),
        ("/%", 400),
        ("/%zz", 400),
        ("/\u00e4", 400),
        ("x", 400),
        ("/" + "a" * 261, 400),
        ("/a" * 256, 400),
        ("/" + "a/" * 9000, 414),
    ],
)
def test_refused(raw: str, status: int) -> None:
    with pytest.raises(UrlRefused) as caught:
        canonicalize(raw)
    assert caught.value.status == status


@given(st.text(max_size=60))
def test_nothing_but_a_refusal_comes_out(text: str) -> None:
    try:
        target = canonicalize("/" + text)
    except UrlRefused:
        return
    assert target.path.startswith("/") and "//" not in target.path and "/../" not in target.path


NAMES = st.text(
    st.characters(exclude_characters="\\/", min_codepoint=33, exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=30,
)


@given(NAMES)
def test_encoding_and_canonicalizing_agree(segment: str) -> None:
    if segment not in (".", ".."):
        assert canonicalize("/" + encode_path(segment)).path == "/" + segment
