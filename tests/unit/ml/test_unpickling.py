import io
import lzma
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib.numpy_pickle import NDArrayWrapper
from numpy.random._pickle import __bit_generator_ctor

from app.ml import unpickling
from app.ml.errors import ArtifactTooLargeError, CorruptArtifactError, ForbiddenContentError
from app.ml.stand_ins import Stored
from app.ml.unpickling import dumps, loads


class _Payload:
    """Runs a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


def test_reads_back_what_was_written() -> None:
    payload = {"weights": np.arange(6.0).reshape(2, 3), "name": "x", "list": [1, None, True]}
    back = loads(dumps(payload))
    assert isinstance(back, dict)
    np.testing.assert_array_equal(back.pop("weights"), payload.pop("weights"))
    assert back == payload


def test_what_is_written_is_an_ordinary_joblib_file() -> None:
    assert joblib.load(io.BytesIO(dumps({"a": 1}))) == {"a": 1}


@pytest.mark.parametrize("function", [os.mkdir, eval, exec, __import__, Path])
def test_refuses_a_payload_without_running_it(function: Callable[..., Any], tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    argument = str(trap) if function in (os.mkdir, Path) else f"__import__('os').mkdir({str(trap)!r})"
    with pytest.raises(ForbiddenContentError):
        loads(dumps({"model": _Payload(function, argument)}))
    assert not trap.exists()


def test_refuses_a_payload_hidden_in_an_array_of_objects(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    hidden = np.array([_Payload(os.mkdir, str(trap))], dtype=object)
    with pytest.raises(ForbiddenContentError):
        loads(dumps({"model": hidden}))
    assert not trap.exists()


@pytest.mark.parametrize(
    "name", ["sklearn.tree._classes\nExtraTreeClassifier", "joblib.numpy_pickle\nNumpyArrayWrapper"]
)
@pytest.mark.parametrize("method", ["__setstate__", "read"])
def test_refuses_to_change_a_class_for_whatever_is_loaded_later(name: str, method: str) -> None:
    before = loads(payload := dumps({"weights": np.arange(3.0)}))
    with pytest.raises(ForbiddenContentError, match="changes a class"):
        loads(_build(name, method))
    assert not hasattr(Stored, method)
    np.testing.assert_equal(loads(payload), before)


def test_refuses_to_change_a_function() -> None:
    before = __bit_generator_ctor.__defaults__
    with pytest.raises(ForbiddenContentError, match="changes a class or a function"):
        loads(_build("numpy.random._pickle\n__bit_generator_ctor", "__defaults__"))
    assert __bit_generator_ctor.__defaults__ is before is not None


def test_refuses_an_array_of_objects_whose_pickle_it_would_not_watch_over() -> None:
    with pytest.raises(ForbiddenContentError, match="array of objects"):
        loads(dumps({"classes": np.array(["N", None], dtype=object)}))


def _build(name: str, attribute: str) -> bytes:
    """Return a pickle that takes what it names and sets an attribute of it to None, as it may do with its objects."""
    state = b"N}V%s\nNs\x86" % attribute.encode()
    return lzma.compress(b"\x80\x02c%s\n%sb." % (name.encode(), state))


def test_refuses_the_old_wrapper_that_reads_other_files() -> None:
    with pytest.raises(ForbiddenContentError, match="NDArrayWrapper"):
        loads(dumps(NDArrayWrapper("/etc/hostname", np.ndarray)))


def test_names_what_it_refused_but_not_its_arguments() -> None:
    with pytest.raises(ForbiddenContentError) as refusal:
        loads(dumps(_Payload(os.mkdir, "secret-argument")))
    assert "mkdir" in str(refusal.value)
    assert "secret-argument" not in str(refusal.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not compressed",
        dumps({"a": 1})[:-8],
        lzma.compress(b""),
        lzma.compress(b"not a pickle"),
        lzma.compress(b"\x80\x05."),
        lzma.compress(b"\x80\x05K\x01"),
        lzma.compress(b"\x80\x05]h\x07."),
    ],
    ids=["empty", "plain", "cut", "of nothing", "of text", "empty pickle", "unfinished pickle", "unknown memo"],
)
def test_refuses_bytes_that_hold_no_pickle(data: bytes) -> None:
    with pytest.raises(CorruptArtifactError):
        loads(data)


def test_refuses_an_array_that_announces_more_than_the_file_holds() -> None:
    pickled = lzma.decompress(dumps(np.zeros(1000)))
    with pytest.raises(CorruptArtifactError):
        loads(lzma.compress(pickled[:-500]))


def test_refuses_what_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickling, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(ArtifactTooLargeError):
        loads(lzma.compress(pickle.dumps(b"0" * 100_000)))
