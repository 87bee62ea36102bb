"""Workers that several steps share, begun while something else is done."""

from __future__ import annotations

import importlib.util

import pytest

from fcgiemu.errors import SiteError
from fcgiemu.logs.run import Options, together
from fcgiemu.logs.workers import Here, KeptWorkers


class Watched(Here):
    ended = 0

    def close(self) -> None:
        self.ended += 1


def test_workers_are_made_once_and_ended_once() -> None:
    made: list[Watched] = []

    def make() -> Watched:
        made.append(Watched())
        return made[-1]

    kept = KeptWorkers(make)
    for _ in range(2):
        kept.begin()
        assert list(kept.run(abs, [-1, 2])) == [1, 2]
        kept.close()
    kept.end()
    assert [one.ended for one in made] == [1]
    KeptWorkers(make).end()
    assert len(made) == 1


def test_workers_that_cannot_be_made() -> None:
    def make() -> Here:
        raise SiteError("There are none.")

    kept = KeptWorkers(make)
    kept.begin()
    with pytest.raises(SiteError, match="There are none"):
        kept.run(abs, [1])
    kept.end()


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is counted."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(SiteError, match="needs Dask"), together(Options(dask="local")):
        pass
