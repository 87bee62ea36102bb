"""White space around what a transform has changed: a new element gets a line of its own with the
indent of its siblings, a removed one takes its line along, new attributes follow the layout of
their start tag. What is untouched stays as it is.

The rules are those of the engine's own formatter, which works through the finished tree once, just
before it is written (seen in its code; its own examples come out the same here).
"""

from __future__ import annotations

from .document import Child, XmlDocument, XmlElement, XmlText

_DEFAULT_TAB = "\t"
#: How many following siblings are asked for the look of their start tags.
_SIBLINGS = 1000


def lay_out(document: XmlDocument) -> None:
    """Put the white space of a transformed document in order."""
    _Formatter().children(document)


def _last_line(space: str) -> str | None:
    """The last line break of white space and what follows it; None without one."""
    place = max(space.rfind("\n"), space.rfind("\r"))
    if place < 0:
        return None
    if space[place] == "\n" and space[place - 1 : place] == "\r":
        place -= 1
    return space[place:]


def _is_space(node: Child | XmlDocument | None) -> bool:
    return isinstance(node, XmlText) and node.kind == "space"


def _is_new(node: Child | XmlDocument | None) -> bool:
    while isinstance(node, XmlText):
        node = node.parent
    return isinstance(node, XmlElement) and not node.original


class _Formatter:
    """Walks the tree; ``indent`` is a line break and the white space that begins a line here, None
    until somebody needs it.
    """

    def __init__(self) -> None:
        self._indents: list[str] = []
        self._indent: str | None = ""
        self._attribute_indents: list[str | None] = []
        self._attribute_indent: str | None = None
        self._tab: str | None = None
        self._current: Child | XmlDocument | None = None
        self._previous: Child | XmlDocument | None = None

    def children(self, parent: XmlElement | XmlDocument) -> None:
        """Format what is in ``parent``."""
        place = 0
        while place < len(parent.children):
            node = parent.children[place]
            self._move_to(node)
            if isinstance(node, XmlElement):
                place += self._element(node)
            elif node.kind == "space":
                place += self._space(node)
            elif node.kind == "comment":
                place += self._indent_before(node)
            place += 1

    def _move_to(self, node: Child) -> None:
        self._previous, self._current = self._current, node

    # -- nodes -------------------------------------------------------------------------------------

    def _element(self, element: XmlElement) -> int:
        moved = self._indent_before(element)
        self._lay_out_attributes(element)
        self._indents.append(self._needed_indent())
        self._indent = None
        self._attribute_indents.append(self._attribute_indent)
        self._attribute_indent = None
        _space_to_end(element)
        self.children(element)
        self._move_to(element)
        self._indent = self._indents.pop()
        self._attribute_indent = self._attribute_indents.pop()
        if not (element.empty and not element.children) and self._needs_indent(element):
            self._add_space(element, len(element.children))
        return moved

    def _space(self, node: XmlText) -> int:
        """Of two white spaces in a row, one goes: what stood between them was removed."""
        moved = 0
        previous = self._previous
        if isinstance(previous, XmlText) and previous.kind == "space":
            keeps_line = _last_line(node.value) is None and _last_line(previous.value) is not None
            gone = node if keeps_line else previous
            if gone.parent is not None:
                gone.parent.children.remove(gone)
                moved = -1
        line = _last_line(node.value)
        if line is not None and line != self._indent:
            self._indent = line
            self._tab = None
            self._attribute_indent = None
        return moved

    def _indent_before(self, node: Child) -> int:
        if not self._needs_indent(node):
            return 0
        parent = node.parent
        assert parent is not None
        self._add_space(parent, parent.children.index(node))
        return 1

    def _needs_indent(self, node: Child) -> bool:
        previous = self._previous
        if _is_space(previous) or isinstance(previous, XmlText) and previous.kind == "text":
            return False
        return _is_new(node) or _is_new(previous)

    def _add_space(self, parent: XmlElement | XmlDocument, place: int) -> None:
        space = XmlText("space", self._needed_indent())
        space.parent = parent
        parent.children.insert(place, space)

    # -- indents -----------------------------------------------------------------------------------

    def _needed_indent(self) -> str:
        if self._indent is None:
            self._indent = self._sibling_indent()
            if self._indent is None:
                self._indent = (self._indents[-1] if self._indents else "") + self._one_tab()
        return self._indent

    def _sibling_indent(self) -> str | None:
        """The indent of the first sibling that has a line of its own."""
        parent = self._current.parent if self._current is not None else None
        if parent is None:
            return None
        for node in parent.children[:-1]:
            if isinstance(node, XmlText) and node.kind == "space":
                line = _last_line(node.value)
                if line is not None:
                    return line
        return None

    def _one_tab(self) -> str:
        if self._tab is None:
            self._tab = self._difference_of_indents()
        return self._tab

    def _difference_of_indents(self) -> str:
        """What the innermost indent has more than the one around it, as far as that can be told."""
        indents = self._indents
        for outer, inner in zip(indents[-2::-1], indents[::-1], strict=False):
            if inner.startswith(outer):
                return inner[len(outer) :]
        return _as_tab(indents[0]) if indents else _DEFAULT_TAB

    # -- attributes --------------------------------------------------------------------------------

    def attribute_break(self) -> str:
        """A line break between attributes, by the start tags around."""
        if self._attribute_indent is None:
            found = self._sibling_break()
            if found is None:
                found = self._needed_indent() + self._one_tab()
            self._attribute_indent = found
        return self._attribute_indent

    def _sibling_break(self) -> str | None:
        """The break in the sibling before, else in the first one behind that has one."""
        current = self._current
        assert isinstance(current, XmlElement) and current.parent is not None
        siblings = current.parent.children
        place = siblings.index(current)
        before = next((n for n in reversed(siblings[:place]) if isinstance(n, XmlElement)), None)
        if before is not None and (found := _known_break(before)) is not None:
            return found
        for node in siblings[place + 1 : place + 1 + _SIBLINGS]:
            if isinstance(node, XmlElement) and (found := _known_break(node)) is not None:
                return found
        return None

    def _lay_out_attributes(self, element: XmlElement) -> None:
        names = [attribute.name for attribute in element.attributes]
        if not names:
            if element.order:
                element.order.clear()
                element.spaces.clear()
            return
        if element.original and names == element.order:
            return
        element.order += [name for name in names if name not in element.order]
        _Attributes(element, self).lay_out(set(names))


def _space_to_end(element: XmlElement) -> None:
    """White space before the end tag stays there: new elements behind it go before it."""
    if not element.original or not element.children or _is_space(element.children[-1]):
        return
    place = len(element.children) - 1
    while place >= 0 and isinstance(element.children[place], XmlElement):
        if not _is_new(element.children[place]):
            return
        place -= 1
    if place >= 0 and _is_space(element.children[place]):
        element.children.append(element.children.pop(place))


def _as_tab(indent: str) -> str:
    """One level, guessed from a whole indent: what follows its first blank."""
    for place, char in enumerate(indent[:-1]):
        if char not in "\r\n":
            return indent[place + 1 :]
    return _DEFAULT_TAB


def _known_break(element: XmlElement) -> str | None:
    """The first white space of a start tag that has a line break."""
    if element.wrap is None:
        element.wrap = next((space for space in element.spaces.values() if "\n" in space), None)
    return element.wrap


class _Attributes:
    """The white space before each attribute of a start tag of which some have come or gone."""

    def __init__(self, element: XmlElement, formatter: _Formatter) -> None:
        self._element = element
        self._formatter = formatter
        self._each_on_a_line: bool | None = None

    def lay_out(self, present: set[str]) -> None:
        """The space before the first attribute stays, and line breaks are kept where attributes
        between them have gone.
        """
        spaces = self._element.spaces
        first = True
        kept: str | None = None
        for name in self._element.order:
            if name not in present:
                gone = spaces.pop(name, None)
                if gone is not None and (first and kept is None or not first and "\n" in gone):
                    kept = gone
                continue
            if kept is not None:
                if first or "\n" not in spaces.get(name, ""):
                    spaces[name] = kept
                kept = None
            elif name not in spaces:
                self._add(name, first)
            first = False

    def _add(self, name: str, first: bool) -> None:
        if first:
            self._element.spaces[name] = " "
        elif self._one_a_line():
            self._element.spaces[name] = self._break()
        else:
            self._break()  # where a long line is broken

    def _break(self) -> str:
        found = _known_break(self._element)
        if found is None:
            found = self._element.wrap = self._formatter.attribute_break()
        return found

    def _one_a_line(self) -> bool:
        """Whether every attribute but the first has a line of its own, as far as is known."""
        if self._each_on_a_line is None:
            spaces = self._element.spaces
            self._each_on_a_line = len(spaces) > 1 and not self._two_on_a_line()
        return self._each_on_a_line

    def _two_on_a_line(self) -> bool:
        spaces = self._element.spaces
        return any(name in spaces and "\n" not in spaces[name] for name in self._element.order[1:])
