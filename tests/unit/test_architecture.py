"""The layers of the imports, and the page that shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .. import architecture

ROOT = Path(__file__).parents[2]


def test_the_picture_is_that_of_the_imports() -> None:
    """Where this fails: ``python -m tests.architecture`` writes the picture anew."""
    assert architecture.page() == architecture.PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    named = re.findall(r"`((?:fcgiemu|tests|docs|samples)/[\w./-]*)`", text)
    assert named and [path for path in named if not (ROOT / path).exists()] == []
