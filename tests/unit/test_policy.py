"""Every inferred behaviour of URL Rewrite is a switch that something asks."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from fcgiemu.rewrite.policy import RewritePolicy

SOURCE = "".join(
    path.read_text()
    for path in (Path(__file__).parents[2] / "fcgiemu").rglob("*.py")
    if path.name != "policy.py"
)


@pytest.mark.parametrize("name", [field.name for field in fields(RewritePolicy)])
def test_each_policy_is_used(name: str) -> None:
    assert f"POLICY.{name}" in SOURCE
