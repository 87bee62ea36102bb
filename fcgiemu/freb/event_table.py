"""The events of failed-request tracing: names, numbers, levels, keywords, data, friendly names.

The table is events.txt; its head explains the form. An event is known by its name
(``RenderingInfo/Opcode``) or by its key, (task's GUID, opcode). Measured: one key has the same
name, level, keywords, version and data in every genuine trace from IIS 7.5 to 10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

WWW_SERVER = ("WWW Server", "{3A2A4E84-4C21-4981-AE10-3FDA0D9B0F83}")
ASPNET = ("ASPNET", "{AFF081FE-0247-4275-9C4E-021F3DC1DA35}")
TRUNCATED = "LOG_FILE_MAX_SIZE_TRUNCATE"
#: Texts of HRESULTs as traces show them; the rest of Windows' messages is not known here.
MESSAGES = {
    0: "The operation completed successfully.",
    0x80070002: "The system cannot find the file specified.",
    0x80070003: "The system cannot find the path specified.",
    0x80070005: "Access is denied.",
    0x8007000D: "The data is invalid.",
    0x80070032: "The request is not supported.",
}
_LEADING = {"ASPNET": ("ConnID", "Context ID"), "FREB": ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One event. ``data`` names its values in order, ``values`` maps the number of an enumerated
    one to its friendly name; ``measured`` is whether a genuine trace has shown it.
    """

    area: str
    task: str
    version: int
    opcode: int
    level: int
    keywords: str
    keyword: str
    name: str
    symbol: str
    data: tuple[str, ...]
    measured: bool
    values: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    hresults: frozenset[str] = frozenset()

    @property
    def provider(self) -> tuple[str, str]:
        """Name and GUID of the provider."""
        return ASPNET if self.area == "ASPNET" else WWW_SERVER

    def describe(self, name: str, value: str) -> str | None:
        """The friendly name that IIS writes beside a value; None where it writes none."""
        if not value.isdecimal() or len(value) > 20:
            return None
        number = int(value)
        if name in self.hresults:
            message = MESSAGES.get(number)
            return None if message is None else f"{message}\r (0x{number:x})"
        return self.values.get(name, {}).get(number)

    def number(self, name: str, text: str) -> str:
        """The number of a friendly name, or the text itself where it is not one."""
        for number, known in self.values.get(name, {}).items():
            if known == text:
                return str(number)
        return text


@cache
def definitions() -> tuple[Definition, ...]:
    """Every event, in the order of the file."""
    text = resources.files("fcgiemu.freb").joinpath("events.txt").read_text("utf-8")
    return tuple(_parse(text))


def _parse(text: str) -> Iterator[Definition]:
    enumerations: dict[str, dict[int, str]] = {}
    current: dict[int, str] | None = None
    area = task = ""
    version = 0
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0] == "values":
            current = enumerations.setdefault(words[1], {})
        elif words[0] == "task":
            _, area, task, _, number = words
            version, current = int(number), None
        elif current is not None:
            current[int(words[0])] = " ".join(words[1:])
        else:
            yield _definition(words, area, task, version, enumerations)


def _definition(
    words: list[str], area: str, task: str, version: int, enumerations: dict[str, dict[int, str]]
) -> Definition:
    mark, opcode, level, keywords, name, *fields = words
    mask, _, keyword = keywords.partition("/")
    name, _, symbol = name.partition("=")
    pairs = [field.partition(":")[::2] for field in fields]
    return Definition(
        area=area,
        task=task,
        version=version,
        opcode=int(opcode),
        level=int(level),
        keywords=mask,
        keyword=keyword,
        name=name,
        symbol=symbol,
        data=(*_LEADING.get(area, ("ContextId",)), *(field for field, _ in pairs)),
        measured=mark == "+",
        values={field: enumerations[kind] for field, kind in pairs if kind in enumerations},
        hresults=frozenset(field for field, kind in pairs if kind == "HRESULT"),
    )


@cache
def _by_name() -> dict[str, Definition]:
    found = {known.symbol: known for known in definitions() if known.symbol}
    found.update((known.name, known) for known in definitions())
    return found


@cache
def _by_key() -> dict[tuple[str, int], Definition]:
    return {(known.task, known.opcode): known for known in definitions()}


def named(name: str) -> Definition | None:
    """The event of a name: the one that IIS writes, or the manifest's symbol."""
    return _by_name().get(name)


def keyed(task: str, opcode: int) -> Definition | None:
    """The event of a task's GUID (in braces) and an opcode."""
    return _by_key().get((task.upper(), opcode))
