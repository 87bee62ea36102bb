"""Pages whose commands are executed and whose outputs are compared.

A page is run from the top down, in an empty folder. What its fenced blocks mean:

- ``console``: a line ``$ command`` is run, the lines below it are what it prints. ``…`` stands for anything in a line; a
  line of ``…`` for any lines. ``fcgiemu serve`` goes on in the background, as in a terminal of its own, until the page
  starts it again or ends; ``$ curl`` asks it.
- ``console title="…"``: no command of its own, but lines that the running ``serve`` has printed.
- any other block with ``title="name"``: the file of that name. One that is there already is replaced, and a running
  ``serve`` has to notice.
- ``title="name (a part)"``, and blocks without a title: shown, not used.

Compared is what remains when folders, times, ports and versions of Python are the same everywhere. What needs a package index is
replaced (``STAND_INS``). ``python -m tests.documents PAGE…`` writes today's outputs into the pages.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .live.server import LiveServer
from .sites import make_env, write

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: How-to pages whose commands want what a test cannot have; each says why, and what is tested in their place.
NOT_RUN = {"certificate", "debugging", "docker"}
#: The pages that are run; README's commands begin in a clone.
PAGES = [
    ROOT / "README.md",
    *sorted((DOCS / "tutorials").glob("*.md")),
    *(page for page in sorted((DOCS / "howto").glob("*.md")) if page.stem not in NOT_RUN),
]
#: Where the reader of a page is, and the folder in which the others of a clone lie.
HOME = "/home/you"
_ENDLESS = re.compile(r"fcgiemu serve\b(?!.*--help)")
_WATCHED = re.compile(r".*\.(py|config)$|.*/templates/")
#: Different on every machine and at every time -> what is compared.
_VARYING = [
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "16:02:11"),
    (re.compile(r"\b\d+(\.\d+)? ms\b"), "12.0 ms"),
    (re.compile(r"(?i)(?<=python)3\d\d(?!\d)"), "312"),
    (re.compile(r"\b3\.(?:11|12|13|14)(?:\.\d+)?\b"), "3.12"),
    (re.compile(r"\bin \d+\.\d+s\b"), "in 0.01s"),
]


@dataclass(kw_only=True)
class Block:
    """A fenced block: its place in the page's lines (from the line below the fence), what the fence says, its lines."""

    first: int
    language: str
    title: str
    lines: list[str]


@dataclass(kw_only=True)
class Output:
    """What the page says that a command prints, and what it printed. ``first`` is the line of the page."""

    first: int
    command: str
    said: list[str]
    printed: list[str]

    @property
    def agrees(self) -> bool:
        return matches([same(line) for line in self.said], [same(line) for line in self.printed])


def same(line: str) -> str:
    """A line without what differs from machine to machine."""
    for varying, fixed in _VARYING:
        line = varying.sub(fixed, line)
    return line.rstrip()


def matches(said: list[str], printed: list[str]) -> bool:
    """Whether lines are as a page says; ``…`` stands for anything."""
    pattern = "".join(
        r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in said
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    block: Block | None = None
    for number, line in enumerate(page.read_text("utf-8").splitlines()):
        fence = re.match(r"```(\w*)\s*(?:title=\"([^\"]*)\")?", line)
        if fence is None:
            if block is not None:
                block.lines.append(line)
        elif block is None:
            block = Block(first=number + 1, language=fence[1], title=fence[2] or "", lines=[])
        else:
            yield block
            block = None


class Terminal:
    """Runs the blocks of one page, in ``folder``."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.home, self.folder, self.stack = folder, folder, stack
        self.server: LiveServer | None = None
        self.outputs: list[Output] = []
        self._asked = 0

    def do(self, block: Block) -> None:
        if block.language == "console" and block.title:
            self._server_says(block)
        elif block.language == "console":
            for command in _commands(block):
                command.printed = self._shown(self._run(command.command))
                self.outputs.append(command)
        elif block.title and "(" not in block.title:
            self._write(block)

    def _server_says(self, block: Block) -> None:
        """Lines of the server's log: each is waited for, in this order."""
        assert self.server is not None, "no serve is running"
        for number, line in enumerate(block.lines):
            pattern = re.escape(same(line)).replace("…", ".*")
            loose = pattern
            for varying, fixed in _VARYING:
                loose = loose.replace(re.escape(fixed), f"(?:{varying.pattern})")
            found = self.server.wait_for(loose).string.rstrip("\n")
            self.outputs.append(
                Output(
                    first=block.first + number,
                    command="(serve)",
                    said=[line],
                    printed=self._shown([found]),
                )
            )

    def _write(self, block: Block) -> None:
        path = self.folder / block.title
        watching = self.server is not None and "\n  workers " in self.server.log()
        noticed = watching and path.exists() and _WATCHED.fullmatch(block.title)
        after = self.server.line_count if self.server is not None else 0
        write(self.folder, {block.title: "\n".join(block.lines) + "\n"})
        if noticed:
            assert self.server is not None
            self.server.wait_for(re.escape(block.title) + " changed", after)

    def _run(self, command: str) -> list[str]:
        """What a command prints."""
        if moved := re.fullmatch(r"(?:mkdir (\S+) && )?cd (\S+)", command):
            if moved[1]:
                (self.folder / moved[1]).mkdir()
            self.folder = (self.folder / moved[2]).resolve()
            return []
        for pattern, stand_in in STAND_INS.items():
            if found := re.fullmatch(pattern, command):
                stand_in(self.folder, found)
                return []
        if _ENDLESS.match(command):
            return self._serve(shlex.split(command)[2:])
        if command.startswith("curl "):
            assert self.server is not None, "no serve is running"
            command = command.replace("127.0.0.1:8000", f"127.0.0.1:{self.server.port}")
            command = command.replace("curl ", "curl -sS ", 1)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return done.stdout.splitlines()

    def _serve(self, words: list[str]) -> list[str]:
        """Starts a server in place of the one before; its report."""
        if self.server is not None:
            self.server.stop()
        named = words[0] if words and not words[0].startswith("-") else "."
        options = words[1:] if named != "." or words[:1] == ["."] else words
        self.server = self.stack.enter_context(
            LiveServer((self.folder / named).resolve(), options, environment=_environment())
        )
        report, _, _ = self.server.log().partition("(Ctrl-C stops)\n")
        return f"{report}(Ctrl-C stops)".splitlines()

    def _shown(self, lines: list[str]) -> list[str]:
        """Lines as they are in the home folder of the reader."""
        port = f":{self.server.port}" if self.server is not None else ":8000"
        places = {
            port: ":8000",
            str(self.home): HOME,
            str(ROOT): f"{HOME}/fcgiemu",
            str(Path(sys.executable).resolve()): "/usr/bin/python3.12",
        }
        for place, shown in places.items():
            lines = [line.replace(place, shown) for line in lines]
        return [line.rstrip() for line in lines]


def _commands(block: Block) -> Iterator[Output]:
    """The commands of a console block; one that goes on behind a backslash is one."""
    current: Output | None = None
    for number, line in enumerate(block.lines):
        if line.startswith("$ "):
            if current is not None:
                yield current
            current = Output(first=block.first + number + 1, command=line[2:], said=[], printed=[])
        elif current is not None and current.command.endswith("\\") and not current.said:
            current.command = current.command[:-1] + line.strip()
            current.first += 1
        elif current is not None:
            current.said.append(line)
    if current is not None:
        yield current


def _environment() -> dict[str, str]:
    """The fcgiemu of this interpreter comes first, nothing is coloured, lines are 120 wide."""
    scripts = Path(sys.executable).parent
    kept = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    return {
        **kept,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "GIT_AUTHOR_NAME": "You",
        "GIT_COMMITTER_NAME": "You",
        "GIT_AUTHOR_EMAIL": "you@example.org",
        "GIT_COMMITTER_EMAIL": "you@example.org",
    }


def _make(folder: Path, found: re.Match[str]) -> None:
    """A virtual environment that sees the packages of this interpreter, and has no pip."""
    site = folder / found[1]
    make_env(site.parent, Path(sysconfig.get_paths()["purelib"]))
    if site.name != "env":
        (site.parent / "env").rename(site)


def _nothing(_folder: Path, _found: re.Match[str]) -> None:
    """What has been installed by other means."""


#: Commands that need a package index, or a clone -> what is done in their place.
STAND_INS: dict[str, Callable[[Path, re.Match[str]], None]] = {
    r"python3 -m venv (\S+)": _make,
    r"(?:\S+/)?(?:python3? -m )?pip install .*": _nothing,
    r"git clone \S+/fcgiemu.*": _nothing,
    r"make (?:serve|test)": _nothing,
}


def run(page: Path, folder: Path) -> list[Output]:
    """Everything a page says that commands print, and what they print. ``folder`` must be empty."""
    with ExitStack() as stack:
        start = folder
        if page.parent == ROOT:
            start = folder / "fcgiemu"
            ignored = shutil.ignore_patterns("env", "__pycache__", ".fcgiemu")
            shutil.copytree(ROOT / "samples", start / "samples", ignore=ignored)
            make_env(start / "samples" / "hello")
        terminal = Terminal(folder, stack)
        terminal.folder = start
        for block in blocks(page):
            terminal.do(block)
        return terminal.outputs


def needs(page: Path) -> set[str]:
    """Programs that a page wants: they may be absent."""
    text = page.read_text("utf-8")
    return {
        program
        for program in ("curl", "git", "php-cgi", "node")
        if re.search(rf"^\$ (.*[|;&] *)?{program} ", text, re.M)
        or (program == "php-cgi" and "php-cgi" in text and page.stem == "php")
    }


def rewritten(page: Path) -> str:
    """The text of a page with the outputs of today, where what it says does not hold."""
    lines = page.read_text("utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        outputs = run(page, Path(folder).resolve())
    for output in reversed(outputs):
        if not output.agrees or output.said != list(map(same, output.said)):
            lines[output.first : output.first + len(output.said)] = map(same, output.printed)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        page.write_text(rewritten(page), "utf-8")
