from tests.fixtures.net import reference

__all__ = ["reference"]
