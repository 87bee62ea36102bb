"""httpPlatformHandler: what <httpPlatform> says about the process that answers."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.tree import Effective

SECTION = "system.webServer/httpPlatform"
PORT_VARIABLE = "HTTP_PLATFORM_PORT"


@dataclass(frozen=True, slots=True)
class HttpPlatform:
    """The compiled section; times in seconds."""

    process_path: str
    arguments: str
    environment: tuple[tuple[str, str], ...]
    startup_time_limit: float
    startup_retry_count: int
    rapid_fails_per_minute: int
    request_timeout: float
    processes: int
    stdout_log: str | None
    #: Files of recycleOnFileChange, relative to the application's folder.
    recycle_on: tuple[str, ...]


def compiled(effective: Effective) -> HttpPlatform:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    variables = tuple(
        (str(item["name"]), str(item["value"]))
        for item in section.child("environmentVariables").items
    )
    return HttpPlatform(
        section["processPath"],
        section["arguments"],
        variables,
        float(section["startupTimeLimit"]),
        section["startupRetryCount"],
        section["rapidFailsPerMinute"],
        section["requestTimeout"].total_seconds(),
        section["processesPerApplication"],
        section["stdoutLogFile"] if section["stdoutLogEnabled"] else None,
        tuple(
            str(item["path"]).replace("\\", "/").removeprefix("./")
            for item in section.child("recycleOnFileChange").items
        ),
    )
