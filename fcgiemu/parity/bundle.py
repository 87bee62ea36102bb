"""What the capture kit collected from a server with IIS: read, unpacked as a site, compared.

A bundle is a zip (or the folder of one) that strangers send: sizes and counts are bounded, names
that lead out of a folder are refused, and nothing in it is executed.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import SiteError
from ..freb import reader, wire
from ..freb.model import FrebTrace, TraceError
from ..site import Site
from . import trace_replay
from .answer_differences import AnswerDifference, ComparisonPolicy, differences
from .requesting import LiveAnswer, Question, origin

FORMAT = "fcgiemu-capture"
#: Bytes of one part, and parts, that are read.
MAX_PART = 64 * 1024 * 1024
MAX_PARTS = 50_000
#: Files of the site that are made as placeholders, and bytes of one.
MAX_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Captured:
    """One answer of the server: the request, status, reason, headers."""

    method: str
    url: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]


@dataclass(slots=True, kw_only=True)
class Bundle:
    """A bundle. ``files`` are the site's files by relative path, with their sizes, folders with a
    final slash; ``problems`` says what could not be read.
    """

    source: str
    about: dict[str, Any]
    configurations: dict[str, bytes] = field(default_factory=dict)
    host_config: bytes | None = None
    files: dict[str, int] = field(default_factory=dict)
    traces: list[FrebTrace] = field(default_factory=list)
    answers: list[Captured] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def site_name(self) -> str:
        site = self.about.get("site")
        return str(site.get("name", "")) if isinstance(site, dict) else ""


def read(path: Path) -> Bundle:
    """The bundle in a zip or a folder. Raises SiteError where it is none."""
    parts = _from_folder(path) if path.is_dir() else _from_zip(path)
    about: dict[str, Any] | None = None
    bundle = Bundle(source=str(path), about={})
    for name, data in parts:
        if name == "bundle.json":
            about = _about(data, path)
        else:
            _add(bundle, name, data)
    if about is None:
        raise SiteError(
            f"{path} is not a capture: it has no bundle.json.",
            "Make one with the script that fcgiemu capture --kit FOLDER writes.",
        )
    bundle.about = about
    return bundle


def _about(data: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise SiteError(f"{path}: bundle.json is not JSON: {error}.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise SiteError(f"{path}: bundle.json does not say that it is a capture.")
    if found.get("version") != 1:
        raise SiteError(
            f"{path} is a capture of version {found.get('version')}, only 1 is known.",
            "Use a newer fcgiemu.",
        )
    return found


def _from_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for count, file in enumerate(sorted(path.rglob("*"))):
        if count > MAX_PARTS:
            raise SiteError(f"{path} has more than {MAX_PARTS} files.")
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as stream:
                yield file.relative_to(path).as_posix(), stream.read(MAX_PART)


def _from_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    """The members of a zip, each read no further than it may be long."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_PARTS:
                raise SiteError(f"{path} has more than {MAX_PARTS} members.")
            for entry in entries:
                with archive.open(entry) as stream:
                    yield entry.filename.replace("\\", "/"), stream.read(MAX_PART)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SiteError(
            f"{path} cannot be read as a capture: {reason}.",
            "fcgiemu capture --kit FOLDER writes the script that makes one.",
        ) from error


def _add(bundle: Bundle, name: str, data: bytes) -> None:
    """Put a part where it belongs; what is not known is passed over."""
    folder, _, rest = name.partition("/")
    if not _is_safe(name):
        bundle.problems.append(f"{name} points outside its folder; it was left out")
    elif name == "config/applicationHost.config":
        bundle.host_config = data
    elif folder == "site" and rest.lower().rpartition("/")[2] == "web.config":
        bundle.configurations[rest] = data
    elif name == "files.txt":
        _add_files(bundle, data)
    elif folder == "traces" and name.lower().endswith(".xml"):
        try:
            bundle.traces.append(reader.parse(data, name))
        except TraceError as error:
            bundle.problems.append(str(error))
    elif name == "answers.json":
        _add_answers(bundle, data)


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    bad = any(part in ("..", "") or ":" in part or "\0" in part for part in path.parts)
    return bool(name) and not bad and not path.is_absolute() and "\\" not in name


def _add_files(bundle: Bundle, data: bytes) -> None:
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        name, tab, size = line.partition("\t")
        if not line.strip():
            continue
        if not tab or not size.isdecimal() or len(size) > 15 or not _is_safe(name):
            bundle.problems.append(f"files.txt:{number}: this line is not a name and a size")
        elif len(bundle.files) < MAX_FILES:
            bundle.files[name] = int(size)


def _add_answers(bundle: Bundle, data: bytes) -> None:
    try:
        entries = json.loads(data.decode("utf-8-sig"))
        bundle.answers = [_captured(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        bundle.problems.append(f"answers.json cannot be read: {error!r}")


def _captured(entry: dict[str, Any]) -> Captured:
    request = entry["request"]
    return Captured(
        str(request["method"]),
        str(request["url"]),
        int(entry["status"]),
        str(entry.get("reason", "")),
        tuple((str(name), str(value)) for name, value in entry["headers"]),
    )


def unpack(bundle: Bundle, folder: Path) -> Path:
    """The site of a bundle as a folder: its web.config files, and an empty file for every other one
    (sparse, of its size), so that rules and handlers find what they ask for.

    ``folder`` is to be empty; the host configuration lies beside the site. Returns the site.
    """
    site = folder / "site"
    site.mkdir()
    for name, size in bundle.files.items():
        target = site / name.rstrip("/")
        try:
            if name.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                stream.truncate(min(size, MAX_PART))
        except OSError as error:
            bundle.problems.append(f"{name} cannot be made here: {error.strerror}")
    for name, data in bundle.configurations.items():
        target = site / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    if bundle.host_config is not None:
        (folder / "applicationHost.config").write_bytes(bundle.host_config)
    return site


@dataclass(frozen=True, slots=True)
class Checked:
    """One trace or answer of a bundle, and what differs here; nothing where all is the same."""

    what: str
    found: str
    differs: bool


def check(bundle: Bundle, site: Site) -> Iterator[Checked]:
    """Every trace and every answer of a bundle, compared with the site."""
    for trace in bundle.traces:
        try:
            compared = trace_replay.compare(trace, site)
        except TraceError as error:
            bundle.problems.append(str(error))
            continue
        yield Checked(
            f"{trace.source}: {trace.verb} {trace.url}",
            trace_replay.text(compared),
            compared.difference is not None,
        )
    for captured in bundle.answers:
        found = [
            f"{difference.aspect}: server {difference.live}, here {difference.local}"
            for difference in _answer_differences(captured, site)
        ]
        what = f"{captured.method} {captured.url} -> {captured.status}"
        yield Checked(what, "\n".join(found) or "no difference", bool(found))


def _answer_differences(captured: Captured, site: Site) -> Iterator[AnswerDifference]:
    """Status, Location and headers, as far as they can be known without running the application;
    bodies are not compared: the site has none here.
    """
    where = origin(captured.url)
    answer = site.explain(captured.url, captured.method, remote_addr="203.0.113.1")
    status = answer["outcome"]["status"]
    if status is None:
        return
    headers: tuple[tuple[str, str], ...] = ()
    for event in answer.get("trace", []):
        data = event["data"]
        if event["name"] == "GENERAL_RESPONSE_HEADERS" and isinstance(data, dict):
            headers = tuple(wire.pairs(str(data.get("Headers", ""))))
    target = captured.url[len(captured.url.partition("://")[0]) + 3 :]
    target = "/" + target.partition("/")[2]
    policy = ComparisonPolicy(where, where, ignored=frozenset({"content-length"}))
    server = LiveAnswer(captured.status, captured.headers)
    here = LiveAnswer(int(status), headers)
    yield from differences(Question(target, "HEAD"), server, here, policy)
