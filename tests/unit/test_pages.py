"""All pages are made of one set of colours and parts."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from fcgiemu import pages

TEMPLATES = resources.files(pages).joinpath("templates")
PAGES = sorted(
    entry.name
    for entry in TEMPLATES.iterdir()
    if entry.name.endswith(".html") and entry.name != "components.html"
)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_the_shared_parts(name: str) -> None:
    text = TEMPLATES.joinpath(name).read_text("utf-8")
    assert text.count('{% include "components.html" %}') == 1
    assert "break-all" not in text and "prefers-color-scheme" not in text


def test_every_colour_is_named_for_light_and_dark() -> None:
    tokens = TEMPLATES.joinpath("tokens.css").read_text("utf-8")
    light, dark = (set(re.findall(r"(--\w+):", part)) for part in tokens.split("@media"))
    assert light - dark == {"--accent"}  # white stands on it in both
    used = set()
    for entry in TEMPLATES.iterdir():
        text = entry.read_text("utf-8")
        used |= set(re.findall(r"var\((--\w+)", text)) - set(re.findall(r"(--\w+): #", text))
    assert used - light == {"--depth"}


def test_the_live_page_begins_with_them() -> None:
    shared = pages.shared_style().decode()
    own = resources.files("fcgiemu.inspector").joinpath("static", "style.css").read_text("utf-8")
    assert ":root" in shared and ":root" not in own
    assert set(re.findall(r"var\((--\w+)", own)) <= set(re.findall(r"(--\w+):", shared))
