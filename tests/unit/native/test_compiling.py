"""Compiling at installation: done where it can be, and never in the way where it cannot."""

import shutil
from pathlib import Path

import pytest

from app.native import library
from hatch_build import LIBRARY, compile_library
from tests.fixtures.skipping import skip_or_fail


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for file in library.FILE.parent.glob("*.c"):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_makes_what_is_loaded(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        skip_or_fail("there is no C compiler")
    assert compile_library(source) is None
    assert library.load(source / LIBRARY) is not None


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_says_why_not_and_leaves_nothing_behind(source: Path, monkeypatch: pytest.MonkeyPatch, compiler: str) -> None:
    monkeypatch.setenv("CC", compiler)
    assert compile_library(source)
    assert sorted(path.suffix for path in source.iterdir()) == [".c"] * 3


def test_a_source_that_is_broken_leaves_the_library_that_was(source: Path) -> None:
    (source / LIBRARY).write_bytes(b"from before")
    (source / "kernels.c").write_text("#error")
    assert compile_library(source)
    assert (source / LIBRARY).read_bytes() == b"from before"


@pytest.mark.parametrize("content", [None, b"", b"not a library"])
def test_what_is_no_library_is_not_loaded(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / LIBRARY
    if content is not None:
        file.write_bytes(content)
    assert library.load(file) is None


def test_a_library_of_another_version_is_not_loaded(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "VERSION", library.VERSION + 1)
    assert library.load(library.FILE) is None
