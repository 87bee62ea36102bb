"""What setup.cfg cannot say: the description of a package index is README with absolute links."""

import re
from configparser import RawConfigParser
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent


def description() -> str:
    """README.md; what it links to and shows lies in the repository that setup.cfg names."""
    config = RawConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    base = config["metadata"]["url"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?!\w+:|#)", rf"\1{base}/raw/main/", text)
    return re.sub(r"(\]\()(?!\w+:|#)", rf"\1{base}/blob/main/", text)


setup(long_description=description(), long_description_content_type="text/markdown")
