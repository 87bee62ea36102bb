"""Remedies that need more than the place which found the mistake knows: names that are near."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from ..catalogue import hint
from ..catalogue.findings import Finding


def folder_of_the_site(folder: str) -> str:
    """The command that makes a folder with a file in it: Git leaves out empty ones."""
    return f"mkdir -p {shlex.quote(folder)} && touch {shlex.quote(folder + '/.gitkeep')}"


def near_map(finding: Finding, names: Iterable[str]) -> Finding:
    """A finding of a rewrite map that does not exist, with the name that is near."""
    missing = re.search(r'map or provider "(.+?)" does not exist', finding.message)
    if finding.code != "rewrite-bad-template" or missing is None:
        return finding
    known = {name.lower(): name for name in names}
    known |= {name.lower(): name for name in ("ToLower", "UrlEncode", "UrlDecode")}
    near = get_close_matches(missing[1].lower(), known, 1)
    if near:
        return replace(finding, hint=hint("rewrite-bad-template/near", near=known[near[0]]))
    return replace(finding, hint=hint("rewrite-bad-template/map", missing=missing[1]))


def of_host_only(finding: Finding) -> Finding:
    """A finding of a section in a web.config that no server unlocks, with the remedy for those that
    people write there: <globalRules>, and ARR's.
    """
    if finding.code != "config-host-only":
        return finding
    if "/globalRules" in finding.message:
        return replace(finding, hint=hint("config-host-only/rules"))
    if "system.webServer/proxy" in finding.message or "webFarms" in finding.message:
        return replace(finding, hint=hint("config-host-only/proxy"))
    return finding
