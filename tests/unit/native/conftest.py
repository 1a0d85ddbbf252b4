from pathlib import Path

import pytest

from app.native.library import FILE, LIBRARY
from tests.fixtures.skipping import skip_or_fail


@pytest.fixture(autouse=True)
def compiled() -> Path:
    if LIBRARY is None:
        skip_or_fail("app/native was not compiled when the project was installed: there was no C compiler")
    return FILE
