"""Failed-request traces: read, written, masked, told, listed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.freb import event_table, listing, model, reader, trace_masking, trace_text, writer
from fcgiemu.freb.model import FrebTrace, TraceError
from fcgiemu.freb.page import page

from .. import traces
from ..schemas import hold

SHAPES = [traces.missing, traces.late, traces.cut, traces.managed, traces.foreign]

#: The bytes of a trace of two events, as IIS would write them.
SMALL = """\
<?xml version="1.0" encoding="UTF-8" ?>
<?xml-stylesheet type='text/xsl' href='freb.xsl'?>
<!-- saved from url=(0014)about:internet -->
<failedRequest url="http://a.example:80/?a=1&amp;b=&quot;2&quot;"
               siteId="1"
               authenticationType="NOT_AVAILABLE"               activityId="{A}"
               timeTaken="0"
               xmlns:freb="http://schemas.microsoft.com/win/2006/06/iis/freb"
               >
<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">
 <System>
  <Provider Name="WWW Server" Guid="{3A2A4E84-4C21-4981-AE10-3FDA0D9B0F83}"/>
  <EventID>0</EventID>
  <Version>1</Version>
  <Level>4</Level>
  <Opcode>36</Opcode>
  <Keywords>0x0</Keywords>
  <TimeCreated SystemTime="2026-01-02T03:04:05.006Z"/>
  <Correlation ActivityID="{A}"/>
  <Execution ProcessID="12" ThreadID="34"/>
  <Computer>HOST</Computer>
 </System>
 <EventData>
  <Data Name="ContextId">{A}</Data>
  <Data Name="BytesSent">103</Data>
  <Data Name="ErrorCode">0</Data>
 </EventData>
 <RenderingInfo Culture="en-US">
  <Opcode>GENERAL_FLUSH_RESPONSE_END</Opcode>
  <freb:Description Data="ErrorCode">The operation completed successfully.@ (0x0)</freb:Description>
 </RenderingInfo>
 <ExtendedTracingInfo xmlns="http://schemas.microsoft.com/win/2004/08/events/trace">
  <EventGuid>{D42CF7EF-DE92-473E-8B6C-621EA663113A}</EventGuid>
 </ExtendedTracingInfo>
</Event>
<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">
 <System>
  <Provider Name="WWW Server" Guid="{3A2A4E84-4C21-4981-AE10-3FDA0D9B0F83}"/>
  <EventID>0</EventID>
  <Version>0</Version>
  <Level>3</Level>
  <Opcode>0</Opcode>
  <Keywords>0x0</Keywords>
  <TimeCreated SystemTime="2026-01-02T03:04:05.006Z"/>
  <Correlation ActivityID="{A}"/>
  <Execution ProcessID="12" ThreadID="34"/>
  <Computer>HOST</Computer>
 </System>
 <EventData>
 </EventData>
 <RenderingInfo Culture="en-US">
  <Opcode>LOG_FILE_MAX_SIZE_TRUNCATE</Opcode>
 </RenderingInfo>
 <ExtendedTracingInfo xmlns="http://schemas.microsoft.com/win/2004/08/events/trace">
  <EventGuid>{00000000-0000-0000-0000-000000000000}</EventGuid>
 </ExtendedTracingInfo>
</Event>
</failedRequest>"""


def small() -> FrebTrace:
    events = [
        model.event("GENERAL_FLUSH_RESPONSE_END", "103", "0", context="{A}", time=SMALL_TIME),
        model.event("LOG_FILE_MAX_SIZE_TRUNCATE", context="{A}", time=SMALL_TIME),
    ]
    attributes = (
        ("url", 'http://a.example:80/?a=1&b="2"'),
        ("siteId", "1"),
        ("authenticationType", "NOT_AVAILABLE"),
        ("activityId", "{A}"),
        ("timeTaken", "0"),
    )
    return FrebTrace(
        attributes, writer.placed(events, process="12", thread="34", computer="HOST"), "small"
    )


SMALL_TIME = "2026-01-02T03:04:05.006Z"
SMALL_BYTES = SMALL.replace("\n", "\r\n").replace("@", "\r").encode()


def test_written_bytes() -> None:
    assert writer.write(small()) == SMALL_BYTES


@pytest.mark.parametrize("shape", SHAPES)
def test_round_trip(shape: object) -> None:
    trace = shape()  # type: ignore[operator]
    data = writer.write(trace)
    again = reader.parse(data, trace.source)
    assert (again.attributes, again.events) == (trace.attributes, trace.events)
    assert writer.write(again) == data


def test_line_ends_of_values_are_kept() -> None:
    values = ("a\r\nb\nc\rd", "\r\n", "x\r")
    events = [traces.at("GENERAL_RESPONSE_ENTITY_BUFFER", value) for value in values]
    again = reader.parse(writer.write(traces.of(events)), "x")
    assert tuple(found["Buffer"] for found in again.events) == values


def test_table() -> None:
    assert len(event_table.definitions()) == 218
    assert sum(known.measured for known in event_table.definitions()) == 100
    found = event_table.named("CGIF_START")
    assert found is not None and found.name == "FASTCGI_START" and not found.measured
    assert event_table.keyed(found.task.lower(), found.opcode) is found
    start = event_table.named("NOTIFY_MODULE_START")
    assert start is not None
    assert start.describe("Notification", "2147483648") == "MAP_PATH"
    assert start.number("Notification", "SEND_RESPONSE") == "536870912"
    end = event_table.named("FILE_CACHE_ACCESS_END")
    assert end is not None
    assert end.describe("ErrorCode", "2147942402") == (
        "The system cannot find the file specified.\r (0x80070002)"
    )
    assert end.describe("ErrorCode", "77") is None


def test_events_need_their_values() -> None:
    with pytest.raises(KeyError):
        model.event("NO_SUCH_EVENT")
    with pytest.raises(ValueError):
        model.event("URL_REWRITE_END")


@pytest.mark.parametrize(
    ("shape", "note"),
    [
        (traces.late, "begins late"),
        (traces.cut, "largest size"),
        (lambda: traces.of(traces.start()), "before the request ended"),
    ],
)
def test_what_is_missing_is_said(shape: object, note: str) -> None:
    trace = reader.parse(writer.write(shape()), "x")  # type: ignore[operator]
    assert [note in text for text in trace.notes] == [True]


def test_a_file_that_breaks_off_is_read_to_its_last_event() -> None:
    data = writer.write(traces.missing())
    end = data.index(b"HANDLER_CHANGED")
    trace = reader.parse(data[:end], "x")
    assert len(trace.events) == 8
    assert "breaks off" in trace.notes[0]
    assert trace.url == "https://www.garden.example:443/tulips.html"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "not a failed-request trace"),
        (b"<html></html>", "root element is 'html'"),
        (
            b'<!DOCTYPE failedRequest [<!ENTITY a "b">]><failedRequest url="&a;"/>',
            "has a DOCTYPE",
        ),
        (
            '\ufeff<!DOCTYPE failedRequest SYSTEM "http://x/"><failedRequest/>'.encode("utf-16"),
            "has a DOCTYPE",
        ),
        (b"\0" * 100, "not a failed-request trace"),
    ],
)
def test_what_is_not_a_trace(data: bytes, words: str) -> None:
    with pytest.raises(TraceError, match=words) as caught:
        reader.parse(data, "odd.xml")
    assert str(caught.value).startswith("odd.xml")


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_BYTES", 1000)
    with pytest.raises(TraceError, match="more than"):
        reader.parse(SMALL_BYTES, "large.xml")


def test_saved_again_with_other_encodings() -> None:
    text = SMALL_BYTES.decode()
    sixteen = text.replace("UTF-8", "UTF-16").encode("utf-16")
    assert reader.parse(sixteen, "x").events == reader.parse(SMALL_BYTES, "x").events
    latin = SMALL_BYTES.replace(b"HOST", b"H\xd6ST")
    read = reader.parse(latin, "x")
    assert read.events[0].computer == "H\ufffdST"
    assert "not UTF-8" in read.notes[0]


def test_events_are_known_by_their_key_where_the_name_is_missing() -> None:
    data = SMALL_BYTES.replace(b"<Opcode>GENERAL_FLUSH_RESPONSE_END</Opcode>", b"")
    assert reader.parse(data, "x").events[0].name == "GENERAL_FLUSH_RESPONSE_END"


def test_failed_in() -> None:
    assert traces.missing().failed_in == ("IIS Web Core", "MAP_REQUEST_HANDLER")
    ended = traces.of(traces.module("GardenModule", traces.BEGIN, status="2"), statusCode="500")
    assert ended.failed_in == ("GardenModule", "BEGIN_REQUEST")
    assert traces.of(traces.start(), statusCode="200").failed_in == ("", "")


# -- secrets ---------------------------------------------------------------------------------------


def _secretive() -> FrebTrace:
    return traces.of(
        [
            *traces.start("https://www.garden.example:443/?token=abc123456&x=1"),
            traces.at("GENERAL_SET_REQUEST_HEADER", "Authorization", "Bearer tok-en-value", "true"),
            traces.at("FILTER_SET_REQ_HEADER", "Cookie:", "a=b; session=very-secret-value"),
            traces.at("CONDITION_EVALUATION", "{HTTP_COOKIE}", "a=b", "0", "b", "false", "true"),
            traces.at("PATTERN_MATCH", ".*", "x/very-secret-value", "false", "true"),
            traces.at("GENERAL_RESPONSE_HEADERS", "Set-Cookie: id=another-secret; path=/\r\n"),
        ],
        url="https://www.garden.example:443/?token=abc123456&x=1",
    )


def test_secrets_are_masked_wherever_they_stand() -> None:
    text = writer.write(trace_masking.masked(_secretive())).decode()
    for secret in ("very-secret", "tok-en", "another-secret", "abc123456", "theme=dark"):
        assert secret not in text
    assert "Cookie: session=********; theme=********\r\n" in text
    assert ">Bearer ********<" in text
    assert "Set-Cookie: id=********; path=/" in text
    assert "x/********" in text
    assert "x=1" in text


def test_masking_changes_nothing_else() -> None:
    trace = traces.of([traces.at("PATTERN_MATCH", "publicKeyToken=b77", "a=b", "false", "true")])
    assert trace_masking.masked(trace) == trace


# -- for people ------------------------------------------------------------------------------------


def test_story() -> None:
    told = trace_text.text(traces.missing()).splitlines()
    assert told[0] == (
        "GET https://www.garden.example:443/tulips.html -> 404.0 in 16 ms (STATUS_CODE)"
    )
    assert told[1] == "failed in IIS Web Core, MAP_REQUEST_HANDLER"
    for line in (
        "PRE_BEGIN_REQUEST: Rewrite",
        f"handler StaticFile: {traces.MODULES}",
        "BEGIN_REQUEST: RequestFiltering",
        "  distributed rules for /tulips.html",
        "    rule 'to https' does not apply",
        "      'tulips.html' matches *",
        "        {HTTPS} = 'on' against OFF: does not hold",
        "        {HTTP_COOKIE} = '********' against x: does not hold",
        r"D:\sites\garden\tulips.html: The system cannot find the file specified. (0x80070002)",
    ):
        assert line in told
    assert "very-secret-value" not in "".join(told)
    assert sum("[16 ms]" in line for line in told) == 1


def test_every_event_on_a_line() -> None:
    trace = traces.missing()
    assert len(trace_text.text(trace, every=True).splitlines()) == 3 + len(trace.events)


def test_an_event_that_never_ends_holds_nothing() -> None:
    nodes = trace_text.tree(traces.managed().events)
    inside = next(
        node for node in nodes[0].children if node.event["ModuleName"] == "ManagedPipelineHandler"
    )
    assert [node.event.name for node in inside.children] == ["AspNetStart", "AspNetPipelineEnter"]


@pytest.mark.parametrize("shape", SHAPES)
def test_json_and_page(shape: object) -> None:
    trace = shape()  # type: ignore[operator]
    answer = hold("freb", json.dumps(trace_text.as_json(trace)))
    assert len(answer["events"]) == len(trace.events)
    html = page([trace]).decode()
    assert "very-secret-value" not in html + json.dumps(answer)
    assert "<script" not in html


def test_page_escapes() -> None:
    trace = traces.of(traces.start(), url="http://x/<script>alert(1)</script>")
    assert b"<script>" not in page([trace, traces.missing()])


# -- folders, zips, the command --------------------------------------------------------------------


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "LogFiles" / "W3SVC3"
    folder.mkdir(parents=True)
    (folder / "fr000001.xml").write_bytes(writer.write(traces.missing()))
    slow = traces.of(traces.start(), statusCode="200", failureReason="TIME_TAKEN", timeTaken="900")
    (folder / "fr000002.xml").write_bytes(writer.write(slow))
    (folder / "other.xml").write_text("<a/>")
    return tmp_path / "LogFiles"


def _zipped(folder: Path) -> Path:
    archive = folder.parent / "logs.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as stream:
        for path in sorted(folder.rglob("*")):
            stream.write(path, path.relative_to(folder.parent))
    return archive


@pytest.mark.parametrize("pack", [lambda folder: folder, _zipped])
def test_listing(tmp_path: Path, pack: object) -> None:
    path = pack(_folder(tmp_path))  # type: ignore[operator]
    run = CliRunner().invoke(main, ["freb", str(path), "--sort", "time"])
    assert run.exit_code == 0, run.output
    head, slow, failed, note = run.output.splitlines()
    assert head.split() == ["STATUS", "TIME", "MODULE", "REQUEST", "FILE"]
    assert slow.startswith("200     900 ms")
    assert "IIS Web Core MAP_REQUEST_HANDLER" in failed
    assert "before the request ended" in note
    shown = failed.split()[-1]
    run = CliRunner().invoke(main, ["freb", shown])
    assert run.output.startswith("GET https://www.garden.example:443/tulips.html -> 404.0")


def test_listing_as_json_and_filtered(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    run = CliRunner().invoke(main, ["freb", str(folder), "--json", "--status", "404"])
    [row] = hold("freb-list", run.output)
    assert (row["status"], row["siteId"], row["timeTaken"]) == ("404.0", "3", 16)
    run = CliRunner().invoke(main, ["freb", str(folder), "--failed-in", "nobody"])
    assert run.output == "No trace was found.\n"


def test_page_of_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    run = CliRunner().invoke(main, ["freb", str(_folder(tmp_path)), "--html", str(target)])
    assert run.exit_code == 0, run.output
    text = target.read_text()
    assert "2 traces" in text
    assert '<p class="reason">IIS Web Core answers 404.0 Not Found in MAP_REQUEST_HANDLER' in text
    assert "Map<wbr>Request<wbr>Handler<small>IIS Web Core" in text


def test_a_page_shows_what_was_matched(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    match = traces.at("PATTERN_MATCH", "^a(.)", "ab/c", "false", "true")
    source = tmp_path / "fr000001.xml"
    rule = traces.at("RULE_EVALUATION_START", "R", "ab/c", "", "0", "false", "/")
    end = traces.at("RULE_EVALUATION_END", "R", "x", "", "false", "true")
    source.write_bytes(writer.write(traces.of([*traces.start(), rule, match, end])))
    run = CliRunner().invoke(main, ["freb", str(source), "--html", str(target)])
    assert run.exit_code == 0, run.output
    assert '<mark>a<mark class="c" title="group 1">b</mark></mark>/c' in target.read_text()


def test_damaged_files_are_named_and_the_others_shown(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "fr000009.xml").write_text("nothing")
    run = CliRunner().invoke(main, ["freb", str(folder)])
    assert run.exit_code == 2
    assert "fr000009.xml is not a failed-request trace" in run.output
    assert "tulips.html" in run.output


def test_damaged_zip(tmp_path: Path) -> None:
    archive = _zipped(_folder(tmp_path))
    data = bytearray(archive.read_bytes())
    data[200:400] = bytes(200)
    archive.write_bytes(data)
    found = list(listing.traces([archive]))
    assert any(isinstance(trace, TraceError) for trace in found)


def test_missing_file() -> None:
    run = CliRunner().invoke(main, ["freb", "no/such.xml"])
    assert (run.exit_code, run.output) == (
        2,
        "fcgiemu: no/such.xml cannot be read: No such file or directory.\n",
    )
