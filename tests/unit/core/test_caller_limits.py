"""How often one caller may ask."""

import itertools

import pytest

from app.core.caller_limits import BURST_S, CallerLimits

PER_MINUTE = 60


def passes(limits: CallerLimits, caller: str, moments_s: list[float]) -> int:
    return sum(limits.take(caller, now_s) == 0 for now_s in moments_s)


def test_lets_a_burst_pass_and_then_one_a_second() -> None:
    limits = CallerLimits(PER_MINUTE)
    assert passes(limits, "a", [1000.0] * 100) == BURST_S
    assert passes(limits, "a", [1000.0 + 0.1 * step for step in range(1, 101)]) == 10


def test_says_when_the_next_request_may_pass() -> None:
    limits = CallerLimits(PER_MINUTE)
    wait_s = next(wait_s for _ in itertools.count() if (wait_s := limits.take("a", 50.0)) > 0)
    assert limits.take("a", 50.0 + wait_s - 0.01) > 0
    assert limits.take("a", 50.0 + wait_s + 0.01) == 0


def test_counts_callers_apart() -> None:
    limits = CallerLimits(PER_MINUTE)
    passes(limits, "a", [1000.0] * 100)
    assert limits.take("b", 1000.0) == 0


@pytest.mark.parametrize(
    ("address", "other", "are_one_caller"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("2001:DB8:1:2::1", "2001:0db8:0001:0002::1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("no:address", "no:other", False),
    ],
)
def test_knows_the_addresses_of_one_caller(address: str, other: str, are_one_caller: bool) -> None:
    limits = CallerLimits(PER_MINUTE)
    passes(limits, address, [1000.0] * 100)
    assert (limits.take(other, 1000.0) > 0) is are_one_caller


def test_forgives_with_time() -> None:
    limits = CallerLimits(PER_MINUTE)
    passes(limits, "a", [1000.0] * 100)
    assert passes(limits, "a", [2000.0] * 100) == BURST_S


def test_lets_the_only_request_of_a_slow_limit_pass() -> None:
    limits = CallerLimits(1)
    assert passes(limits, "a", [1000.0, 1001.0, 1059.0, 1061.0]) == 2


def test_lets_everything_pass_without_a_limit() -> None:
    assert passes(CallerLimits(0), "a", [1.0] * 1000) == 1000
