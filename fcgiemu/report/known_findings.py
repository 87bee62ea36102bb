"""A baseline: the findings that an old site has already, so that only new ones count."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..catalogue.findings import Finding
from ..errors import SiteError

Key = tuple[str, str, str]


#: What changes in a message although the finding stays: places of other elements, counts.
_MOVING = re.compile(r":\d+:\d+\b|(?<=\bline )\d+|\d+(?= more\b)|\b[\w./-]+(?= and \d+ more\b)")


def _key(code: str, file: str, message: str) -> Key:
    """What a finding is known by: lines may move, its own and those that its message names."""
    return code, file, _MOVING.sub("", message)


def _of(finding: Finding) -> Key:
    return _key(finding.code, finding.span.file if finding.span else "", finding.message)


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Write the findings of today. Raises OSError."""
    entries = [
        {
            "code": finding.code,
            "file": finding.span.file if finding.span else "",
            "message": finding.message,
        }
        for finding in findings
    ]
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", "utf-8")


def new(path: Path, findings: Sequence[Finding]) -> list[Finding]:
    """Those that the baseline does not hold, each as often as it is there more often. Raises
    SiteError for a file that is not a baseline.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
        known = Counter(_key(entry["code"], entry["file"], entry["message"]) for entry in entries)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SiteError(
            f"{path} is not a baseline: {error}.", "Remove it, and run check again to write one."
        ) from error
    found = []
    for finding in findings:
        if known[_of(finding)] > 0:
            known[_of(finding)] -= 1
        else:
            found.append(finding)
    return found
