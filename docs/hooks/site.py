"""What ``make docs`` adds to the pages of docs/: the reference made from the code, and the pages
that mkdocs.yml does not name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import reference


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages, then a section "More" with what the navigation leaves out."""
    for address, page in reference.PAGES.items():
        files.append(File.generated(config, address, content=page()))
    pages = [file.src_uri for file in files.documentation_pages()]
    config.nav = whole(config.nav or [], pages)
    return files


def whole(nav: list[Any], pages: Iterable[str]) -> list[Any]:
    """A navigation, with the pages that it does not name under "More"."""
    more = sorted(set(pages) - set(_addresses(nav)))
    return [*nav, {"More": more}] if more else nav


def _addresses(part: Any) -> Iterator[str]:
    """The pages that a part of the navigation names."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield from _addresses(part.values())
    elif isinstance(part, Iterable):
        for inner in part:
            yield from _addresses(inner)
