"""Which parts of a text were matched, for pages that show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def highlighted(
    text: str, captures: Sequence[str | None] | None
) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """A text in three portions: before, what was matched, and behind. The middle one comes with its
    parts, each with the number of its group, 0 = of none.
    """
    whole = captures[0] if captures else None
    begin = text.find(whole) if whole else -1
    if whole is None or captures is None or begin < 0:
        yield text, []
        return
    yield text[:begin], []
    yield whole, _groups(whole, captures)
    yield text[begin + len(whole) :], []


def _groups(rest: str, captures: Sequence[str | None]) -> list[tuple[str, int]]:
    """Groups where they are found from left to right; one inside of another is left out."""
    parts: list[tuple[str, int]] = []
    for number, capture in enumerate(captures[1:], 1):
        at = rest.find(capture) if capture else -1
        if at >= 0 and capture:
            parts += [(rest[:at], 0), (capture, number)]
            rest = rest[at + len(capture) :]
    return [*parts, (rest, 0)]
