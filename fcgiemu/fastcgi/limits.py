"""The limits of a pool of processes, with IIS's figures: attributes of <fastCgi><application>."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Seconds between the polite end of a process and SIGKILL, where the configuration does not say.
GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Attributes of <fastCgi><application>, by their own names in our spelling; seconds where they
    are times.
    """

    max_instances: int = 4
    queue_length: int = 1000
    activity_timeout: float = 70.0
    request_timeout: float = 90.0
    idle_timeout: float = 300.0
    instance_max_requests: int = (
        0  # 0 = never; IIS recycles after 200, which surprises in development
    )
    rapid_fails_per_minute: int = 0  # 0 = no limit
    signal_before_terminate: float = GRACE_SECONDS
    stderr_mode: str = "ReturnStdErrIn500"
    protocol: str = "NamedPipe"
    monitor_changes_to: str = ""
    environment: tuple[tuple[str, str], ...] = ()


#: What IIS uses where <application> does not say otherwise (its schema); 0 instances mean as many
#: as suits the machine.
IIS_LIMITS = Limits(
    max_instances=max(4, os.cpu_count() or 1),
    instance_max_requests=200,
    rapid_fails_per_minute=10,
    signal_before_terminate=0.0,
)
