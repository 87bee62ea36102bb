"""A baseline: the findings that an old site has already, so that only new ones count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..catalogue.findings import Finding
from ..errors import SiteError

Key = tuple[str, str, str]


def _key(finding: Finding) -> Key:
    """What a finding is known by: its line may move."""
    return finding.code, finding.span.file if finding.span else "", finding.message


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Write the findings of today. Raises OSError."""
    entries = [
        {"code": code, "file": file, "message": message}
        for code, file, message in map(_key, findings)
    ]
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", "utf-8")


def new(path: Path, findings: Sequence[Finding]) -> list[Finding]:
    """Those that the baseline does not hold, each as often as it is there more often. Raises
    SiteError for a file that is not a baseline.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
        known = Counter((entry["code"], entry["file"], entry["message"]) for entry in entries)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SiteError(
            f"{path} is not a baseline: {error}.", "Remove it, and run check again to write one."
        ) from error
    found = []
    for finding in findings:
        if known[_key(finding)] > 0:
            known[_key(finding)] -= 1
        else:
            found.append(finding)
    return found
