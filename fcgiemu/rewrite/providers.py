"""Rewrite providers: .NET types on IIS; the two file providers of Microsoft's samples
work here natively.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..catalogue.findings import Span
from .state import RewriteState
from .template import ExpansionError, Lookup

#: A Python callable that stands in for a .NET provider: argument -> result, "" for none.
StandIn = Callable[[str], str]


def stand_in(function: StandIn) -> Lookup:
    """A user's callable as a lookup. What it raises fails the request that asked, as a .NET
    exception would.
    """

    def lookup(argument: str, _state: RewriteState) -> str:
        try:
            return str(function(argument) or "")
        except Exception as error:
            raise ExpansionError(f"The provider failed: {type(error).__name__}: {error}") from error

    return lookup


def make(name: str, type_name: str, settings: Mapping[str, str], span: Span) -> Lookup:
    """The lookup for a configured provider. One that cannot run here fails when a rule asks it."""
    kind = type_name.partition(",")[0].strip().rpartition(".")[2]
    if kind == "FileMapProvider":
        return _FileMap(name, settings)
    if kind == "FileContainsProvider":
        return _FileContains(name, settings)

    def unavailable(_argument: str, _state: RewriteState) -> str:
        raise ExpansionError(
            f'The provider "{name}" ({type_name}) is a .NET type and cannot run here ({span}). '
            "Register a Python callable for it: --provider NAME=module:function."
        )

    return unavailable


class _FileProvider:
    """Reads the file that FilePath names, again only when it changes."""

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self.file_path = settings.get("FilePath", "")
        self.ignore_case = settings.get("IgnoreCase", "1").lower() in ("1", "true")

    def fold(self, text: str) -> str:
        return text.lower() if self.ignore_case else text

    def lines(self, state: RewriteState) -> list[str]:
        physical = self.file_path.replace("{DOCUMENT_ROOT}", state.place.site_root)
        text = state.files.read_text(physical)
        if text is None:
            raise ExpansionError(f'The provider "{self.name}" cannot read "{physical}".')
        return text.splitlines()


class _FileMap(_FileProvider):
    """One ``key<separator>value`` a line; the whole key is compared."""

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        super().__init__(name, settings)
        self.separator = settings.get("Separator") or "\t"

    def __call__(self, argument: str, state: RewriteState) -> str:
        key_folded = self.fold(argument)
        for line in self.lines(state):
            key, found, value = line.partition(self.separator)
            if found and self.fold(key.strip()) == key_folded:
                return value.strip()
        return ""


class _FileContains(_FileProvider):
    """The first line that is a substring of the argument, else nothing."""

    def __call__(self, argument: str, state: RewriteState) -> str:
        text = self.fold(argument)
        for line in self.lines(state):
            if line.strip() and self.fold(line.strip()) in text:
                return line.strip()
        return ""
