"""Bytes that wait: in order, within a budget, and given back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fcgiemu.server.spool import MEMORY_BYTES, Spool, SpoolBudget


@given(
    st.lists(
        st.one_of(
            st.integers(1, 200_000).map(lambda n: bytes([n % 251]) * n), st.integers(1, 300_000)
        ),
        max_size=20,
    )
)
def test_what_comes_in_comes_out(steps: list[bytes | int]) -> None:
    budget = SpoolBudget()
    spool = Spool(budget)
    put = got = b""
    for step in steps:
        if isinstance(step, bytes):
            spool.write(step)
            put += step
        else:
            part = spool.read(step)
            assert len(part) <= step and (part or len(got) == len(put))
            got += part
        assert spool.waiting == len(put) - len(got)
    while part := spool.read(1 << 16):
        got += part
    assert got == put and spool.received == len(put)
    assert (budget.disk_used, budget.memory_used) == (0, 0)


def test_a_file_when_it_is_much() -> None:
    budget = SpoolBudget()
    spool = Spool(budget)
    spool.write(b"a" * MEMORY_BYTES)
    assert (budget.memory_used, budget.disk_used) == (MEMORY_BYTES, 0)
    spool.write(b"b")
    assert budget.disk_used == 1
    spool.close()
    assert (budget.memory_used, budget.disk_used) == (0, 0)


def test_a_file_at_once_when_memory_is_spent() -> None:
    budget = SpoolBudget(memory=10)
    first, second = Spool(budget), Spool(budget)
    first.write(b"a" * 10)
    second.write(b"b")
    assert (budget.memory_used, budget.disk_used) == (10, 1)
    second.close()
    first.close()


def test_full_at_its_own_limit_until_it_is_drained() -> None:
    spool = Spool(SpoolBudget(), limit=300_000)
    spool.write(b"a" * 299_999)
    assert not spool.is_full
    spool.write(b"b")
    assert spool.is_full
    while spool.read(1 << 16):
        pass
    assert not spool.is_full


def test_full_when_the_budget_of_all_is_spent() -> None:
    budget = SpoolBudget(disk=1000, memory=0)
    large, small = Spool(budget), Spool(budget)
    large.write(b"a" * 1000)
    assert large.is_full and not small.is_full  # it has not asked for anything yet
    small.write(b"b")
    assert small.is_full
    large.close()
    assert not small.is_full
    small.close()
