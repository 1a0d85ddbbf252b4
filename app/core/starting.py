"""Refusing to start, in words that help."""

import sys


class StartRefused(Exception):
    """The service cannot start; the text names the setting or file to mend, never a secret."""


def tell_refusal(refusal: StartRefused) -> None:
    """Say in one line why the service does not start."""
    sys.stderr.write(f"refusing to start: {' '.join(str(refusal).split())}\n")
