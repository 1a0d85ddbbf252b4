"""One sentence in every language of the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["ru", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence with `str.format` placeholders, in Russian and in English."""

    ru: str
    en: str

    def render(self, language: Language, params: Mapping[str, object] | None = None) -> str:
        """Write the sentence; a missing parameter is a bug and raises `KeyError`."""
        template = self.en if language == "en" else self.ru
        return template.format_map({name: _readable(value) for name, value in (params or {}).items()})


def _readable(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What a problem is called, what its answer says, and what its page advises."""

    title: Text
    detail: Text
    advice: Text
