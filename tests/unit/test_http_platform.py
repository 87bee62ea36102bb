"""Processes of httpPlatform without one: failures that count, names of logs, who has a port."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from fcgiemu.programs.http_platform import log_suffix
from fcgiemu.programs.ports import stranger_on
from fcgiemu.server.process_handlers.supervisor import FailCounter


def test_failures_count_for_a_minute_from_the_first_one_on() -> None:
    now = [1000.0]
    fails = FailCounter(2, lambda: now[0])
    fails.add()
    assert not fails.used_up
    now[0] += 59
    fails.add()
    assert fails.used_up and fails.count == 2
    now[0] += 1  # a minute after the first one: both are forgotten
    assert not fails.used_up and fails.count == 0
    fails.add()
    assert fails.count == 1


def test_a_limit_of_0_is_none() -> None:
    fails = FailCounter(0)
    for _ in range(200):
        fails.add()
    assert not fails.used_up and fails.count == 200


def test_the_name_of_a_log_has_the_time_in_utc_unpadded() -> None:
    started = time.gmtime(1456837538)  # 2016-03-01 13:05:38
    assert log_suffix(4908, started) == "_4908_20163113538.log"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux tells who has a port")
def test_who_else_has_a_port() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert stranger_on(port, os.getsid(0), "X=1") == 0
        assert stranger_on(port, -1, "X=1") == os.getpid()
        name, value = next(iter(Path("/proc/self/environ").read_text().split("\0"))).split("=", 1)
        assert stranger_on(port, -1, f"{name}={value}") == 0
    assert stranger_on(port, -1, "X=1") == 0
