"""What Windows has in place of POSIX's process groups and lifelines: Job Objects. Untested on
Windows: its calls are tested against a kernel32 of our own.

A process in a job cannot leave it, nor can what it starts. With KILL_ON_JOB_CLOSE all of them end
when the last handle of the job is closed, which the system does for a process that ends, however it
ends. So a server that holds one job for each of its processes leaves none behind.

A process is put into its job right after its start: what it starts before that would be missed.
Documented: learn.microsoft.com/windows/win32/procthread/job-objects.
"""

from __future__ import annotations

import ctypes
from ctypes import wintypes
from typing import Any

_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_KILL_ON_JOB_CLOSE = 0x2000
_SET_QUOTA_AND_TERMINATE = 0x0101  # what AssignProcessToJobObject asks of a handle


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("per_process_user_time_limit", ctypes.c_int64),
        ("per_job_user_time_limit", ctypes.c_int64),
        ("limit_flags", wintypes.DWORD),
        ("minimum_working_set_size", ctypes.c_size_t),
        ("maximum_working_set_size", ctypes.c_size_t),
        ("active_process_limit", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority_class", wintypes.DWORD),
        ("scheduling_class", wintypes.DWORD),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory_limit", ctypes.c_size_t),
        ("job_memory_limit", ctypes.c_size_t),
        ("peak_process_memory_used", ctypes.c_size_t),
        ("peak_job_memory_used", ctypes.c_size_t),
    )


class Job:
    """A process and all that it starts from now on, which end together when the job is closed."""

    def __init__(self, pid: int, kernel32: Any = None) -> None:
        """Raises OSError where the process has ended, or a call is refused."""
        self._kernel32 = kernel32 or getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 on Windows only
        self._handle = self._call("CreateJobObjectW", None, None)
        try:
            limits = ExtendedLimits()
            limits.basic.limit_flags = _KILL_ON_JOB_CLOSE
            self._call(
                "SetInformationJobObject",
                self._handle,
                wintypes.DWORD(_EXTENDED_LIMITS),
                ctypes.byref(limits),
                wintypes.DWORD(ctypes.sizeof(limits)),
            )
            process = self._call(
                "OpenProcess",
                wintypes.DWORD(_SET_QUOTA_AND_TERMINATE),
                wintypes.BOOL(False),
                wintypes.DWORD(pid),
            )
            try:
                self._call("AssignProcessToJobObject", self._handle, process)
            finally:
                self._call("CloseHandle", process)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End what is in the job; to be called once."""
        self._call("CloseHandle", self._handle)

    def _call(self, name: str, *arguments: Any) -> wintypes.HANDLE:
        """Call a function that returns a handle or a BOOL. Raises OSError where that is 0."""
        function = getattr(self._kernel32, name)
        function.restype = wintypes.HANDLE  # as wide as a pointer; a BOOL fits
        answer = function(*arguments)
        if not answer:
            code = getattr(ctypes, "get_last_error", int)()
            raise OSError(code, f"{name} failed with error {code}")
        return wintypes.HANDLE(answer)
