"""Programs that a deployment runs: their output shown as it comes, and one sentence about why one
failed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

#: A line of a program's output that tells why it failed.
_TELLING = re.compile(
    r"\b\w*(?:error|exception)\b\W|no matching distribution|could not|cannot|no such", re.IGNORECASE
)
#: Lines of pip that look so and tell nothing.
_EMPTY = re.compile(
    r"subprocess-exited-with-error|originates from a subprocess|See above for output|"
    r"metadata-generation-failed|legacy-install-failure|Failed building wheel|Failed to build|"
    r"DEPRECATION|^\s*note:|failed with (?:error|exit) |^Command "
)
#: Of a longer line, the beginning and the end are quoted.
MAX_SAID = 400
#: What a shell answers where there is no such program, or one that it cannot run.
_NOT_RUN = (126, 127)


class ProgramFailed(Exception):
    """A program could not be started or did not succeed; the message is one sentence that says
    why.
    """


def run(
    command: list[str], folder: Path, environment: Mapping[str, str], tell: Callable[[str], None]
) -> None:
    """Run a program in ``folder``, each line of its output told at once. Raises ProgramFailed."""
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ProgramFailed(f"{command[0]}: {error.strerror}") from error
    output: list[str] = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line.rstrip())
            tell("    " + line.rstrip())
    if process.returncode:
        raise ProgramFailed(reason(command, process.returncode, output))


def reason(command: list[str], code: int, output: list[str]) -> str:
    """One sentence about a program that failed: the line of its output that tells most, and its
    exit code.
    """
    command_line = command[2] if command[:2] == ["sh", "-c"] else " ".join(command[:4]) + " …"
    if code in _NOT_RUN and re.search(r"\.(?:cmd|bat|ps1)\b", command_line, re.IGNORECASE):
        return f"{command_line}: a script of Windows, which cannot run here."
    ended = f"{command_line} ended with exit code {code}."
    telling = [line.strip() for line in output if _TELLING.search(line) and not _EMPTY.search(line)]
    said = (
        telling[-1]
        if telling
        else next((line.strip() for line in reversed(output) if line.strip()), "")
    )
    said = said if len(said) < MAX_SAID else f"{said[: MAX_SAID // 2]} … {said[-MAX_SAID // 2 :]}"
    return f"{said.rstrip('.')}. {ended}" if said else ended
