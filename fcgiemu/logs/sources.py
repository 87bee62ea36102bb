"""Where logs come from: files, folders, patterns, standard input, URLs; unpacked as they are read.

What a file is packed with is told from its first bytes. Nothing is unpacked as a whole: blocks go
through, so neither memory nor disk holds a log.
"""

from __future__ import annotations

import bz2
import codecs
import glob
import importlib
import io
import lzma
import os
import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Protocol

from ..errors import SiteError, beside

#: Bytes that are read at a time: they stay in the processor's cache while they are looked through.
BLOCK = 1 << 20
#: Of packed bytes: the text of a log in them is a block that the allocator keeps, and does not ask
#: the system for each time. zlib makes a thousand times as much of them at most.
_PACKED_BLOCK = 1 << 15
_LONGEST_LINE = 64 << 20
#: glibc's allocator asks the system for every block of more than 128 KB, until one has been freed
#: that is larger (mallopt(3), M_MMAP_THRESHOLD); the pages cost as much as unpacking does.
_KEPT_BY_ALLOCATOR = 16 << 20
STDIN = "-"
#: What reading a file, an archive or a packed stream raises.
_DEFECTS = (OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
#: What libraries raise that need not be installed.
_ERRORS_OF_EXTRAS = ("IsalError", "ZstdError")
_DAMAGED = "its compression is damaged"
_GZIP = b"\x1f\x8b"
#: zip, with something in it and without.
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06")
_URL = re.compile(r"[a-z][a-z0-9+.:-]*://")


class Unreadable(Exception):
    """A source that cannot be read, or not to its end; the words say why."""


@dataclass(frozen=True, slots=True)
class LogSource:
    """One log. ``size`` in bytes as it lies there, 0 where unknown; ``stamp`` changes with its
    content.
    """

    name: str
    size: int = 0
    stamp: str = ""

    @property
    def is_local(self) -> bool:
        return self.name != STDIN and not is_url(self.name)


def is_url(name: str) -> bool:
    """Whether a name is one for fsspec (``az://``, ``s3://``, ``https://``)."""
    return _URL.match(name) is not None


# -- listing ---------------------------------------------------------------------------------------


def listed(names: Iterable[str]) -> list[LogSource]:
    """The logs that ``names`` stand for, each once, sorted by name. Raises SiteError."""
    found: dict[str, LogSource] = {}
    for name in names:
        for source in _listed(name):
            key = os.path.realpath(source.name) if source.is_local else source.name
            found.setdefault(key, source)
    return sorted(found.values(), key=lambda source: source.name)


def _listed(name: str) -> list[LogSource]:
    if name == STDIN:
        return [LogSource(STDIN)]
    if is_url(name):
        return _remote(name)
    if os.path.isdir(name):
        files = sorted(
            os.path.join(folder, file) for folder, _, below in os.walk(name) for file in below
        )
    elif os.path.exists(name):
        files = [name]
    else:
        files = sorted(file for file in glob.glob(name, recursive=True) if os.path.isfile(file))
    if not files:
        raise SiteError(
            f"There is no log {name}.",
            "Name a file, a folder, a pattern in quotes ('logs/**/*.log.gz'), a URL, or - for"
            " standard input.",
        )
    return [_local(file) for file in files]


def _local(file: str) -> LogSource:
    info = os.stat(file)
    return LogSource(file, info.st_size, str(info.st_mtime_ns))


def _remote(url: str) -> list[LogSource]:
    """A URL, or those that its pattern or folder stands for."""
    file_system, path = _file_system(url)
    scheme = url.partition("://")[0]
    try:
        if scheme in ("http", "https"):
            return [LogSource(url)]
        if any(mark in path for mark in "*?["):
            paths = file_system.glob(path)
        else:
            paths = [path] if file_system.isfile(path) else file_system.find(path)
        details = [(one, file_system.info(one)) for one in sorted(paths)]
        details = [(one, info) for one, info in details if info.get("type") == "file"]
    except Exception as error:  # every file system has errors of its own
        raise SiteError(f"{url} cannot be listed: {_words(error)}.") from error
    if not details:
        raise SiteError(f"There is no log at {url}.", "Check the container, and the pattern.")
    return [
        LogSource(
            f"{scheme}://{one.removeprefix(f'{scheme}://')}",
            int(info.get("size") or 0),
            str(info.get("etag") or info.get("mtime") or info.get("last_modified") or ""),
        )
        for one, info in details
    ]


def _file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it. Raises SiteError."""
    try:
        fsspec = importlib.import_module("fsspec")
    except ImportError as error:
        raise SiteError(
            f"{url} needs fsspec, which is not installed.",
            f"Run: {beside('fcgiemu[logs]')}",
        ) from error
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SiteError(
            f"{url}: {_words(error)}.",
            "Install the package that fsspec needs for it, such as adlfs for az:// or s3fs for"
            " s3://.",
        ) from error
    return found


def _words(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).rstrip(".").splitlines()[0]


def look_alike(sources: Sequence[LogSource]) -> list[str]:
    """Names of logs that seem to be there twice: packed and unpacked."""
    names = {source.name for source in sources}
    return sorted(
        name for name in names for end in (".gz", ".zst", ".bz2", ".zip") if name + end in names
    )


def share(sources: Sequence[LogSource], part: int, parts: int) -> list[LogSource]:
    """The sources of one machine out of several: shares of about the same size."""
    loads = [0] * parts
    chosen: list[LogSource] = []
    for source in sorted(sources, key=lambda one: (-one.size, one.name)):
        lightest = loads.index(min(loads))
        loads[lightest] += source.size + 1
        if lightest == part - 1:
            chosen.append(source)
    return sorted(chosen, key=lambda one: one.name)


# -- reading ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogStream:
    """The unpacked text of a log. ``name`` says where it comes from, members of archives
    included.
    """

    name: str
    blocks: Iterator[bytes]


def streams(source: LogSource) -> Iterator[LogStream]:
    """The texts of a source: one, or one a member of an archive. Raises Unreadable."""
    bytes(_KEPT_BY_ALLOCATOR)
    with _told(source), _opened(source) as file:
        for stream in _unpacked(source.name, file, 0):
            yield LogStream(stream.name, _watched(source, stream.blocks))


def _watched(source: LogSource, blocks: Iterator[bytes]) -> Iterator[bytes]:
    with _told(source):
        yield from blocks


@contextmanager
def _told(source: LogSource) -> Iterator[None]:
    """What goes wrong with a source as Unreadable."""
    try:
        yield
    except (SiteError, *_DEFECTS) as error:
        raise Unreadable(_words(error)) from error
    except Unreadable:
        raise
    except Exception as error:  # every remote file system has errors of its own
        if not is_url(source.name):
            raise
        raise Unreadable(_words(error)) from error


def _opened(source: LogSource) -> IO[bytes]:
    if source.name == STDIN:
        return io.BufferedReader(_Shared(sys.stdin.buffer))
    if not source.is_local:
        file_system, path = _file_system(source.name)
        opened: IO[bytes] = file_system.open(path, "rb")
        return opened
    return open(source.name, "rb")


class _Shared(io.RawIOBase):
    """A stream that stays open when its reader is closed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        data = self._stream.read(len(target))
        target[: len(data)] = data
        return len(data)


def _unpacked(name: str, file: IO[bytes], depth: int) -> Iterator[LogStream]:
    head = file.read(8)
    for magic, message in _REFUSED.items():
        if head.startswith(magic):
            raise Unreadable(message)
    if head.startswith(_ARCHIVES):
        if depth > 1:
            raise Unreadable("it is an archive in an archive in an archive: unpack it")
        yield from _members(name, _seekable(head, file), depth + 1)
        return
    for magic, maker in _UNPACKERS.items():
        if head.startswith(magic):
            yield LogStream(name, _expanded(head, file, maker))
            return
    yield LogStream(name, _plain(head, file))


def _seekable(head: bytes, file: IO[bytes]) -> IO[bytes]:
    """The whole of a file as one in which ``zipfile`` can move."""
    if file.seekable():
        file.seek(0)
        return file
    kept = tempfile.SpooledTemporaryFile(max_size=BLOCK)
    kept.write(head)
    while block := file.read(BLOCK):
        kept.write(block)
    kept.seek(0)
    return kept


def _members(name: str, file: IO[bytes], depth: int) -> Iterator[LogStream]:
    try:
        with zipfile.ZipFile(file) as archive:
            if not archive.infolist():
                raise Unreadable("the archive is empty")
            for member in sorted(archive.infolist(), key=lambda one: one.filename):
                if not member.is_dir():
                    own = f"{name}/{member.filename}"
                    try:
                        with archive.open(member) as stream:
                            yield from _unpacked(own, stream, depth)
                    except Unreadable as error:
                        yield LogStream(own, _failing(error))
    except (RuntimeError, *_DEFECTS) as error:  # RuntimeError: a password is wanted
        raise Unreadable(f"the archive cannot be read: {_words(error)}") from error


def _failing(error: Unreadable) -> Iterator[bytes]:
    """A member that cannot be read: the others can."""
    raise error
    yield b""


def _plain(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    if head:
        yield head + file.read(BLOCK)
    while block := file.read(BLOCK):
        yield block


class Unpacker(Protocol):
    """What zlib, bz2, lzma and zstandard have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _zstandard() -> Unpacker:
    for module, name in (("compression.zstd", "ZstdDecompressor"), ("zstandard", "")):
        try:
            found = importlib.import_module(module)
        except ImportError:
            continue
        made: Unpacker = (
            getattr(found, name)() if name else found.ZstdDecompressor().decompressobj()
        )
        return made
    raise Unreadable(f"zstd needs a package that is not installed. Run: {beside('fcgiemu[logs]')}")


def _gzip() -> Unpacker:
    """ISA-L's reader of gzip where it is installed, several times as fast; else zlib's."""
    try:
        module: Any = importlib.import_module("isal.isal_zlib")
    except ImportError:
        module = zlib
    made: Unpacker = module.decompressobj(31)
    return made


_UNPACKERS: dict[bytes, Callable[[], Unpacker]] = {
    _GZIP: _gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
    b"\x28\xb5\x2f\xfd": _zstandard,
}
_REFUSED = {
    b"7z\xbc\xaf\x27\x1c": "it is a 7z archive: unpack it",
    b"Rar!": "it is a RAR archive: unpack it",
    b"PAR1": "it is a Parquet file, which is not read: export CSV or JSON",
    b"SQLite f": "it is a SQLite database, not a log",
}


def is_packed(head: bytes) -> bool:
    """Whether a file with this beginning is to be unpacked."""
    return head.startswith((*_UNPACKERS, *_ARCHIVES))


def _texts(unpacker: Unpacker, data: bytes) -> Iterator[bytes]:
    """What packed bytes hold, in bounded pieces where the packer can do that."""
    if not isinstance(unpacker, bz2.BZ2Decompressor | lzma.LZMADecompressor):
        yield unpacker.decompress(data)
        return
    yield unpacker.decompress(data, BLOCK)
    while not unpacker.eof and not unpacker.needs_input:
        yield unpacker.decompress(b"", BLOCK)


def _is_damage(error: Exception) -> bool:
    """Whether a library says that packed bytes are wrong, not that they cannot be read."""
    if isinstance(error, OSError):  # of bz2
        return error.errno is None
    known = isinstance(error, ValueError | EOFError | zlib.error | lzma.LZMAError)
    return known or type(error).__name__ in _ERRORS_OF_EXTRAS


def _expanded(head: bytes, file: IO[bytes], maker: Callable[[], Unpacker]) -> Iterator[bytes]:
    """The text of a packed stream, of all the members that follow each other in it."""
    unpacker, begun = maker(), True
    data = head + file.read(_PACKED_BLOCK)
    try:
        while data:
            yield from _texts(unpacker, data)
            if unpacker.eof:
                data = unpacker.unused_data or file.read(_PACKED_BLOCK)
                data = data.lstrip(b"\0") or file.read(_PACKED_BLOCK)  # padding of tapes
                if maker is _gzip and data and not data.startswith(_GZIP):
                    raise Unreadable(_DAMAGED)  # ISA-L would wait for more of it
                unpacker, begun = maker(), bool(data)
            else:
                data = file.read(_PACKED_BLOCK)
    except Exception as error:
        if not _is_damage(error):
            raise
        raise Unreadable(_DAMAGED) from error
    if begun:
        raise Unreadable("it ends in the middle of its compression")


# -- lines -----------------------------------------------------------------------------------------


UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def in_utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of a text, in UTF-8 where it is marked as UTF-16: ``>`` of Windows PowerShell writes
    that.
    """
    decoder: codecs.IncrementalDecoder | None = None
    for number, block in enumerate(blocks):
        if number == 0 and block.startswith(_UTF16_MARKS):
            decoder = codecs.getincrementaldecoder("utf-16")("replace")
        yield decoder.decode(block).encode() if decoder else block


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks cut behind the last line end, without the mark of UTF-8 at the head; the last one may
    lack its line end. Lines of the old Mac, which end with CR alone, get the usual end.
    """
    rest, first, is_mac = b"", True, False
    for block in in_utf8(blocks):
        if first:
            block, first = block.removeprefix(UTF8_MARK), False
            is_mac = b"\n" not in block and b"\r" in block[:-1]
        if is_mac:
            block = block.replace(b"\r", b"\n")
        end = block.rfind(b"\n") + 1
        if not end:
            rest += block
            if len(rest) > _LONGEST_LINE:
                raise Unreadable("a line is longer than 64 MB")
            continue
        yield b"".join((rest, memoryview(block)[:end]))  # one copy
        rest = block[end:]
    if rest:
        yield rest


def number_of(byte: bytes, block: bytes) -> int:
    """How often a byte is there: to take it out is seven times as fast as ``count``."""
    return len(block) - len(block.replace(byte, b""))


def line_ends(block: bytes) -> int:
    """How many line ends there are."""
    return number_of(b"\n", block)


def as_utf8(block: bytes, encoding: str) -> bytes:
    """A block of lines in UTF-8: lines that are not are taken as ``encoding`` (an ANSI code page),
    and marks of files that were joined are left out.
    """
    if block.isascii():
        return block
    block = block.replace(b"\n" + UTF8_MARK, b"\n")
    try:
        block.decode()
    except UnicodeDecodeError:
        return b"\n".join(_line_as_utf8(line, encoding) for line in block.split(b"\n"))
    return block


def _line_as_utf8(line: bytes, encoding: str) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        try:
            return line.decode(encoding).encode()
        except UnicodeDecodeError:  # five bytes of cp1252 stand for nothing
            return line.decode("latin-1").encode()
    return line
