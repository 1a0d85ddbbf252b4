"""How many cores this process may use."""

import os
from pathlib import Path

import pytest

from app.core.cores import available_cores


@pytest.mark.parametrize(
    ("said", "expected"),
    [("100000 100000", 1), ("50000 100000", 1), ("150000 100000", 2), ("max 100000", 4), ("nonsense", 4), ("1 0", 4)],
)
def test_obeys_the_quota_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3}, raising=False)
    limit = tmp_path / "cpu.max"
    limit.write_text(said)
    assert available_cores(limit) == expected


def test_counts_what_it_may_run_on_where_there_is_no_quota(tmp_path: Path) -> None:
    assert 1 <= available_cores(tmp_path / "nothing") <= (os.cpu_count() or 1)
