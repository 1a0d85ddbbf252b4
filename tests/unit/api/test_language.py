"""Choosing a language."""

import pytest

from app.api.language import choose_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "ru"),
        ("", "ru"),
        ("en", "en"),
        ("EN-us", "en"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("ru;q=0.5,en;q=0.9", "en"),
        ("en;q=0", "ru"),
        ("de, fr", "ru"),
        ("*", "ru"),
        ("en;q=nonsense", "ru"),
        ("en;q=nan", "ru"),
        ("en;q=1e999", "en"),
        (";;;,,,=", "ru"),
        ("x" * 100_000 + ",en", "ru"),
    ],
)
def test_prefers_what_the_caller_prefers_and_russian_otherwise(header: str | None, language: str) -> None:
    assert choose_language(header) == language
