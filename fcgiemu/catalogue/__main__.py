"""``python -m fcgiemu.catalogue``: print docs/check.md."""

from .page import page

print(page(), end="")
