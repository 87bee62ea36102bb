"""A linear engine for patterns whose backtracking might not end, and the count of steps at which
IIS gives up.

``re`` searches as IIS's library does: it tries one way after another. A few patterns have
exponentially many ways, and then ``re`` runs for years, while IIS stops after a number of steps
with error_complexity. To know both without walking all the ways, the pattern becomes a program, and
a place in the program at a place in the text is visited once, however many ways lead there:

- ``exists`` walks all ways at once, from left to right. Sets of places are numbered as they are met
  (a lazily built DFA), so that a character costs one lookup.
- ``steps`` walks in the same way but counts how many ways stand at each place. Where nothing
  matches, the sum is what backtracking would visit. It grows past IIS's limit within a few dozen
  characters if the pattern is a bomb, so this is quick when it matters.
- ``captures`` goes the ways in the order that ``re`` does, but never again from a place where it
  has failed. So it finds the same match.

What depends on more than the place cannot be expressed: a back-reference (Inexpressible). A
lookahead is asked at its place, by the third method only. All work is accounted to a budget.
"""

from __future__ import annotations

import re
from typing import assert_never

from .pattern_parts import (
    Alternation,
    Assertion,
    CapturingGroup,
    Characters,
    Look,
    Part,
    Reference,
    Repeat,
    Sequence,
    Set,
)

#: Instructions that a pattern may unfold to.
MAX_PROGRAM = 20_000
#: States that are kept; beyond that they are forgotten and built again.
_KEPT_STATES = 2_000
#: Characters whose sets are kept.
_KEPT_CHARACTERS = 4_096
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class Inexpressible(Exception):
    """The pattern has back-references, or is too large."""


class OutOfBudget(Exception):
    """The search was given up: ``budget`` units of work were not enough."""


# Instructions: kind, then what it needs. CHAR: number of the set, next. SPLIT: first choice, second
# choice. SAVE: slot, next. ASSERT: kind, next. LOOK: start, negated, next. ENTER and LEAVE, around
# the body of a loop that may match nothing: loop, next; LEAVE's third is where a round without
# progress goes.
_CHAR, _SPLIT, _SAVE, _ASSERT, _LOOK, _ENTER, _LEAVE, _MATCH = range(8)
_Instruction = tuple[int, int, int, int]


class Automaton:
    """One pattern as a program. Texts are compared by UTF-16 units, as everywhere."""

    def __init__(self, part: Part, groups: int, ignore_case: bool) -> None:
        self._flags = re.ASCII | (re.IGNORECASE if ignore_case else 0)
        self._program: list[_Instruction] = []
        self._sets: dict[str, int] = {}
        self._groups = groups
        self._loops = 0
        self.has_lookaheads = False
        self._kinds: set[str] = set()
        self._start = self._emit(part, self._add(_MATCH))
        self._has_boundaries = bool(self._kinds & {"\\b", "\\B"})
        self._matchers = [re.compile(text, self._flags).match for text in self._sets]
        self._of_character: dict[str, int] = {}
        self._closures: dict[tuple[int, int, frozenset[int]], _Closure] = {}
        self._states: dict[tuple[frozenset[int], int], _State] = {}

    # -- the program -------------------------------------------------------------------------------

    def _add(self, kind: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        if len(self._program) >= MAX_PROGRAM:
            raise Inexpressible
        self._program.append((kind, a, b, c))
        return len(self._program) - 1

    def _emit(self, part: Part, then: int) -> int:
        """Add the instructions of a part, behind which ``then`` follows; gives the first one."""
        match part:
            case Characters():
                for char in reversed(part.text):
                    then = self._add(_CHAR, self._set(re.escape(char)), then)
                return then
            case Set():
                return self._add(_CHAR, self._set(part.python), then)
            case Assertion():
                self._kinds.add(part.kind)
                return self._add(_ASSERT, ("^", "$", "\\b", "\\B").index(part.kind), then)
            case CapturingGroup():
                closing = self._add(_SAVE, 2 * part.number + 1, then)
                return self._add(_SAVE, 2 * part.number, self._emit(part.inner, closing))
            case Look():
                self.has_lookaheads = True
                inner = self._emit(part.inner, self._add(_MATCH))
                return self._add(_LOOK, inner, part.negated, then)
            case Repeat():
                return self._emit_repeat(part, then)
            case Sequence():
                for inner_part in reversed(part.parts):
                    then = self._emit(inner_part, then)
                return then
            case Alternation():
                *first, last = (self._emit(branch, then) for branch in part.branches)
                for entry in reversed(first):
                    last = self._add(_SPLIT, entry, last)
                return last
            case Reference():
                raise Inexpressible
            case _:
                assert_never(part)

    def _set(self, python: str) -> int:
        return self._sets.setdefault(python, len(self._sets))

    def _emit_repeat(self, part: Repeat, then: int) -> int:
        if part.high is None:
            entry = self._add(_SPLIT)
            body = self._emit_round(part, entry, then)
            self._program[entry] = self._choice(part, body, then)
        else:
            entry = then
            for _ in range(part.high - part.low):
                body = self._emit_round(part, entry, then)
                entry = self._add(*self._choice(part, body, then))
        for _ in range(part.low):
            entry = self._emit(part.inner, entry)
        return entry

    def _emit_round(self, part: Repeat, again: int, then: int) -> int:
        """One round of a loop; one that matches nothing is the last."""
        if not _may_be_empty(part.inner):
            return self._emit(part.inner, again)
        loop = self._loops
        self._loops += 1
        leave = self._add(_LEAVE, loop, again, then)
        return self._add(_ENTER, loop, self._emit(part.inner, leave))

    @staticmethod
    def _choice(part: Repeat, body: int, then: int) -> _Instruction:
        return (_SPLIT, then, body, 0) if part.lazy else (_SPLIT, body, then, 0)

    # -- characters and contexts -------------------------------------------------------------------

    def _mask(self, char: str) -> int:
        """The sets that a character belongs to, one bit each."""
        found = self._of_character.get(char)
        if found is None:
            if len(self._of_character) >= _KEPT_CHARACTERS:
                self._of_character.clear()
            found = sum(1 << number for number, of in enumerate(self._matchers) if of(char))
            self._of_character[char] = found
        return found

    def _context(self, text: str, at: int) -> int:
        """Which assertions hold before position ``at``, one bit each; 0 where the pattern has
        none.
        """
        if not self._kinds:
            return 0
        before, after = text[at - 1 : at] if at else "", text[at : at + 1]
        found = (not before or before == "\n") | (not after or after == "\n") << 1
        if not self._has_boundaries:
            return found
        boundary = (before in _WORD) != (after in _WORD)
        return found | (4 if boundary else 8)

    # -- all ways at once --------------------------------------------------------------------------

    def exists(self, text: str, budget: SearchBudget) -> bool:
        """Whether the pattern matches anywhere in ``text``. Not for patterns with lookaheads."""
        masks = self._of_character
        size = len(text)
        state = self._state(frozenset(), self._context(text, 0), budget)
        # Between line ends nothing but the first and the last place has a context of its own.
        plain = not self._has_boundaries and "\n" not in text
        for at, char in enumerate(text, 1):
            if state.accepts:
                return True
            mask = masks.get(char)
            if mask is None:
                mask = self._mask(char)
            context = 0 if plain and at < size else self._context(text, at)
            key = mask << 4 | context
            after = state.following.get(key)
            if after is None:
                budget.spend(len(state.moves))
                places = frozenset(then for bit, then in state.moves if mask & bit)
                after = state.following[key] = self._state(places, context, budget)
            state = after
        return state.accepts

    def _state(self, places: frozenset[int], context: int, budget: SearchBudget) -> _State:
        known = self._states.get((places, context))
        if known is not None:
            return known
        if len(self._states) >= _KEPT_STATES:
            self._states.clear()
        moves: dict[tuple[int, int], int] = {}
        accepts = 0
        for place in (*places, self._start):
            found, ways = self._closure(place, context, budget)
            budget.spend(len(found))
            moves.update(found)
            accepts += ways
        made = self._states[places, context] = _State(tuple(moves), accepts > 0)
        return made

    def _closure(
        self, place: int, context: int, budget: SearchBudget, entered: frozenset[int] = frozenset()
    ) -> _Closure:
        """What may come next at a place. ``entered`` are the loops whose round has begun and has
        not matched anything yet: such a round is the last one.
        """
        key = place, context, entered
        known = self._closures.get(key)
        if known is not None:
            return known
        budget.spend(1)
        found: dict[tuple[int, int], int] = {}
        ends = 0
        kind, a, b, c = self._program[place]
        if kind == _CHAR:
            found[1 << a, b] = 1
        elif kind == _MATCH:
            ends = 1
        elif kind != _ASSERT or context >> a & 1:
            for then, inside in self._followers(kind, a, b, c, entered):
                moves, ways = self._closure(then, context, budget, inside)
                budget.spend(len(moves))
                ends += ways
                for move, count in moves.items():
                    found[move] = found.get(move, 0) + count
        self._closures[key] = found, ends
        return found, ends

    @staticmethod
    def _followers(
        kind: int, a: int, b: int, c: int, entered: frozenset[int]
    ) -> list[tuple[int, frozenset[int]]]:
        """Where an instruction that looks at no character leads."""
        if kind == _SPLIT:
            return [(a, entered), (b, entered)]
        if kind == _ENTER:
            return [(b, entered | {a})]
        if kind == _LEAVE:
            return [(c, entered - {a})] if a in entered else [(b, entered)]
        return [(b, entered)]

    def steps(self, text: str, limit: int, budget: SearchBudget) -> int:
        """How many characters backtracking would take in a ``text`` without a match; more than
        ``limit`` is not counted on.
        """
        total = 0
        current: dict[int, int] = {}
        begin = {bit for bit, _then in self._closure(self._start, 0, budget)[0]}
        plain = not self._has_boundaries and "\n" not in text
        for at, char in enumerate(text):
            mask = self._mask(char)
            if plain and at and not current and not any(mask & bit for bit in begin):
                continue  # nothing begins here
            context = self._context(text, at)
            current[self._start] = current.get(self._start, 0) + 1
            after: dict[int, int] = {}
            for place, count in current.items():
                moves, _ends = self._closure(place, context, budget)
                budget.spend(len(moves))
                for (bit, then), ways in moves.items():
                    if mask & bit:
                        total += count * ways
                        after[then] = after.get(then, 0) + count * ways
            if total > limit:
                return total
            current = after
        return total

    # -- one way after another ---------------------------------------------------------------------

    def captures(self, text: str, budget: SearchBudget) -> list[int] | None:
        """The first match as positions, two for each group from 0 on, -1 for
        groups that took no part.
        """
        failed: dict[int, set[object]] = {}
        for at in range(len(text) + 1):
            slots = [-1] * (2 * self._groups + 2)
            end = self._run(self._start, text, at, slots, failed, budget)
            if end is not None:
                slots[0], slots[1] = at, end
                return slots
        return None

    def _run(
        self,
        place: int,
        text: str,
        at: int,
        slots: list[int],
        failures: dict[int, set[object]],
        budget: SearchBudget,
    ) -> int | None:
        """Where the match from ``place`` at ``at`` ends; ``slots`` are filled in. None without.

        ``failures`` are the places that have been tried in vain, by where their run began.
        """
        first = place
        failed = failures.setdefault(first, set())
        program, mask_of, size = self._program, self._mask, len(text)
        loops = [-1] * self._loops
        # What is still to be tried: a place and its position, or (below) a value to put back.
        stack: list[tuple[int, int]] = [(place, at)]
        restore = -1
        while stack:
            place, at = stack.pop()
            if place <= restore:  # -1 - number of a slot, or of a loop behind the slots
                number = -1 - place
                if number < len(slots):
                    slots[number] = at
                else:
                    loops[number - len(slots)] = at
                continue
            while True:
                key: object = (
                    (place, at, *[value == at for value in loops]) if loops else (place, at)
                )
                if key in failed:
                    break
                failed.add(key)
                budget.spend(1)
                kind, a, b, c = program[place]
                if kind == _CHAR:
                    if at >= size or not mask_of(text[at]) >> a & 1:
                        break
                    place, at = b, at + 1
                elif kind == _SPLIT:
                    stack.append((b, at))
                    place = a
                elif kind == _SAVE:
                    stack.append((-1 - a, slots[a]))
                    slots[a] = at
                    place = b
                elif kind == _ENTER:
                    stack.append((-1 - len(slots) - a, loops[a]))
                    loops[a] = at
                    place = b
                elif kind == _LEAVE:
                    place = c if loops[a] == at else b
                elif kind == _ASSERT:
                    if not self._context(text, at) >> a & 1:
                        break
                    place = b
                elif kind == _LOOK:
                    inner = list(slots)
                    held = self._run(a, text, at, inner, failures, budget) is not None
                    if held == bool(b):
                        break
                    if not b:
                        for number, value in enumerate(inner):
                            if value != slots[number]:
                                stack.append((-1 - number, slots[number]))
                                slots[number] = value
                    place = c
                else:
                    failures[first] = set()  # some of these places have not failed
                    return at
        return None


#: What may come next, (bit of the set, next place) -> the number of ways that lead there; and in
#: how many ways the pattern may end here.
_Closure = tuple[dict[tuple[int, int], int], int]


class _State:
    """A set of places in the program, before a text goes on."""

    __slots__ = ("accepts", "following", "moves")

    def __init__(self, moves: tuple[tuple[int, int], ...], accepts: bool) -> None:
        self.moves = moves
        self.accepts = accepts
        #: Mask of a character and context behind it -> the state there.
        self.following: dict[int, _State] = {}


class SearchBudget:
    """Units of work that a search may take: about a microsecond each."""

    __slots__ = ("left",)

    def __init__(self, units: int) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Account for work. Raises OutOfBudget."""
        self.left -= units
        if self.left < 0:
            raise OutOfBudget


def _may_be_empty(part: Part) -> bool:
    """Whether a part can match nothing."""
    match part:
        case Characters():
            return not part.text
        case Set():
            return False
        case Assertion() | Look() | Reference():
            return True
        case CapturingGroup():
            return _may_be_empty(part.inner)
        case Repeat():
            return part.low == 0 or _may_be_empty(part.inner)
        case Sequence():
            return all(map(_may_be_empty, part.parts))
        case Alternation():
            return any(map(_may_be_empty, part.branches))
        case _:
            assert_never(part)
