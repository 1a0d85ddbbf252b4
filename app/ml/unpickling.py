"""Reading a joblib file that may have been written by somebody else.

A pickle is a program. This reader runs it with a vocabulary of a few classes that trees are made of, on a bounded
number of bytes; a file that names anything else is refused before it is built.
"""

import io
import lzma
import pickle
from typing import Any, ClassVar, Final

import joblib
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

from app.ml.errors import ArtifactTooLargeError, CorruptArtifactError, ForbiddenContentError
from app.ml.stand_ins import STAND_INS

COMPRESSION: Final = ("xz", 6)
MAX_UNPACKED_BYTES: Final = 512 * 1024 * 1024
PICKLE_PROTOCOL: Final = 5

ALLOWED: Final = frozenset(
    {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy.random._pcg64", "PCG64"),
        ("numpy.random._pickle", "__bit_generator_ctor"),
        ("numpy.random._pickle", "__generator_ctor"),
        ("numpy.random.bit_generator", "SeedSequence"),
        ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
        *STAND_INS,
    }
)


class _PlainArrayWrapper(NumpyArrayWrapper):  # type: ignore[misc]  # joblib is untyped
    """An array of numbers; one of objects would be read by an unpickler that is not ours."""

    def read_array(self, unpickler: NumpyUnpickler, ensure_native_byte_order: bool) -> Any:
        if self.dtype.hasobject:
            raise ForbiddenContentError("the model file holds an array of objects, which no model needs")
        return super().read_array(unpickler, ensure_native_byte_order)


_REPLACED: Final = {("joblib.numpy_pickle", "NumpyArrayWrapper"): _PlainArrayWrapper, **STAND_INS}


class _RestrictedUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib is untyped
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise ForbiddenContentError(f"the model file names {module}.{name}, which no model needs")
        return _REPLACED.get((module, name)) or super().find_class(module, name)

    def load_build(self) -> None:
        """Give an object its state, but never a class or a function: that would change it for the whole process."""
        if callable(self.stack[-2]):
            raise ForbiddenContentError("the model file changes a class or a function, which no model needs")
        super().load_build()

    dispatch: ClassVar = {**NumpyUnpickler.dispatch, pickle.BUILD[0]: load_build}


def dumps(payload: object) -> bytes:
    """Write `payload` as a compressed joblib file."""
    buffer = io.BytesIO()
    joblib.dump(payload, buffer, compress=COMPRESSION, protocol=PICKLE_PROTOCOL)
    return buffer.getvalue()


def loads(data: bytes) -> object:
    """Read what `dumps` wrote; estimators become stand-ins that hold what was stored of them.

    Raises
    ------
    ForbiddenContentError
        If the pickle names anything outside `ALLOWED`, of which nothing has been called then, changes what it
        names, or holds an array of objects.
    ArtifactTooLargeError
        If it unpacks to more than `MAX_UNPACKED_BYTES`.
    CorruptArtifactError
        If it cannot be read.
    """
    unpickler = _RestrictedUnpickler("", io.BytesIO(_unpack(data)), ensure_native_byte_order=False)
    try:
        return unpickler.load()
    except ForbiddenContentError:
        raise
    # A pickle machine fed with nonsense raises whatever the nonsense leads to.
    except (pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, ImportError, LookupError) as error:
        raise CorruptArtifactError("the model file is not a readable pickle") from error
    except (MemoryError, OSError, RecursionError, TypeError, ValueError) as error:
        raise CorruptArtifactError("the model file does not hold what its pickle announces") from error


def _unpack(data: bytes) -> bytes:
    decompressor = lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
    try:
        unpacked = decompressor.decompress(data, max_length=MAX_UNPACKED_BYTES)
    except lzma.LZMAError as error:
        raise CorruptArtifactError("the model file is not xz-compressed") from error
    if not decompressor.eof:
        if len(unpacked) >= MAX_UNPACKED_BYTES:
            raise ArtifactTooLargeError(f"the model file unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        raise CorruptArtifactError("the model file ends too early")
    return unpacked
