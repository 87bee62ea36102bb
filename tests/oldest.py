"""The oldest versions that setup.cfg allows, as a constraints file for pip: ``python -m tests.oldest``.

    python -m tests.oldest > oldest.txt
    pip install -e '.[test]' -c oldest.txt

What setup.cfg gives no lower bound stays free, and so do the libraries of libraries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[1]

_BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?>=(?P<version>[\w.]+)[^;]*(?P<marker>;.*)?")


def requirements() -> Iterator[str]:
    """Every requirement of setup.cfg, those of the extras too, each once."""
    config = RawConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    yield from dict.fromkeys(line for text in texts for line in text.split("\n") if line)


def constraints() -> list[str]:
    """``name==version``, with the marker where there is one."""
    found = filter(None, map(_BOUND.fullmatch, requirements()))
    return [f"{match['name']}=={match['version']}{match['marker'] or ''}" for match in found]


if __name__ == "__main__":
    print("\n".join(constraints()))
