"""Bodies that come compressed with gzip, inflated within a cap.

One member, as every HTTP client sends it: then the last four bytes tell the size before anything is inflated, so room
can be reserved for exactly that, and a stream that holds more than it says is refused as soon as it does.
"""

import zlib
from typing import Final

from app.core.exceptions import BodyTooLarge, FieldError
from app.core.steps import Steps

IDENTITY: Final = "identity"
GZIP: Final = frozenset({"gzip", "x-gzip"})
TAKEN_ENCODINGS: Final = "gzip, identity"

_GZIP_WINDOW_BITS: Final = 31
_SIZE_BYTES: Final = 4
# The input goes in by pieces, because what one step leaves over is copied; so a bomb costs copies of a piece.
_PIECE_BYTES: Final = 2**18
_STEP_BYTES: Final = 2**20
_INVALID: Final = FieldError(loc=("body",), type="gzip_invalid")


def inflated_size(compressed: bytes | bytearray, max_bytes: int) -> int:
    """Return how much the body will hold when inflated, by its own account, and at most the cap."""
    return min(int.from_bytes(compressed[-_SIZE_BYTES:], "little"), max_bytes)


def inflate(compressed: bytes | bytearray, max_bytes: int) -> Steps[bytearray | FieldError]:
    """Inflate a body, a megabyte a step, or say what is wrong with it.

    Raises
    ------
    BodyTooLarge
        It holds more than `max_bytes`.
    """
    limit = inflated_size(compressed, max_bytes)
    decompressor = zlib.decompressobj(_GZIP_WINDOW_BITS)
    inflated = bytearray()
    taken = 0
    try:
        while taken < len(compressed) and len(inflated) <= limit:
            piece = bytes(memoryview(compressed)[taken : taken + _PIECE_BYTES])
            taken += len(piece)
            while piece and not decompressor.eof and len(inflated) <= limit:
                # One byte beyond the limit tells a body that is too large from one that is just large enough.
                inflated += decompressor.decompress(piece, min(_STEP_BYTES, limit + 1 - len(inflated)))
                piece = decompressor.unconsumed_tail
                yield
            if decompressor.eof:
                break
    except zlib.error:
        return _INVALID
    if len(inflated) > max_bytes:
        raise BodyTooLarge
    is_all = decompressor.eof and not decompressor.unused_data and taken == len(compressed)
    return inflated if is_all and len(inflated) <= limit else _INVALID
