"""Where training ECGs come from: PTB-XL as published, PTB-XL packed, or a generator."""

from model_training.sources.base import DataError, Example, Source
from model_training.sources.opening import open_source

__all__ = ["DataError", "Example", "Source", "open_source"]
