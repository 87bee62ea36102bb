"""Counting: DuckDB and the reader by lines say the same, memory is bounded, checkpoints hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fcgiemu import Site
from fcgiemu.logs import formats, run, sources, store
from fcgiemu.logs.entry import OPTIONAL, Wanted
from fcgiemu.logs.line_counting import Tally
from fcgiemu.logs.sources import listed

from ..logs import DEFAULT, w3c, write_w3c

duckdb = pytest.importorskip("duckdb")
duck = pytest.importorskip("fcgiemu.logs.duck")

Counts = dict[str, list[tuple[int, int]]]


def counted(
    path: Path, engine: str, folder: Path, wanted: Wanted = Wanted(), memory: int = 1 << 28
) -> tuple[Counts, dict[str, object]]:
    """All counts of a log, and the facts."""
    folder.mkdir(exist_ok=True)
    target = folder / f"{engine}.sqlite"
    made = duck.DuckDbEngine(1, memory, folder) if engine == "duckdb" else formats.Lines()
    writer = store.Writer(target, memory)
    tally = Tally(writer, wanted)
    try:
        for source in listed([str(path)]):
            formats.count(source, tally, made)
        made.hand_over(tally)
        writer.close(tally.facts)
    finally:
        made.close()
    assert sorted(one.name for one in folder.glob("*.log")) == []
    rows: Counts = {}
    for number in range(store.SECTIONS):
        rows |= store.section([target], number)
    return rows, store.facts_of(target)[0].as_json()


def same(path: Path, folder: Path, wanted: Wanted = Wanted()) -> tuple[Counts, dict[str, object]]:
    """What both engines say of a log."""
    by_lines = counted(path, "lines", folder, wanted)
    assert counted(path, "duckdb", folder, wanted) == by_lines
    return by_lines


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "mess", [{}, {"messy": True}, {"marked": True}, {"messy": True, "marked": True}]
)
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(frozenset()), Wanted(frozenset({"host"}), 3)])
def test_both_engines_say_the_same(
    tmp_path: Path, seed: int, mess: dict[str, bool], wanted: Wanted
) -> None:
    path = write_w3c(tmp_path / "u_ex.log", 2000, seed, **mess)
    _, facts = same(path, tmp_path / "work", wanted)
    data = path.read_bytes()
    lines = [line for line in data.split(b"\n") if line.strip() and not line.startswith(b"#")]
    assert facts["requests"] + facts["skipped"] == len(lines)  # type: ignore[operator]


HEAD = f"#Fields: {' '.join(DEFAULT)}\n".encode()
LINE = b"2026-11-22 10:00:00 10.0.0.4 GET /a x=1 80 - 203.0.113.7 A+(b) - 200 0 0 31\n"


@pytest.mark.parametrize(
    ("data", "requests", "skipped"),
    [
        (HEAD + LINE * 3, 3, 0),
        (HEAD + LINE * 3 + LINE[:-1], 4, 0),
        (HEAD + LINE * 3 + LINE[:40], 3, 1),
        (HEAD + LINE + HEAD + LINE, 2, 0),
        (HEAD + LINE.replace(b"\n", b"\r\n") + LINE, 2, 0),
        (HEAD + LINE.replace(b"/a", b"/a\rb") + LINE, 1, 1),
        (HEAD + LINE.replace(b" ", b"\t") + LINE, 2, 0),
        (HEAD + LINE.replace(b" GET ", b"  GET ") + LINE, 2, 0),
        (HEAD + LINE.replace(b"31", b"31 ") + LINE, 2, 0),
        (HEAD + LINE.replace(b" - 203", b"  203") + LINE, 2, 0),
        (HEAD + LINE.replace(b"GET", b"") + LINE.replace(b"x=1", b""), 2, 0),
        (HEAD + LINE.replace(b"/a", b"") + LINE.replace(b"200", b""), 1, 1),
        (HEAD + LINE.replace(b"31\n", b"  \r\n") + LINE.replace(b"\n", b"\r\n"), 2, 0),
        (HEAD + b" " * 14 + b"\n" + b" " * 13 + b"\n" + LINE, 1, 1),
        (HEAD + LINE.replace(b"GET", b"G(T") + LINE.replace(b" 80 ", b" 0443 "), 1, 1),
        (HEAD + LINE.replace(b"x=1", b"...&X-ARR-LOG-ID=1") + LINE.replace(b"x=1", b"..."), 0, 2),
        (HEAD + LINE.replace(b"x=1", b"X-ARR-LOG-ID=1&&b=X-A") + LINE.replace(b"200", b"0"), 2, 0),
        (HEAD + b"\n\r\n  \n" + LINE, 1, 0),
        (HEAD + LINE.replace(b"A+(b)", b'"A#b') + LINE, 2, 0),
        (HEAD + LINE.replace(b"A+(b)", b"#'\\x,;") + LINE, 2, 0),
        (HEAD + LINE.replace(b"/a", b"/\xff") + LINE, 2, 0),
        (HEAD + LINE.replace(b"/a", b"/\xc3\xa4") + LINE, 2, 0),
        (HEAD + LINE.replace(b"/a", b"/\0") + LINE, 2, 0),
        (HEAD + LINE.replace(b"/a", b"/\x1f") + LINE, 2, 0),
        (HEAD + LINE.replace(b"x=1", b"...") + LINE.replace(b"A+(b)", b"..."), 1, 1),
        (HEAD + LINE.replace(b"/a", b"a") + LINE.replace(b"x=1", b"..."), 0, 2),
        (HEAD + LINE.replace(b"x=1", b"q=" + b"x" * 2_000_000) + LINE, 2, 0),
        (HEAD + LINE + b"#Software: x\n#Fields: cs-uri-stem\n/a\n#x y\n/b\n", 3, 0),
        (b"#Fields: cs-uri-stem\n/a\n/b c\n#c\n", 1, 1),
        (HEAD + LINE + b"#Fields: date time\n1 2\n" + HEAD + LINE, 2, 1),
        (b"\xef\xbb\xbf" + HEAD + LINE, 1, 0),
        (LINE + HEAD + LINE, 1, 1),
        (HEAD, 0, 0),
        (b"\n\n", 0, 0),
    ],
)
def test_odd_lines(tmp_path: Path, data: bytes, requests: int, skipped: int) -> None:
    path = tmp_path / "odd.log"
    path.write_bytes(data)
    for wanted in (Wanted(), Wanted(frozenset())):
        _, facts = same(path, tmp_path / "work", wanted)
        assert (facts["requests"], facts["skipped"]) == (requests, skipped)


@pytest.mark.parametrize("least", [1_000, 20_000])
def test_a_stream_is_counted_in_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(duck, "CHUNK", 20_000)
    monkeypatch.setattr(duck, "LEAST_CHUNK", least)
    monkeypatch.setattr(sources, "BLOCK", 1_000)
    monkeypatch.setattr(sources, "_PACKED_BLOCK", 500)
    path = tmp_path / "u_ex.log.gz"
    path.write_bytes(gzip.compress(b"".join(w3c(2000, 1, messy=True))))
    same(path, tmp_path / "work")


@pytest.mark.parametrize("sample", [1 << 16, 0])
def test_queries_are_simplified_by_line_or_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    """Where the sample of a chunk shows nothing appended, the different queries are simplified."""
    monkeypatch.setattr(duck, "_SAMPLE", sample)
    path = tmp_path / "u_ex.log"
    path.write_bytes(HEAD + LINE * 50 + LINE.replace(b"x=1", b"x=1&X-ARR-LOG-ID=7") * 3)
    for wanted in (Wanted(), Wanted(frozenset())):
        counts, _ = same(path, tmp_path / "work", wanted)
        assert list(counts.values()) == [[(200, 53)]]


def test_the_same_requests_again_are_one_row_of_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the chunks of a log have in common is merged before it is handed over."""
    monkeypatch.setattr(duck, "CHUNK", 40_000)
    monkeypatch.setattr(sources, "BLOCK", 10_000)
    path = tmp_path / "u_ex.log.gz"
    lines = [LINE.replace(b"/a", b"/%d" % number) for number in range(450)]
    path.write_bytes(gzip.compress(HEAD + b"".join(lines) * 10))
    counted(path, "duckdb", tmp_path / "work", memory=1)
    assert store.facts_of(tmp_path / "work" / "duckdb.sqlite")[1] == 450


def test_nothing_is_printed_beside_the_report(tmp_path: Path) -> None:
    """DuckDB would show a bar on standard output for a query that takes two seconds."""
    engine = duck.DuckDbEngine(1, 1 << 28, tmp_path)
    asked = engine.connection.execute("SELECT current_setting('enable_progress_bar')")
    assert asked.fetchall() == [(False,)]
    engine.close()


def test_a_request_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "u_ex.log"
    path.write_bytes(HEAD + LINE * 3 + LINE.replace(b"GET", b"G(T") + LINE)
    _, facts = same(path, tmp_path / "work")
    assert [(one["file"], one["line"]) for one in facts["problems"]] == [(str(path), 5)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", [b"", b"\n", b"a", b"a\n", b"a\r\n\nb\r", b"\n\n\n"])
def test_line_ends(block: bytes) -> None:
    assert sources.line_ends(block) == block.count(b"\n")


def test_problems_have_the_line_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "u_ex.log"
    lines = [HEAD, *[LINE] * 500, LINE.replace(b"x=1", b"..."), *[LINE] * 10]
    for data in (b"".join(lines), b"".join(lines) + HEAD.replace(b"s-ip", b"x") + LINE):
        path.write_bytes(data)
        _, facts = same(path, tmp_path / "work")
        assert [problem["line"] for problem in facts["problems"]] == [502]  # type: ignore[attr-defined]


def test_an_empty_log_is_no_reason_to_stop(tmp_path: Path) -> None:
    for name, data in (("a.log", b""), ("b.log", HEAD + LINE)):
        (tmp_path / name).write_bytes(data)
    with run.place(run.Options()) as folder:
        counted = run.count([str(tmp_path / "*.log")], [Site(tmp_path)], folder, run.Options())
    assert (counted.complete, counted.facts.requests) == (True, 1)


def test_counts_spill_to_disk(tmp_path: Path) -> None:
    path = write_w3c(tmp_path / "u_ex.log", 5000, 1)
    wide = Wanted(frozenset(OPTIONAL))
    small = counted(path, "lines", tmp_path / "small", wide, memory=1)
    assert small == counted(path, "lines", tmp_path / "large", wide)


def test_counts_exist_only_when_they_are_complete(tmp_path: Path) -> None:
    writer = store.Writer(tmp_path / "a.sqlite", 1)
    writer.add("x", 200, 1)
    assert not (tmp_path / "a.sqlite").exists()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_facts_add_up_in_any_order() -> None:
    parts = [store.Facts(number, 1) for number in range(3)]
    for number, part in enumerate(parts):
        for line in range(30):
            part.problems[f"{number}.log", f"w{line}"] = store.Problem(
                f"{number}.log", line, f"w{line}", 1
            )
    found = []
    for order in ((0, 1, 2), (2, 0, 1)):
        facts = store.Facts()
        for number in order:
            facts.add(store.Facts.of_json(parts[number].as_json()))
        found.append(facts.as_json())
    assert found[0] == found[1] and len(found[0]["problems"]) == store.NAMED  # type: ignore[arg-type]
