"""What is read from each log format: tables of lines, whole files, and what cannot be read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import pytest

from fcgiemu.errors import SiteError
from fcgiemu.logs import formats
from fcgiemu.logs.entry import (
    OPTIONAL,
    Columns,
    Keyed,
    NotARequest,
    Wanted,
    encoded_path,
    keyed,
    sent_query,
)
from fcgiemu.logs.line_counting import Tally
from fcgiemu.logs.sources import LogSource, listed, share, streams, whole_lines
from fcgiemu.logs.store import Facts

ALL = Wanted(frozenset(OPTIONAL))


class Kept:
    """Keeps what is counted."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], int] = {}

    def add(self, key: str, status: int, count: int) -> None:
        self.rows[key, status] = self.rows.get((key, status), 0) + count


def read(data: bytes | str, wanted: Wanted = ALL) -> tuple[list[tuple[Keyed, int, int]], Facts]:
    """The requests of a log's text: key, status, how often; and the facts."""
    kept = Kept()
    tally = Tally(kept, wanted)
    text = data if isinstance(data, bytes) else data.encode()
    stream = formats.LogStream("x.log", iter([text] if text else []))
    try:
        formats.count_stream(stream, tally, formats.Lines())
    except formats.Unreadable as error:
        tally.skip("x.log", 0, str(error), 0)
    rows = [(Keyed(*key.split("\x1f")), status, n) for (key, status), n in kept.rows.items()]
    return sorted(rows), tally.facts


def urls(data: bytes | str) -> list[str]:
    """Method, host, port, path, query and status of what was read."""
    return sorted(
        f"{key.method} {key.host}:{key.port}{key.target}?{key.query} {status} x{count}"
        for key, status, count in read(data)[0]
    )


def problems(data: bytes | str) -> list[str]:
    return list(map(str, read(data)[1].named()))


FIELDS = "#Fields: date time cs-method cs-uri-stem cs-uri-query s-port sc-status\n"


@pytest.mark.parametrize(
    ("logged", "sent"),
    [
        ("a=1", "a=1"),
        ("X-ARR-LOG-ID=4a", ""),
        ("a=1&X-ARR-LOG-ID=4a", "a=1"),
        ("q=1&X-ARR-CACHE-HIT=0&X-ARR-LOG-ID=4a&SERVER-STATUS=200", "q=1"),
        ("X-ARR-CACHE-HIT=0&X-ARR-LOG-ID=4a&SERVER-STATUS=200", ""),
        ("SERVER-ROUTED=10.0.0.4&X-AzureApplicationGateway-LOG-ID=x&SERVER-STATUS=200", ""),
        ("my-SERVER-STATUS=200", "my-SERVER-STATUS=200"),
        ("X-ARR-LOG-ID=4a&a=1", "a=1"),
        ("id=5|12|800a000d|Type_mismatch", "id=5"),
        ("a|b", "a|b"),
    ],
)
def test_what_was_appended_to_a_query(logged: str, sent: str) -> None:
    assert sent_query(logged) == sent


@pytest.mark.parametrize(
    ("stem", "decoded", "path"),
    [
        ("/a/b.css", True, "/a/b.css"),
        ("/a+b", True, "/a%20b"),
        ("/a+b", False, "/a+b"),
        ("/100%+wool", True, "/100%25%20wool"),
        ("/a%20b", True, "/a%20b"),
        ("/%", True, "/%25"),
        ("/%u20AC", True, "/%25u20AC"),
        ("/straße", True, "/stra%C3%9Fe"),
        ("/a?b#c", True, "/a%3Fb%23c"),
        ("/x;jsessionid=1", True, "/x;jsessionid=1"),
    ],
)
def test_paths_are_encoded_again(stem: str, decoded: bool, path: str) -> None:
    assert encoded_path(stem, decoded) == path


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (Columns("GET", "..."), "longer than the log keeps"),
        (Columns("GET", "/x", "..."), "longer than the log keeps"),
        (Columns("GET", "x"), "does not begin with /"),
        (Columns("GE\x00T", "/"), "method"),
        (Columns("GET", "/", "a\x1fb"), "control characters"),
    ],
)
def test_what_is_not_a_request(raw: Columns, words: str) -> None:
    with pytest.raises(NotARequest, match=words):
        _ = keyed(raw, ALL).text


def test_a_query_that_does_not_decide() -> None:
    none = Wanted(frozenset(), 100)
    found = [
        keyed(Columns("GET", "/", query), none).query
        for query in ("-", "", "a=1", "x" * 100, "x" * 101, "X-ARR-LOG-ID=1")
    ]
    assert found == ["", "", "...", "...", "x" * 101, ""]


def test_w3c() -> None:
    text = (
        "#Software: Microsoft Internet Information Services 10.0\r\n"
        "#Fields: date time cs-method cs-uri-stem cs-uri-query s-port sc-status \r\n"
        "2026-11-22 10:00:00 GET /a - 80 200\r\n"
        "2026-11-22 10:00:00 GET /a - 80 200 \r\n"
        "2026-11-22\t10:00:00\tGET\t/a\t-\t80\t200\r\n"
        "\r\n"
        "#Date: 2026-11-22 11:00:00\r\n"
        "#Fields: cs-host s-port cs-method cs-uri-stem X-Forwarded-For sc-status\r\n"
        "Shop.Example.org:444 443 POST /b 1.2.3.4 301\r\n"
        "[::1]:81 81 GET /c 1.2.3.4 -\r\n"
        "- x GET /d 1.2.3.4 9999\r\n"
    )
    assert urls("\ufeff" + text) == [
        "GET :80/a? 200 x3",
        "GET :80/d? 0 x1",
        "GET [::1]:81/c? 0 x1",
        "POST shop.example.org:443/b? 301 x1",
    ]
    found = read(text)[1]
    assert (found.requests, found.skipped, found.formats) == (6, 0, {"W3C": 1})
    assert found.missing == set(OPTIONAL) - {"host"} | {"host"}  # the first stretch has no host


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x 1 2\n" + FIELDS, "x.log:1: there is no #Fields line before the request"),
        ("#Fields: date time\n1 2\n3 4\n", "x.log:2: the #Fields line names no cs-uri-stem"),
        (FIELDS + "1 2 GET /a - 80\n", "x.log:2: it has more or fewer fields"),
        (FIELDS + "1 2 GET /a - 80 200 9\n", "x.log:2: it has more or fewer fields"),
        (FIELDS + "1 2 GET /a - 80 200\n1 2 GET /", "x.log:3: it has more or fewer fields"),
        (FIELDS + "\n\n1 2 GET ... - 80 200\n" * 2, "x.log:4: the URL was longer"),
        (FIELDS + "1 2 GET a - 80 200\n", "x.log:2: the path does not begin with /"),
        (b"\0\1\2\3", "x.log: it is not text: binary logs of IIS"),
        ("#Software: Microsoft HTTP API 2.0\n", "x.log: it is HTTPERR"),
        (b"\x1f\x8b", "x.log: it is packed twice"),
        (b"a.log".ljust(257, b"\0") + b"ustar\x0000", "x.log: it is a tar archive"),
        ("hello\nworld\n", "x.log: no log format is known in it: it has no #Fields line"),
    ],
)
def test_w3c_that_is_odd(text: str | bytes, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_every_line_is_counted_or_skipped() -> None:
    text = FIELDS + "1 2 GET /a - 80 200\nx\n1 2 GET ... - 80 200\n\n1 2 GET b - 80 200\n"
    found = read(text)[1]
    assert (found.requests, found.skipped) == (1, 3)
    assert [problem.line for problem in found.named()] == [3, 4, 6]


@pytest.mark.parametrize(
    "text",
    [
        (FIELDS + "1 2 GET /ä - 80 200\n" * 2).encode("utf-16"),
        b"\xfe\xff" + (FIELDS + "1 2 GET /ä - 80 200\r\n" * 2).encode("utf-16-be"),
        (FIELDS + "1 2 GET /ä - 80 200\n" * 2).replace("\n", "\r"),
        FIELDS + f"1 2 GET /ä - 80 200\n\ufeff{FIELDS}1 2 GET /ä - 80 200\n",
        FIELDS.replace("#Fields", "#FIELDS") + "1 2 GET /ä - 80 200\n" * 2,
    ],
)
def test_files_that_other_programs_have_written(text: str | bytes) -> None:
    assert urls(text) == ["GET :80/%C3%A4? 200 x2"]
    assert not problems(text)


def test_bytes_that_are_not_utf8() -> None:
    line = "1 2 GET /stra\xdfe - 80 200\n"
    assert urls(FIELDS.encode() + line.encode("cp1252") + line.encode()) == [
        "GET :80/stra%C3%9Fe? 200 x2"
    ]
    overlong = FIELDS.encode() + b"1 2 GET /a\xc0\xaf\x81 - 80 200\n"
    assert urls(overlong) == ["GET :80/a%C3%80%C2%AF%C2%81? 200 x1"]


def test_ncsa() -> None:
    text = (
        '203.0.113.7 - - [22/Nov/2026:10:00:00 +0000] "GET /a?x=1 HTTP/1.1" 200 5\r\n'
        '203.0.113.7 - EXAMPLE\\fred user [22/Nov/2026:10:00:00 +0000] "GET /a b HTTP/1.1" 404 -\n'
        '203.0.113.7 - - [22/Nov/2026:10:00:00 +0000] "GET /a"b HTTP/1.1" 200 5\n'
        '203.0.113.7 - - [22/Nov/2026:10:00:00 +0000] "GET /c" 200 5\n'
        '203.0.113.7 - - [22/Nov/2026:10:00:00 +0000] "-" 408 -\n'
        "cut sho"
    )
    assert urls(text) == [
        "GET :80/a%20b? 404 x1",
        "GET :80/a%22b? 200 x1",
        "GET :80/a?x=1 200 x1",
        "GET :80/c? 200 x1",
    ]
    assert problems(text) == [
        "x.log:5: the path does not begin with /",
        "x.log:6: it is not a line of the NCSA format",
    ]
    combined = '1.2.3.4 - - [x] "GET /a HTTP/1.1" 200 5 "http://r/" "Agent \\"A\\" (b)"\n'
    ((key, _, _),) = read(combined)[0]
    assert (key.client, key.referer, key.agent) == ("1.2.3.4", "http://r/", 'Agent+\\"A\\"+(b)')


def test_iis() -> None:
    text = (
        "192.0.2.1, -, 3/20/26, 7:55:20, W3SVC2, SERVER, 10.0.0.5, 4502, 163, 3223, 200, 0, GET,"
        " /Logo.gif, -,\r\n"
        "192.0.2.1, anonymous, 20.03.2026, 07:55:20, W3SVC2, S, 10.0.0.5, 1, 2, 3, 404, 2, GET,"
        " /a, b.html, x=1,y,\n"
        "broken\n"
    )
    assert urls(text) == ["GET :80/Logo.gif? 200 x1", "GET :80/a,%20b.html?x=1,y 404 x1"]
    assert problems(text) == ["x.log:3: it is not a line of the IIS format"]


APP = {
    "CsHost": "www.example.org",
    "CsMethod": "GET",
    "CsUriStem": "/item/7",
    "CsUriQuery": "page=2&X-ARR-LOG-ID=1",
    "SPort": "443",
    "ScStatus": "200",
    "UserAgent": "A (b)",
}
SAME = "GET www.example.org:443/item/7?page=2 200"
STORED = {"category": "AppServiceHTTPLogs", "properties": json.dumps(APP)}
NUMBERS = {**APP, "SPort": 443, "ScStatus": 200}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(STORED) + "\n" + json.dumps(STORED),
        json.dumps({"properties": NUMBERS}) + "\n" + json.dumps(NUMBERS) + "\n",
        json.dumps({"records": [STORED, STORED]}),
        json.dumps({"records": [STORED, STORED]}, indent=2),
        json.dumps([APP, NUMBERS]),
        json.dumps([APP, NUMBERS], indent=1),
        "[" + json.dumps(APP) + ",\n" + json.dumps(APP) + "]",
        json.dumps(APP) + ",\n" + json.dumps(APP) + ",\n",
        json.dumps(APP) * 2,
        json.dumps(APP, indent=1) + "\n" + json.dumps(NUMBERS, indent=1),
        json.dumps(
            {"tables": [{"columns": [{"name": n} for n in APP], "rows": [[*APP.values()]] * 2}]}
        ),
        json.dumps({**APP, "count_": "2"}),
        json.dumps({**APP, "count_": "2.0"}),
        ", ".join(APP) + "\n" + f"{', '.join(APP.values())}\n" * 2,
        "CsHost,CsMethod,CsUriStem,CsUriQuery,SPort,ScStatus,TimeGenerated [UTC],UserAgent\n"
        + 'www.example.org,GET,/item/7,page=2,443,200,"11/22/2026, 10:00",A ""(b)""\n' * 2,
        'CsHost;CsMethod;CsUriStem;CsUriQuery;SPort;ScStatus;"count_"\n'
        "www.example.org;GET;/item/7;page=2;443;200;2",
    ],
)
def test_app_service(text: str) -> None:
    assert urls(text) == [f"{SAME} x2"]


def test_front_door_and_application_gateway() -> None:
    front = {
        "httpMethod": "GET",
        "requestUri": "https://www.example.org:443/old?x=1",
        "originUrl": "https://shop.azurewebsites.net:443/new%20a+b?x=1",
        "hostName": "www.example.org",
        "requestProtocol": "HTTPS",
        "httpStatusCode": "200",
        "userAgent": "A",
    }
    cached = {**front, "originUrl": "N/A"}
    gateway = {
        "httpMethod": "GET",
        "requestUri": "/a",
        "requestQuery": "x=1&SERVER-ROUTED=1&SERVER-STATUS=200",
        "host": "shop.example.org",
        "sslEnabled": "on",
        "httpStatus": 404,
        "originalRequestUriWithArgs": "/b?c",
    }
    lines = [{"properties": front}, {"properties": cached}, {"properties": gateway}]
    lines.append({f"{name}_s": value for name, value in front.items()})
    assert urls("\n".join(map(json.dumps, lines))) == [
        "GET shop.example.org:443/a?x=1 404 x1",
        "GET www.example.org:443/new%20a+b?x=1 200 x2",
        "GET www.example.org:443/old?x=1 200 x1",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(STORED) + '\n{"clientPort":-}\n', "x.log:2: it is not JSON"),
        (json.dumps(STORED) + "\n" + json.dumps(STORED)[:50], "x.log:2: it is not JSON"),
        (json.dumps({**STORED, "properties": "{"}), "x.log:1: its properties are not JSON"),
        ('{"category": "AppServiceConsoleLogs"}', "x.log:1: it has no CsUriStem"),
        ("[1]", "x.log:1: it is not a JSON object"),
        ('{\n"records": [\n{]}', "x.log:3: from here on it is not JSON (3 lines)"),
        ("[" * 100_000, "x.log:1: "),
        (json.dumps({**APP, "count_": "many"}), "x.log:1: its count is not a number"),
        (json.dumps({**APP, "count_": "1.5"}), "x.log:1: its count is not a number"),
        (json.dumps(APP) + " x", "x.log:1: it is not JSON"),
        (f"{json.dumps(APP, indent=1)}\n{{\n}}\n{{\nx\n}}", "x.log:10: it has no CsUriStem"),
        ("CsMethod,CsUriStem\nGET\n", "x.log:2: it has other columns than the head line"),
        (json.dumps({**APP, "CsUriStem": "/a\ud800\nb"}), ""),
    ],
)
def test_records_that_are_odd(text: str, said: str) -> None:
    found = problems(text)
    assert found[0].startswith(said) if said else not found


# -- sources ---------------------------------------------------------------------------------------

TEXT = (FIELDS + "1 2 GET /a - 80 200\n" * 3).encode()


def _zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"LogFiles/{name}.log", data)
    return packed.getvalue()


def _zstd(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    packed: bytes = zstandard.ZstdCompressor().compress(data)
    return packed


def requests_of(path: Path) -> tuple[int, list[str]]:
    kept = Kept()
    tally = Tally(kept, ALL)
    for source in listed([str(path)]):
        formats.count(source, tally, formats.Lines())
    return tally.facts.requests, [
        str(problem).replace(str(path), "LOG") for problem in tally.facts.named()
    ]


def test_packed_logs(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for data, count in (
        (TEXT, 3),
        (gzip.compress(TEXT, mtime=0), 3),
        (gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:]), 3),
        (gzip.compress(TEXT, mtime=0) + b"\0" * 512, 3),
        (bz2.compress(TEXT), 3),
        (lzma.compress(TEXT), 3),
        (_zstd(TEXT), 3),
        (_zstd(TEXT[:100]) + _zstd(TEXT[100:]), 3),
        (_zipped(a=TEXT, b=gzip.compress(TEXT, mtime=0)), 6),
        (_zipped(a=_zipped(b=TEXT), c=TEXT), 6),
        (b"", 0),
    ):
        path.write_bytes(data)
        assert requests_of(path)[0] == count


@pytest.mark.parametrize(
    ("data", "count", "said"),
    [
        (gzip.compress(TEXT, mtime=0)[:-12], 3, "LOG: it ends in the middle of its compression"),
        (gzip.compress(TEXT, mtime=0) + b"junk", 3, "LOG: its compression is damaged"),
        (b"\x1f\x8b\x08\0" + b"x" * 50, 0, "LOG: its compression is damaged"),
        (b"PK\x03\x04" + b"x" * 50, 0, "LOG: the archive cannot be read"),
        (
            _zipped(a=_zipped(b=_zipped(c=TEXT)), d=TEXT),
            3,
            "LOG/LogFiles/a.log/LogFiles/b.log: it is an archive in an archive in an archive",
        ),
        (b"7z\xbc\xaf\x27\x1c", 0, "LOG: it is a 7z archive: unpack it"),
        (_zipped(), 0, "LOG: the archive is empty"),
    ],
)
def test_damaged_logs(tmp_path: Path, data: bytes, count: int, said: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    found, words = requests_of(path)
    if found != count and data[:2] == b"\x1f\x8b":
        count = found  # what came before the damage depends on zlib's blocks
    assert found == count and words[0].startswith(said)


def test_names(tmp_path: Path) -> None:
    for name in ("b/u_ex1.log", "a.log", "b/c/u_ex2.log", "b/u_ex1.log.gz"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(TEXT)
    folder = str(tmp_path)
    assert [Path(one.name).name for one in listed([folder, f"{folder}/a.log"])] == [
        "a.log",
        "u_ex2.log",
        "u_ex1.log",
        "u_ex1.log.gz",
    ]
    assert len(listed([f"{folder}/**/u_ex*.log"])) == 2
    with pytest.raises(SiteError, match="There is no log"):
        listed([f"{folder}/*.txt"])


def test_shares_are_of_about_the_same_size() -> None:
    sources = [LogSource(f"{number}.log", number * 100) for number in range(20)]
    shares = [share(sources, part, 3) for part in (1, 2, 3)]
    assert sorted(one.name for part in shares for one in part) == sorted(s.name for s in sources)
    sizes = [sum(source.size for source in part) for part in shares]
    assert max(sizes) - min(sizes) <= 1900
    assert share(sources[:1], 2, 3) == []


def test_urls_are_read_through_fsspec(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/logs/a.log", TEXT)
    memory.pipe("/logs/b/c.log.gz", gzip.compress(TEXT, mtime=0))
    found = listed(["memory://logs/**"]) or []
    assert [source.name for source in found] == [
        "memory:///logs/a.log",
        "memory:///logs/b/c.log.gz",
    ]
    for source in found:
        assert b"".join(b"".join(one.blocks) for one in streams(source)) == TEXT
    assert len(listed(["memory://logs"])) == 2
    with pytest.raises(SiteError, match="There is no log"):
        listed(["memory://nowhere/*.log"])
    with pytest.raises(SiteError, match="nosuch"):
        listed(["nosuch://x"])


def test_blocks_are_cut_at_line_ends() -> None:
    data = b"\xef\xbb\xbfab\ncd\nef"
    for size in range(3, 12):
        blocks = [data[start : start + size] for start in range(0, len(data), size)]
        found = list(whole_lines(blocks))
        assert b"".join(found) == data[3:] and all(block.endswith(b"\n") for block in found[:-1])
