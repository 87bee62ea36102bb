"""The page of ``fcgiemu diff``: where traffic went before and goes now, as a plot and as tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..version import __version__
from . import render

#: Kinds of outcome with a band of their own; smaller ones share one.
MAX_BANDS = 10
_OTHERS = "others"
_WIDTH, _HEIGHT, _GAP, _BAR = 960, 420, 6, 14
_MARGIN = 150
#: Height of a line of text.
_LINE = 16
#: A flow is at least this thick, so that a rare one can be seen and pointed at.
_THINNEST = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """What the page shows."""

    count: str
    requests: int
    flows: dict[tuple[str, str], int]
    changes: list[ChangeRow]
    unlike: list[ChangeRow]
    parity: tuple[int, int]
    #: Rule ("" for none), requests compared, requests alike.
    by_rule: list[tuple[str, int, int]]
    lists: list[tuple[str, Iterable[str]]]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A group of requests."""

    heading: str
    old: str
    new: str
    count: int
    examples: dict[str, int]


@dataclass(slots=True, kw_only=True)
class Band:
    """All requests of a kind on one side. ``top`` and ``height`` in units of the plot."""

    name: str
    count: int
    top: float
    height: float
    #: Where its name is written: names keep apart where bands are thin.
    label: float = 0.0
    #: How much of the height flows have taken.
    used: float = 0.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Requests that went one way and now go another."""

    before: str
    after: str
    count: int
    path: str

    @property
    def is_change(self) -> bool:
        """Whether the kind of outcome is another one."""
        return self.before != self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Two columns of bands with flows between them."""

    before: list[Band]
    after: list[Band]
    flows: list[Flow]
    width: int = _WIDTH
    height: int = _HEIGHT
    margin: int = _MARGIN
    bar: int = _BAR


def plot(counts: dict[tuple[str, str], int]) -> Plot:
    """Lay out the flows; the height of a band is its share of the requests."""
    folded = _folded(counts)
    before = _bands(folded, 0)
    after = _bands(folded, 1)
    left = {band.name: band for band in before}
    right = {band.name: band for band in after}
    flows = [
        _flow(left[flow[0]], right[flow[1]], flow, count)
        for flow, count in sorted(folded.items(), key=lambda pair: _order(before, after, pair[0]))
    ]
    flows.sort(key=lambda flow: flow.is_change)  # changes are drawn on top
    return Plot(before=before, after=after, flows=flows)


def _folded(counts: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Flows between the largest kinds; the rest is others."""
    kept: list[frozenset[str]] = []
    for side in (0, 1):
        sums: dict[str, int] = {}
        for flow, count in counts.items():
            sums[flow[side]] = sums.get(flow[side], 0) + count
        largest = sorted(sums, key=lambda name: (-sums[name], name))
        kept.append(frozenset(largest if len(largest) <= MAX_BANDS else largest[: MAX_BANDS - 1]))
    found: dict[tuple[str, str], int] = {}
    for (old, new), count in counts.items():
        flow = old if old in kept[0] else _OTHERS, new if new in kept[1] else _OTHERS
        found[flow] = found.get(flow, 0) + count
    return found


def _bands(counts: dict[tuple[str, str], int], side: int) -> list[Band]:
    sums: dict[str, int] = {}
    for flow, count in counts.items():
        sums[flow[side]] = sums.get(flow[side], 0) + count
    total = sum(sums.values()) or 1
    room = _HEIGHT - _GAP * (len(sums) - 1)
    bands: list[Band] = []
    top = 0.0
    for name in sorted(sums, key=lambda name: (-sums[name], name)):
        height = room * sums[name] / total
        bands.append(Band(name=name, count=sums[name], top=top, height=height))
        top += height + _GAP
    _keep_apart(bands)
    return bands


def _keep_apart(bands: list[Band]) -> None:
    """Place the names: beside the middle of their bands, but not over each other."""
    last = -float(_LINE)
    for band in bands:
        last = band.label = max(band.top + band.height / 2, last + _LINE)
    limit = float(_HEIGHT)
    for band in reversed(bands):
        limit = band.label = min(band.label, limit)
        limit -= _LINE


def _order(before: list[Band], after: list[Band], flow: tuple[str, str]) -> tuple[int, int]:
    return (
        next(number for number, band in enumerate(before) if band.name == flow[0]),
        next(number for number, band in enumerate(after) if band.name == flow[1]),
    )


def _flow(left: Band, right: Band, flow: tuple[str, str], count: int) -> Flow:
    share, other = left.height * count / left.count, right.height * count / right.count
    a, c = left.top + left.used, right.top + right.used
    b, d = a + max(share, _THINNEST), c + max(other, _THINNEST)
    left.used += share
    right.used += other
    x0, x1 = _MARGIN + _BAR, _WIDTH - _MARGIN - _BAR
    middle = (x0 + x1) / 2
    path = (
        f"M{x0},{a:.2f} C{middle},{a:.2f} {middle},{c:.2f} {x1},{c:.2f}"
        f" L{x1},{d:.2f} C{middle},{d:.2f} {middle},{b:.2f} {x0},{b:.2f} Z"
    )
    return Flow(*flow, count, path)


def rendered(values: Values) -> str:
    """The page."""
    return render(
        "changes.html",
        values=values,
        plot=plot(values.flows) if values.requests else None,
        lists=[(title, list(entries)) for title, entries in values.lists],
        version=__version__,
    ).decode()
