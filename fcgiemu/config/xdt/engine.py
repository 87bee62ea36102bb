"""One run: every element of a transform file is visited in document order, parents before children,
and each sees the base file as the ones before it left it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .document import XmlAttribute, XmlDocument, XmlElement, XmlNode
from .locators import (
    TRANSFORM_NAMESPACE,
    name_and_arguments,
    namespaces_of,
    parent_path_of,
    path_of,
)
from .messages import MessageLog, TransformFailed
from .transforms import IMPORTED, TRANSFORMS, Transform, TransformStep, copied
from .xpath import Exhausted, XPathBudget, select
from .xpath_syntax import BadPath

#: Units of work that one transform file may cause: some seconds. A node looked at is one.
WORK = 10_000_000
#: Units that one target costs beside what is done to it.
_TARGET = 30


@dataclass(eq=False, slots=True)
class _Context:
    """An element of the transform file, and what its paths have been found to lead to. What was
    found once is kept, also when the base changes: messages depend on it.
    """

    run: TransformRun
    element: XmlElement
    parent: _Context | None
    _path: str | None = field(init=False, default=None)
    _parent_path: str | None = field(init=False, default=None)
    _targets: list[XmlNode] | None = field(init=False, default=None)
    _parents: list[XmlNode] | None = field(init=False, default=None)

    def path(self) -> str:
        if self._path is None:
            self._path = path_of(self.parent.path() if self.parent else "", self.element)
        return self._path

    def parent_path(self) -> str:
        if self._parent_path is None:
            above = self.parent.path() if self.parent else ""
            self._parent_path = parent_path_of(above, self.element)
        return self._parent_path

    def targets(self) -> list[XmlNode]:
        if self._targets is None:
            self._targets = self._found(self.path(), self.run.base)
        return self._targets

    def parents(self) -> list[XmlNode]:
        if self._parents is None:
            if self.parent is None:
                raise TransformFailed(
                    "no-parent", "The root element of the transform file has no parent"
                )
            self._parents = self._found(self.parent_path(), self.run.base)
        return self._parents

    def in_original(self) -> bool:
        """Whether the path leads anywhere in the base file before this run."""
        return bool(self._found(self.path(), self.run.original()))

    def _found(self, path: str, document: XmlDocument) -> list[XmlNode]:
        try:
            return select(path, document, document, namespaces_of(self.element), self.run.budget)
        except BadPath as error:
            raise TransformFailed(
                "bad-path", f"'{path}' is not a path that can be used: {error}", path
            ) from error


class TransformRun:
    """Applies a transform file to a base file, which is changed."""

    def __init__(self, base: XmlDocument, transform: XmlDocument, original: XmlDocument) -> None:
        self.base = base
        self.transform = transform
        self._original = original
        self.log = MessageLog()
        self.budget = XPathBudget(WORK + 4 * (len(base.text) + len(transform.text)))
        self._known = dict(TRANSFORMS)

    def original(self) -> XmlDocument:
        """The base file as it was before this run."""
        return self._original

    def execute(self) -> None:
        """Run the whole file. Everything there is to say is in the log."""
        elements = list(self.transform.elements())
        if not any(TRANSFORM_NAMESPACE in element.scope.values() for element in elements):
            self.log.say(
                f"{self.transform.name} declares no {TRANSFORM_NAMESPACE}: nothing is transformed",
                "message",
                "no-namespace",
            )
            return
        try:
            self._prepare(elements)
            assert self.transform.root is not None
            self._visit(self.transform.root, None)
        except Exhausted:
            self.log.fail(
                TransformFailed(
                    "too-costly", f"The transform needs more than {WORK} steps or grows too large"
                )
            )

    # -- elements of the xdt namespace -------------------------------------------------------------

    def _prepare(self, elements: list[XmlElement]) -> None:
        for element in elements:
            if element.namespace != TRANSFORM_NAMESPACE:
                continue
            if element.local == "Import":
                self._import(element)
            else:
                self.log.warn(
                    "unknown-xdt-element",
                    f"<{element.name}> is not known and does nothing",
                    element.name,
                    element.span,
                )

    def _import(self, element: XmlElement) -> None:
        given: dict[str, str] = {}
        for attribute in element.attributes:
            if attribute.namespace or attribute.name not in ("assembly", "namespace", "path"):
                raise _bad_import(f"Import has no attribute '{attribute.name}'", attribute)
            given[attribute.name] = attribute.value
        if ("assembly" in given) == ("path" in given):
            problem = "both path and assembly" if "path" in given else "neither path nor assembly"
            raise _bad_import(f"Import has {problem}", element)
        if "namespace" not in given:
            raise _bad_import("Import has no namespace", element)
        imported = IMPORTED.get(given["namespace"], {})
        self._known.update(imported)
        if not imported:
            self.log.say(
                f"{given.get('assembly') or given.get('path')} is not loaded: its transforms are"
                " not known here",
                "message",
                "import-ignored",
                given["namespace"],
            )

    # -- elements that transform -------------------------------------------------------------------

    def _visit(self, element: XmlElement, parent: _Context | None) -> None:
        context = _Context(self, element, parent)
        attribute = element.attribute_of(TRANSFORM_NAMESPACE, "Transform")
        if attribute is not None:
            try:
                name, arguments = self._transform_of(attribute)
                self.log.suppressed = _suppressed(element)
            except TransformFailed as failure:
                self.log.fail(failure, element.span)
                return  # and no element below it is visited
            self._execute(context, attribute, name, arguments)
            self.log.suppressed = False
        for child in element.elements():
            self._visit(child, context)

    def _transform_of(self, attribute: XmlAttribute) -> tuple[str, str]:
        try:
            name, arguments = name_and_arguments(attribute.value)
            if name not in self._known:
                raise TransformFailed("unknown-name", f"There is no Transform '{name}'", name)
        except TransformFailed as failure:
            failure.span = attribute.span
            raise
        return name, arguments

    def _execute(
        self, context: _Context, attribute: XmlAttribute, name: str, arguments: str
    ) -> None:
        transform = self._known[name]
        place = f"{name} (line {attribute.span.line}, {attribute.span.column})"
        try:
            found = self._has_target(context, transform)
        except TransformFailed as failure:
            self.log.fail(failure, attribute.span)
            found = False
        if not found:
            self.log.say(f"not executed: {place}", "message")
            return
        self.log.say(f"executing {place}")
        self.log.depth = 1
        ended = f"done: {name}"
        try:
            self.log.say(f"on {context.path()}")
            self._apply(context, attribute, name, arguments)
        except TransformFailed as failure:
            self.log.fail(failure, attribute.span)
            ended = f"failed: {name}"
        self.log.depth = 0
        self.log.say(ended)

    def _has_target(self, context: _Context, transform: Transform) -> bool:
        """Whether there is something to work on; says so if there is not. The Insert family fails
        without a parent, the others warn.
        """
        if transform.on_parent:
            if context.parents():
                return True
            blamed = _without_parent(context)
        else:
            if context.targets():
                return True
            blamed = _without_target(context)
        path = blamed.path()
        code, text = "no-match", f"No element of {self.base.name} is at {path}"
        if blamed.in_original():
            code = "taken-by-earlier"
            text = f"What was at {path} has been changed or removed by an element before this one"
        if transform.on_parent:
            raise TransformFailed(code, text, path, blamed.element.span)
        self.log.warn(code, text, path, blamed.element.span)
        return False

    def _apply(self, context: _Context, attribute: XmlAttribute, name: str, arguments: str) -> None:
        transform = self._known[name]
        targets = context.parents() if transform.on_parent else context.targets()
        for target in targets if transform.every else targets[:1]:
            self.budget.spend(_TARGET)
            step = TransformStep(
                name=name,
                element=context.element,
                attribute=attribute,
                arguments_text=arguments,
                base=self.base,
                targets=targets,
                own=context.targets,
                log=self.log,
                budget=self.budget,
                target=target,
                copy=copied(context.element, self.budget),
            )
            self._say_target(target)
            try:
                transform.apply(step)
            except TransformFailed as failure:
                if not transform.every:
                    raise
                # what fails on one of several targets is said, and the others have their turn
                self.log.fail(failure, attribute.span)

    def _say_target(self, target: XmlNode) -> None:
        if isinstance(target, XmlElement | XmlAttribute):
            place = target.span
            self.log.say(f"applied to '{target.name}' ({place})")


def _bad_import(text: str, node: XmlNode) -> TransformFailed:
    return TransformFailed("bad-import", text, "", node.span)


def _suppressed(element: XmlElement) -> bool:
    """xdt:SupressWarnings, spelled as the engine spells it. Raises Failed for a value that is
    neither true nor false.
    """
    attribute = element.attribute_of(TRANSFORM_NAMESPACE, "SupressWarnings")
    value = attribute.value.strip().lower() if attribute is not None else "false"
    if value not in ("true", "false"):
        raise TransformFailed(
            "bad-syntax", f"SupressWarnings is '{value}', not true or false", value
        )
    return value == "true"


def _without_target(context: _Context) -> _Context:
    """The outermost ancestor in a row that has no target either."""
    while context.parent is not None and not context.parent.targets():
        context = context.parent
    return context


def _without_parent(context: _Context) -> _Context:
    """The outermost ancestor in a row whose parent is missing too."""
    while (
        context.parent is not None and context.parent.parent_path() and not context.parent.parents()
    ):
        context = context.parent
    return context
