"""Inflating bodies within a cap."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.parsing.inflate import inflate, inflated_size
from app.core.exceptions import BodyTooLarge, FieldError
from app.core.steps import finish

CAP_BYTES = 2**20
INVALID = FieldError(loc=("body",), type="gzip_invalid")
TEXT = bytes(range(256)) * 100
GZIPPED = gzip.compress(TEXT)
BOMB = gzip.compress(bytes(100 * CAP_BYTES))


def said_to_hold(stream: bytes, n_bytes: int) -> bytes:
    return stream[:-4] + n_bytes.to_bytes(4, "little")


def inflate_whole(compressed: bytes, max_bytes: int) -> bytearray | FieldError:
    return finish(inflate(compressed, max_bytes))


class TestInflating:
    @given(st.binary(max_size=5000), st.integers(0, 9))
    def test_gives_back_what_was_compressed(self, text: bytes, level: int) -> None:
        assert inflate_whole(gzip.compress(text, level), CAP_BYTES) == bytearray(text)

    @pytest.mark.parametrize("n_bytes", [0, 1, CAP_BYTES - 1, CAP_BYTES])
    def test_goes_up_to_the_cap(self, n_bytes: int) -> None:
        inflated = inflate_whole(gzip.compress(bytes(n_bytes)), CAP_BYTES)
        assert isinstance(inflated, bytearray)
        assert len(inflated) == n_bytes

    def test_takes_bodies_that_hardly_shrink_and_are_read_by_pieces(self) -> None:
        noise = zlib.compress(TEXT * 40, 0) * 3
        assert inflate_whole(gzip.compress(noise, 1), 2**23) == bytearray(noise)

    def test_stops_after_every_megabyte(self) -> None:
        assert sum(1 for _ in inflate(gzip.compress(bytes(5 * 2**20)), 2**23)) >= 5

    def test_refuses_a_byte_more(self) -> None:
        with pytest.raises(BodyTooLarge):
            inflate_whole(gzip.compress(bytes(CAP_BYTES + 1)), CAP_BYTES)


class TestABomb:
    def test_is_too_large(self) -> None:
        with pytest.raises(BodyTooLarge):
            inflate_whole(BOMB, CAP_BYTES)

    def test_takes_no_more_room_than_the_cap_and_a_step(self) -> None:
        tracemalloc.start()
        try:
            with pytest.raises(BodyTooLarge):
                inflate_whole(BOMB, CAP_BYTES)
            assert tracemalloc.get_traced_memory()[1] < 4 * CAP_BYTES
        finally:
            tracemalloc.stop()

    def test_that_says_it_is_small_is_believed_and_refused(self) -> None:
        assert inflate_whole(said_to_hold(BOMB, 10), CAP_BYTES) == INVALID


class TestRefuses:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            GZIPPED[:2],
            GZIPPED[:-1],
            GZIPPED[:-8],
            GZIPPED[: len(GZIPPED) // 2],
            GZIPPED + b"\0",
            GZIPPED + GZIPPED,
            b"\0" + GZIPPED,
            zlib.compress(TEXT),
            zlib.compress(TEXT)[2:-4],
            GZIPPED[:-8] + bytes(4) + GZIPPED[-4:],
            said_to_hold(GZIPPED, len(TEXT) - 1),
            said_to_hold(GZIPPED, len(TEXT) + 1),
        ],
        ids=[
            "nothing",
            "no gzip",
            "two bytes",
            "all but a byte",
            "no trailer",
            "half",
            "a byte behind",
            "two members",
            "a byte before",
            "zlib",
            "raw deflate",
            "a wrong checksum",
            "more than it says",
            "less than it says",
        ],
    )
    def test_what_is_not_one_whole_stream(self, body: bytes) -> None:
        assert inflate_whole(body, CAP_BYTES) == INVALID

    @given(st.binary(max_size=200))
    def test_anything_else(self, body: bytes) -> None:
        assert inflate_whole(b"\x1f\x8b\x08" + body, 2**33) == INVALID

    @given(place=st.integers(0, len(GZIPPED) - 1), byte=st.integers(0, 255))
    def test_a_changed_byte_unless_it_changes_nothing(self, place: int, byte: int) -> None:
        changed = bytearray(GZIPPED)
        changed[place] = byte
        assert inflate_whole(bytes(changed), 2**33) in (INVALID, TEXT)


def test_tells_the_size_before_it_inflates_anything() -> None:
    assert inflated_size(GZIPPED, CAP_BYTES) == len(TEXT)
    assert inflated_size(BOMB, CAP_BYTES) == CAP_BYTES
    assert inflated_size(b"", CAP_BYTES) == 0
