"""What <httpPlatform> and <aspNetCore> both say about the process that answers."""

from __future__ import annotations

from ..config.merge import Node


class ProcessSection:
    """The compiled section, which nothing changes; times in seconds. Two that say the same are
    equal: processes go on when the configuration is read again.
    """

    def __init__(self, section: Node) -> None:
        self.process_path = section.text("processPath")
        self.arguments = section.text("arguments")
        self.environment = tuple(
            (item.text("name"), item.text("value"))
            for item in section.child("environmentVariables").items
        )
        self.startup_time_limit = float(section.integer("startupTimeLimit"))
        self.rapid_fails_per_minute = section.integer("rapidFailsPerMinute")
        self.request_timeout = section.seconds("requestTimeout")
        self.processes = section.integer("processesPerApplication")
        self.stdout_log = (
            section.text("stdoutLogFile") if section.flag("stdoutLogEnabled") else None
        )
        #: Files of recycleOnFileChange, relative to the application's folder.
        self.recycle_on = tuple(
            item.text("path").replace("\\", "/").removeprefix("./")
            for item in section.child("recycleOnFileChange").items
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))
