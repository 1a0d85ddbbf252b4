from tests.fixtures.net import reference
from tests.fixtures.tiny_model import model_copy, tiny_model

__all__ = ["model_copy", "reference", "tiny_model"]
