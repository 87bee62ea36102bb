"""Our worker and Microsoft's wfastcgi.py behind the same server, asked in turn: what else happens
meets both alike.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from statistics import median

from .load import from_another_process
from .neighbours import fcgiemu, genuine

SAMPLE = Path(__file__).parents[2] / "samples" / "hello"
ROUNDS, SECONDS = 5, 2.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        shutil.copytree(SAMPLE, site, ignore=shutil.ignore_patterns("env", "__pycache__"))
        try:
            with fcgiemu(site) as ours, genuine(site) as theirs:
                ports = (ours, theirs)
                print(f"requests/s, median of {ROUNDS} rounds: our worker, wfastcgi.py, ratio")
                for connections in (1, 16, 64):
                    rounds = [
                        [
                            from_another_process(port, "/x", connections, SECONDS).rate
                            for port in ports
                        ]
                        for _ in range(ROUNDS)
                    ]
                    mine, others = (median(rates) for rates in zip(*rounds, strict=True))
                    print(
                        f"  {connections:2} connections {mine:6.0f} {others:6.0f}   {mine / others:.2f}"
                    )
        except (FileNotFoundError, RuntimeError) as error:
            print(f"workers side by side: skipped, {error}")


if __name__ == "__main__":
    main()
