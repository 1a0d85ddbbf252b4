"""What a measuring test reports."""

from typing import Protocol


class PrintFigure(Protocol):
    """Report figures by name: on the screen with `-rP`, and in the run's report."""

    def __call__(self, **figures: object) -> None: ...
