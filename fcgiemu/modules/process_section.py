"""What <httpPlatform> and <aspNetCore> both say about the process that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from ..config.merge import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSection:
    """The compiled section; times in seconds."""

    process_path: str
    arguments: str
    environment: tuple[tuple[str, str], ...]
    startup_time_limit: float
    rapid_fails_per_minute: int
    request_timeout: float
    processes: int
    stdout_log: str | None
    #: Files of recycleOnFileChange, relative to the application's folder.
    recycle_on: tuple[str, ...]


class Common(TypedDict):
    """The fields of a ProcessSection."""

    process_path: str
    arguments: str
    environment: tuple[tuple[str, str], ...]
    startup_time_limit: float
    rapid_fails_per_minute: int
    request_timeout: float
    processes: int
    stdout_log: str | None
    recycle_on: tuple[str, ...]


def common(section: Node) -> Common:
    """What a section says in the words that both have."""
    return Common(
        process_path=section.text("processPath"),
        arguments=section.text("arguments"),
        environment=tuple(
            (item.text("name"), item.text("value"))
            for item in section.child("environmentVariables").items
        ),
        startup_time_limit=float(section.integer("startupTimeLimit")),
        rapid_fails_per_minute=section.integer("rapidFailsPerMinute"),
        request_timeout=section.seconds("requestTimeout"),
        processes=section.integer("processesPerApplication"),
        stdout_log=section.text("stdoutLogFile") if section.flag("stdoutLogEnabled") else None,
        recycle_on=tuple(
            item.text("path").replace("\\", "/").removeprefix("./")
            for item in section.child("recycleOnFileChange").items
        ),
    )
