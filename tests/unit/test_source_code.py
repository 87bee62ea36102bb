"""Rules of the house that no other tool checks: how classes and calls are written."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from fcgiemu import decision
from fcgiemu.rewrite import pattern_parts

ROOT = Path(__file__).parents[2]
#: Fields, parameters or arguments that are told apart without their names.
MAX_POSITIONAL = 5
#: Tuples that are made for each line of a log, and what a repeated request or each step of a
#: pattern calls: names would cost a tenth of it.
HOT = {
    "fcgiemu/inspector/recent_requests.py": {"Again"},
    "fcgiemu/logs/entry.py": {"Columns", "Keyed"},
    "fcgiemu/logs/records.py": {"Columns"},
    "fcgiemu/modules/fastcgi_variables.py": {"_of_client"},
    "fcgiemu/rewrite/automaton.py": {"_run"},
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "fcgiemu").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("fcgiemu/worker/"):  # Python 3.6 and 2.7 syntax, and its own rules
            yield name, ast.parse(path.read_text("utf-8"))


def is_hot(name: str, called: str) -> bool:
    return called.rpartition(".")[2] in HOT.get(name, ())


def positional_fields(made: ast.ClassDef) -> int | None:
    """How many fields a dataclass or a named tuple takes by their order; None for other classes."""
    decorators = " ".join(map(ast.unparse, made.decorator_list))
    if "dataclass" not in decorators and "NamedTuple" not in map(ast.unparse, made.bases):
        return None
    if "kw_only=True" in decorators:
        return 0
    count = 0
    for field in made.body:
        if isinstance(field, ast.AnnAssign):
            annotation = ast.unparse(field.annotation)
            if annotation == "KW_ONLY":
                break
            value = ast.unparse(field.value) if field.value is not None else ""
            count += "ClassVar" not in annotation and "init=False" not in value
    return count


def test_classes_of_many_fields_are_made_by_name() -> None:
    """One that is made of more than five takes the others by name alone."""
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not is_hot(name, node.name):
                if (positional_fields(node) or 0) > MAX_POSITIONAL:
                    found.append(f"{name}:{node.lineno} {node.name}")
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        if len(method.args.args) - 1 > MAX_POSITIONAL:
                            found.append(f"{name}:{method.lineno} {node.name}")
    assert not found


def takes_any_number(tree: ast.Module) -> set[str]:
    """The functions of a file with ``*arguments``: their order is that of a list."""
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.vararg
    }


def test_no_call_is_a_row_of_nameless_arguments() -> None:
    files = dict(trees())
    lists = set().union(*map(takes_any_number, files.values())) | {"pack"}  # struct.pack
    found = []
    for name, tree in files.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                count = sum(not isinstance(argument, ast.Starred) for argument in node.args)
                is_list = called.rpartition(".")[2] in lists
                if count > MAX_POSITIONAL and not is_list and not is_hot(name, called):
                    found.append(f"{name}:{node.lineno} {called}")
    assert not found


UNIONS = {
    name: {member.__name__ for member in get_args(union)}
    for name, union in {"Action": decision.Action, "Part": pattern_parts.Part}.items()
}


def ladders(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Functions that ask a value, ``if`` by ``if``, which member of one of our unions it is."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        asked: Counter[str] = Counter()
        for node in ast.walk(function):
            if not isinstance(node, ast.If):
                continue
            test = node.test
            if isinstance(test, ast.Call) and ast.unparse(test.func) == "isinstance":
                names = {ast.unparse(part) for part in ast.walk(test.args[1])}
                if any(names & members for members in UNIONS.values()):
                    asked[ast.unparse(test.args[0])] += 1
        if any(count > 2 for count in asked.values()):
            yield function.lineno, function.name


def test_members_of_a_union_are_told_apart_by_match() -> None:
    """``match`` with ``assert_never`` lets mypy find the place that forgets a new member."""
    found = [
        f"{name}:{line} {function}" for name, tree in trees() for line, function in ladders(tree)
    ]
    assert not found


def test_a_ladder_is_recognised() -> None:
    steps = "\n    ".join(
        f"if isinstance(x, {name}): return 1" for name in ("Abort", "Proxy", "Respond")
    )
    assert list(ladders(ast.parse(f"def act(x):\n    {steps}"))) == [(1, "act")]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (
            "@dataclass\nclass A:\n    a: int\n    b: int = field(init=False)\n    c: ClassVar[int]",
            1,
        ),
        ("@dataclass(kw_only=True)\nclass A:\n    a: int", 0),
        ("@dataclass(slots=True)\nclass A:\n    a: int\n    _: KW_ONLY\n    b: int", 1),
        ("class A(NamedTuple):\n    a: int\n    b: int", 2),
        ("class A:\n    a: int", None),
    ],
)
def test_fields_are_counted(text: str, count: int | None) -> None:
    made = ast.parse(text).body[0]
    assert isinstance(made, ast.ClassDef) and positional_fields(made) == count


def documented_errors(text: str) -> set[str]:
    """The names of exceptions after "Raises" in a docstring."""
    return {
        name
        for said in re.findall(r"\bRaises? ([^.;:]*)", text)
        for name in re.findall(r"\b_?[A-Z][a-z]+(?:[A-Z]\w*)", said)
    }


def test_an_error_that_a_docstring_names_exists() -> None:
    files = dict(trees())
    known = {*dir(builtins), "CalledProcessError", "ToolError", "UsageError"}
    for tree in files.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                known.add(node.name)
    found = [
        f"{name}:{node.lineno} {error}"
        for name, tree in files.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for error in documented_errors(ast.get_docstring(node) or "")
        if error not in known
    ]
    assert not found


#: A process of a pool is told by its parent, once, when to stop: concurrent.futures has no other
#: place for it.
WITH_GLOBALS = {"fcgiemu/logs/workers.py"}


#: Functions of what fcgiemu ships, as profiles, schema elements and topics, of which there are few.
OF_SHIPPED_DATA = {"schedule", "default", "_nothing", "_shipped", "topic"}


UNBOUNDED = {"cache", "functools.cache", "lru_cache(None)", "lru_cache(maxsize=None)"}


def is_empty_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List):
        return not value.elts
    made = ("dict", "list", "set", "deque", "Counter", "defaultdict", "count")
    return isinstance(value, ast.Call) and not value.args and ast.unparse(value.func) in made


def remembers(name: str, node: ast.AST) -> bool:
    """Whether a statement of a module lets the module keep what calls leave behind."""
    if isinstance(node, ast.Global):
        return name not in WITH_GLOBALS
    if isinstance(node, ast.FunctionDef):
        is_unbounded = UNBOUNDED & {*map(ast.unparse, node.decorator_list)}
        return bool(is_unbounded and node.args.args) and node.name not in OF_SHIPPED_DATA
    return False


def test_no_module_remembers_anything() -> None:
    """What is remembered belongs to a site, a server or a connection. ``lru_cache`` is for pure
    functions of their arguments, and bounded; ``cache`` for what has none.
    """
    found = []
    for name, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.Assign) and is_empty_container(node.value):
                found.append(f"{name}:{node.lineno}")
            if isinstance(node, ast.AnnAssign) and is_empty_container(node.value):
                if not ast.unparse(node.annotation).startswith("Mapping"):  # nobody fills that
                    found.append(f"{name}:{node.lineno}")
        found += [f"{name}:{ast.unparse(node)}" for node in ast.walk(tree) if remembers(name, node)]
    assert not found
