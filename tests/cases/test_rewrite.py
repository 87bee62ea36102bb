"""Every golden case of URL Rewrite."""

from __future__ import annotations

from pathlib import Path

import pytest

from .golden import FOLDER, Case, ask, read, seen

CASES = [
    pytest.param(case, id=f"{path.stem}:{case.name}")
    for path in sorted((FOLDER / "rewrite").glob("*.txt"))
    for case in read(path)
]


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case, tmp_path: Path) -> None:
    if case.skip:
        pytest.skip(case.skip)
    answer = ask(case, tmp_path)
    for expected in case.expected:
        found = seen(expected, answer)
        alternatives = expected.split("|") if expected.startswith("error ") else [expected]
        wanted = (
            [alternatives[0], *(f"error {other}" for other in alternatives[1:])]
            if len(alternatives) > 1
            else [expected]
        )
        same = (
            found.lower() in [text.lower() for text in wanted]
            if expected[:1] in ("/", "u")
            else found in wanted
        )
        assert same, f"line {case.line}: wanted {expected!r}, got {found!r}; {answer['outcome']}"
