"""``python -m fcgiemu``."""

from .cli import main

main()
