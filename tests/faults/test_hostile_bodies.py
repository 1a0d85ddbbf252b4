"""Bodies that cost more than they should (the catalogue's 3 and 12-19): sizes, bombs, files, forms."""

import gzip
import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.faults.service import Service
from tests.faults.wire import LongCall, call, chunked, push, request
from tests.fixtures.server import PROJECT_DIR

FORWARD = "/api/v1/forward"
BATCH = "/api/v1/forward/batch"
LOGIN = "/api/v1/auth/login"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
MIB = 2**20
PROMPTLY_S = 2
#: what a connection holds in the buffers of both ends, and some more
SWALLOWED_AT_MOST_BYTES = 24 * MIB
QUERY = "age=55&sex=1&height=175&weight=80&heart_axis=MID"


def zeros(size_bytes: int) -> Iterator[bytes]:
    piece = b"0" * 65536
    for _ in range(size_bytes // len(piece)):
        yield piece


def head(path: str, framing: str, content_type: str = "application/json") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {content_type}", framing]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def push_declared(service: Service, path: str, size_bytes: int, content_type: str = "application/json") -> LongCall:
    return push(service.port, head(path, f"Content-Length: {size_bytes}", content_type), zeros(size_bytes))


def push_chunked(service: Service, path: str, size_bytes: int, content_type: str = "application/json") -> LongCall:
    framing = "Transfer-Encoding: chunked"
    return push(service.port, head(path, framing, content_type), chunked(zeros(size_bytes)))


Push = Callable[..., LongCall]


class TestABodyAboveTheCap:
    @pytest.mark.parametrize("send", [push_declared, push_chunked])
    @pytest.mark.parametrize("path", [FORWARD, BATCH])
    @pytest.mark.parametrize("size_mib", [6, 100])
    def test_is_answered_413_at_once(self, service: Service, send: Push, path: str, size_mib: int) -> None:
        with service.weighed() as scales:
            outcome = send(service, path, size_mib * MIB)
        assert outcome.answer.status == 413
        assert outcome.answer.headers["content-type"] == "application/problem+json"
        assert outcome.answered_after_s < PROMPTLY_S
        assert scales.growth_mib < 10

    @pytest.mark.parametrize("send", [push_declared, push_chunked])
    def test_of_200_megabytes_is_not_swallowed_but_cut_off(self, service: Service, send: Push) -> None:
        outcome = send(service, FORWARD, 200 * MIB)
        assert outcome.answer.status == 413
        assert outcome.answer.headers.get("connection") == "close"
        assert outcome.was_cut_off
        assert outcome.sent_bytes < SWALLOWED_AT_MOST_BYTES

    @pytest.mark.parametrize("send", [push_declared, push_chunked])
    @pytest.mark.parametrize("path", [LOGIN, "/api/v1/history", "/nowhere"])
    def test_is_no_better_where_no_ecg_is_taken(self, service: Service, send: Push, path: str) -> None:
        with service.weighed() as scales:
            outcome = send(service, path, 100 * MIB, "application/x-www-form-urlencoded")
        assert outcome.answer.status in {404, 405, 413}
        assert outcome.sent_bytes < SWALLOWED_AT_MOST_BYTES
        assert scales.growth_mib < 10

    def test_is_told_before_it_is_sent_when_the_caller_asks(self, service: Service) -> None:
        expecting = head(FORWARD, f"Content-Length: {100 * MIB}\r\nExpect: 100-continue")
        outcome = push(service.port, expecting, [])
        assert outcome.answer.status == 413


@cache
def compress(encoding: str, size_bytes: int) -> bytes:
    data = b"[" + b"0," * (size_bytes // 2) + b"0]"
    if encoding == "gzip":
        return gzip.compress(data, 9)
    if encoding == "gzip, gzip":
        return gzip.compress(gzip.compress(data, 9), 9)
    return zlib.compress(data, 9)


class TestACompressedBomb:
    @pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate", "br", "zstd", "x-gzip", "gzip;q=1"])
    @pytest.mark.parametrize("path", [FORWARD, BATCH])
    def test_is_refused_without_being_unpacked(self, service: Service, path: str, encoding: str) -> None:
        body = compress(encoding, 200 * MIB) if encoding in {"gzip", "gzip, gzip", "deflate"} else b"\x28\xb5\x2f\xfd"
        with service.weighed() as scales:
            started_s = time.monotonic()
            answer = call(service.port, "POST", path, body, {**JSON, "Content-Encoding": encoding})
        assert answer.status in {400, 413, 415}
        assert time.monotonic() - started_s < PROMPTLY_S
        assert scales.growth_mib < 50

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x1f\x8b", b"\x1f\x8b\x08\x00", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"rest", b"{}"],
        ids=["nothing", "the magic", "half a head", "no checksum", "something behind", "not compressed"],
    )
    def test_that_is_broken_is_refused(self, service: Service, body: bytes) -> None:
        answer = call(service.port, "POST", FORWARD, body, {**JSON, "Content-Encoding": "gzip"})
        assert answer.status in {400, 413, 415}


def npy_header(description: str, shape: str) -> bytes:
    text = f"{{'descr': {description}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def zip_of(name: str, size_bytes: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"\0" * size_bytes)
    return stream.getvalue()


ARRAYS = {
    "a header of 80 GB": npy_header("'<f8'", "(10000000000,)") + b"\0" * 800,
    "a header of 80 GB in rows": npy_header("'<f8'", "(833333333, 12)") + b"\0" * 960,
    "a shape beyond 64 bits": npy_header("'<f4'", f"({2**70}, 12)"),
    "a shape whose product overflows": npy_header("'<f4'", f"({2**62}, {2**62})"),
    "objects": npy_header("'|O'", "(5000, 12)") + b"cos\nsystem\n(S'true'\ntR.",
    "nested objects": npy_header("[('a', '|O'), ('b', '<f4')]", "(5000, 12)"),
    "a type of a gigabyte": npy_header("'|S1000000000'", "(5000, 12)"),
    "an npz of 200 MB": zip_of("ecg.npy", 200 * MIB),
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
}


@pytest.mark.parametrize("body", ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_claim_what_they_are_not_cost_nothing(service: Service, body: bytes) -> None:
    with service.weighed() as scales:
        answer = call(service.port, "POST", f"{FORWARD}?{QUERY}", body, {"Content-Type": "application/x-npy"})
    assert answer.status in {400, 413}
    assert scales.growth_mib < 10


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    rows = zlib.compress(b"\0" * (height * (width // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def dicom_deflated(size_bytes: int) -> bytes:
    syntax = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(syntax)) + syntax
    return b"\0" * 128 + b"DICM" + meta + zlib.compress(b"\0" * size_bytes, 9)[2:-4]


ENTITIES = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY a%d "%b">' % (level, b"&a%s;" % (str(level - 1).encode() if level > 1 else b"") * 10)
    for level in range(1, 10)
)
FILES = {
    "a PNG of 13000 x 13000": ("image/png", png(13000, 13000)),
    "a deflated DICOM of 300 MB": ("application/dicom", dicom_deflated(300 * MIB)[: 2 * MIB - 1000]),
    "an entity bomb": ("application/xml", ENTITIES + b"]><l>&a9;</l>"),
    "an external entity": (
        "text/xml",
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>',
    ),
    "deep XML": ("application/xml", b"<a>" * 300_000),
    "an SVG with a script": ("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'),
    "a zip of 200 MB": ("application/zip", zip_of("x", 200 * MIB)),
    "a zip that climbs": ("application/zip", zip_of("../../../tmp/climbed", 10)),
    "a PDF": ("application/pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n"),
}


@pytest.mark.parametrize(("content_type", "body"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("path", [FORWARD, BATCH])
def test_files_that_are_bombs_are_refused_and_cost_nothing(
    service: Service, path: str, content_type: str, body: bytes
) -> None:
    with service.weighed() as scales:
        answer = call(service.port, "POST", path, body, {"Content-Type": content_type})
    assert answer.status in {400, 413, 415}
    assert b"root:" not in answer.body
    assert scales.growth_mib < 50


@pytest.mark.parametrize(
    "body",
    [png(8, 8), b"%PDF-1.7\n{}", b"<html>{}</html>", zip_of("x", 10), b"\x93NUMPY{}", b"GIF89a{}"],
    ids=["a PNG", "a PDF", "HTML", "a zip", "an array", "a GIF"],
)
def test_files_under_anothers_name_are_refused(service: Service, body: bytes) -> None:
    for content_type in ("application/json", "application/x-npy"):
        assert call(service.port, "POST", f"{FORWARD}?{QUERY}", body, {"Content-Type": content_type}).status == 400


FILE_NAMES = {
    "climbing": "../../../../tmp/climbed",
    "climbing on Windows": "..\\..\\climbed",
    "climbing in disguise": "..%2f..%2fclimbed",
    "absolute": "/tmp/climbed",
    "a NUL": "climbed\0.png",
    "a device": "CON",
    "5000 characters": "x" * 5000,
    "right to left": "ecg\u202egnp.exe",
    "a line break": "a%0d%0aX-Injected: 1",
    "nothing": "",
}


def part(name: str, file_name: str, content: bytes, content_type: str = "image/png") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{file_name}"'
    return f"--x\r\n{disposition}\r\nContent-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"


def files_outside(service: Service) -> set[str]:
    """Name what a climbing file could have become."""
    folders = (Path("/tmp"), PROJECT_DIR, service.log.parent.parent)
    return {str(file) for folder in folders for file in folder.glob("*climbed*")}


@pytest.mark.parametrize("file_name", FILE_NAMES.values(), ids=FILE_NAMES)
@pytest.mark.parametrize("field", ["image", "file", "data"])
def test_a_files_name_is_never_a_path(service: Service, field: str, file_name: str) -> None:
    before = files_outside(service)
    body = part(field, file_name, png(8, 8)) + b"--x--\r\n"
    answer = call(service.port, "POST", FORWARD, body, MULTIPART)
    assert answer.status in {400, 403, 413, 415}
    assert "x-injected" not in answer.headers
    assert files_outside(service) == before


def form_field(name: bytes, value: bytes = b"1") -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n"


FORMS = {
    "1001 fields": (MULTIPART, form_field(b"a") * 1001 + b"--x--\r\n"),
    "1001 files": (MULTIPART, part("a", "a.png", b"x") * 1001 + b"--x--\r\n"),
    "no boundary": ({"Content-Type": "multipart/form-data"}, form_field(b"a") + b"--x--\r\n"),
    "an empty boundary": ({"Content-Type": "multipart/form-data; boundary="}, form_field(b"a") + b"--x--\r\n"),
    "another boundary": ({"Content-Type": "multipart/form-data; boundary=y"}, form_field(b"a") + b"--x--\r\n"),
    "no end": (MULTIPART, form_field(b"username") + b"--x\r\nContent-Disp"),
    "no name": (MULTIPART, b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"),
    "no headers": (MULTIPART, b"--x\r\n\r\n\r\n--x--\r\n"),
    "a name of 1 MB": (MULTIPART, form_field(b"a" * MIB) + b"--x--\r\n"),
    "a header of 1 MB": (MULTIPART, b"--x\r\nX: " + b"a" * MIB + b"\r\n\r\n1\r\n--x--\r\n"),
    "10^6 fields": (FORM, b"&".join([b"a=1"] * 1_000_000)),
    "10^6 separators": (FORM, b"&" * 1_000_000),
    "an endless name": (FORM, b"a" * MIB),
    "endless escapes": (FORM, b"username=" + b"%41" * 300_000 + b"&password=x"),
}


@pytest.mark.parametrize(("headers", "body"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("path", [LOGIN, FORWARD])
def test_abused_forms_are_refused_promptly(service: Service, path: str, headers: dict[str, str], body: bytes) -> None:
    with service.weighed() as scales:
        started_s = time.monotonic()
        start = request("POST", path, headers={**headers, "Content-Length": str(len(body))})
        outcome = push(service.port, start, [body])
    assert outcome.answer.status in {400, 401, 413, 415}
    assert time.monotonic() - started_s < 2 * PROMPTLY_S
    assert scales.growth_mib < 50


@pytest.mark.parametrize("send", [push_declared, push_chunked])
def test_a_field_name_of_ten_megabytes_is_413(service: Service, send: Push) -> None:
    outcome = send(service, LOGIN, 10 * MIB, "multipart/form-data; boundary=x")
    assert outcome.answer.status in {400, 413}
