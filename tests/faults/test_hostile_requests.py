"""Requests that are not quite HTTP, and ways around the front door (the catalogue's 4, 20, 21)."""

import time

import pytest

from tests.faults.service import Service
from tests.faults.wire import Answer, call, parse, request, send

FORWARD = b"POST /api/v1/forward HTTP/1.1\r\n"
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
SECRET = b"GET /api/v1/stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CLOSING = b"Host: x\r\nConnection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
ASSET = "/docs/assets/swagger-ui-bundle.js"
MIB = 2**20


def answers(received: bytes) -> int:
    """Count the answers in what was received."""
    return received.count(b"HTTP/1.1 ")


class TestHeaders:
    @pytest.mark.parametrize(
        "head",
        [
            b"GET /health/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"a" * (2 * MIB) + b"\r\n\r\n",
            b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 100_000 + b"\r\n",
            b"GET /" + b"a" * (2 * MIB) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a" * (2 * MIB),
            b"A" * (2 * MIB),
        ],
        ids=["one of 2 MB", "100,000", "an address of 2 MB", "a name without end", "a method without end"],
    )
    def test_without_measure_are_refused_and_cost_nothing(self, service: Service, head: bytes) -> None:
        with service.weighed() as scales:
            received = send(service.port, head)
        assert received == b"" or parse(received).status in {400, 431}
        assert answers(received) <= 1
        assert scales.growth_mib < 10

    def test_behind_the_body_are_refused_and_cost_nothing(self, service: Service) -> None:
        trailers = b"X-Many: 1\r\n" * 200_000
        with service.weighed() as scales:
            received = send(service.port, FORWARD + CLOSING + CHUNKED + b"\r\n0\r\n" + trailers + b"\r\n")
        assert received == b"" or parse(received).status in {400, 415, 431}
        assert scales.growth_mib < 10

    @pytest.mark.parametrize("value", [b"a\x00b", b"a\rb", b"a\x7fb", b"\xff\xfe"])
    def test_with_odd_bytes_do_no_harm(self, service: Service, value: bytes) -> None:
        received = send(
            service.port, b"GET /api/v1/auth/me HTTP/1.1\r\n" + CLOSING + b"Authorization: " + value + b"\r\n\r\n"
        )
        assert parse(received).status in {400, 401}


SMUGGLED = {
    "a length and chunks": FORWARD + b"Host: x\r\nContent-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SECRET,
    "chunks and a length": FORWARD + b"Host: x\r\n" + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SECRET,
    "two lengths": FORWARD + b"Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + SECRET,
    "two equal lengths": FORWARD + b"Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + SECRET,
    "a negative length": FORWARD + b"Host: x\r\nContent-Length: -1\r\n\r\n" + SECRET,
    "a signed length": FORWARD + b"Host: x\r\nContent-Length: +5\r\n\r\nhello" + SECRET,
    "a length in hexadecimal": FORWARD + b"Host: x\r\nContent-Length: 0x5\r\n\r\nhello" + SECRET,
    "a length with a list": FORWARD + b"Host: x\r\nContent-Length: 5, 5\r\n\r\nhello" + SECRET,
    "a length beyond 64 bits": FORWARD + b"Host: x\r\nContent-Length: 18446744073709551617\r\n\r\nh" + SECRET,
    "an empty length": FORWARD + b"Host: x\r\nContent-Length: \r\n\r\n" + SECRET,
    "a bad chunk": FORWARD + b"Host: x\r\n" + CHUNKED + b"\r\nZZ\r\n" + SECRET,
    "a negative chunk": FORWARD + b"Host: x\r\n" + CHUNKED + b"\r\n-1\r\n" + SECRET,
    "a chunk beyond 64 bits": FORWARD + b"Host: x\r\n" + CHUNKED + b"\r\n10000000000000001\r\na\r\n" + SECRET,
    "a chunk longer than it says": FORWARD + b"Host: x\r\n" + CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n" + SECRET,
    "an encoding that is none": FORWARD + b"Host: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECRET,
    "chunks that are not last": FORWARD + b"Host: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECRET,
    "a space before the colon": FORWARD + b"Host: x\r\nContent-Length : 5\r\n\r\nhello" + SECRET,
    "a folded header": FORWARD + b"Host: x\r\nContent-Length:\r\n 5\r\n\r\nhello" + SECRET,
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n" + SECRET,
    "no host, but a body": FORWARD + b"Content-Length: 2\r\n\r\n{}" + SECRET,
    "two hosts": b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SECRET,
    "no version": b"GET /health/live\r\nHost: x\r\n\r\n" + SECRET,
    "an unknown version": b"GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n" + SECRET,
    "an address of another kind": b"GET @evil HTTP/1.1\r\nHost: x\r\n\r\n" + SECRET,
    "a space in the address": b"GET /health/live /x HTTP/1.1\r\nHost: x\r\n\r\n" + SECRET,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100,
    "nonsense": b"nonsense\r\n\r\n" + SECRET,
}


@pytest.mark.parametrize("raw", SMUGGLED.values(), ids=SMUGGLED)
def test_ambiguous_requests_are_answered_400_and_nothing_behind_them_is_read(service: Service, raw: bytes) -> None:
    received = send(service.port, raw)
    assert parse(received).status == 400
    assert answers(received) == 1


def test_an_old_client_without_a_host_is_served(service: Service) -> None:
    received = send(service.port, b"GET /health/live HTTP/1.0\r\n\r\n")
    assert parse(received).status == 200


def test_requests_in_a_row_are_answered_in_a_row(service: Service) -> None:
    received = send(service.port, HEALTH * 50 + request("GET", "/api/v1/auth/me"))
    assert answers(received) == 51
    assert received.count(b"HTTP/1.1 200") == 50


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "OPTIONS", "PATCH", "PUT"])
@pytest.mark.parametrize("path", ["/", "/api/v1/forward", "/api/v1/history", "/docs", "/health/live"])
def test_methods_that_nothing_takes_are_405(service: Service, method: str, path: str) -> None:
    answer = parse(send(service.port, request(method, path, headers={"X-Secret": "hunter2"})))
    assert answer.status in ({400, 405} if method == "CONNECT" else {405})
    assert b"hunter2" not in answer.body


@pytest.mark.parametrize("override", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_turns_a_reader_into_a_writer(service: Service, override: str) -> None:
    before = call(service.port, "GET", "/api/v1/history").json["total"]
    answer = call(service.port, "GET", "/api/v1/history?_method=DELETE", headers={override: "DELETE"})
    assert answer.status in {200, 400}
    assert call(service.port, "GET", "/api/v1/history").json["total"] == before


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/stats",
        "/api/v1/stats/",
        "/API/V1/STATS",
        "/api/v1//stats",
        "/api/v1/%73tats",
        "/api/v1/./stats",
        "/api/v1/health/../stats",
        "/api/v1/health/%2e%2e/stats",
        "/api/v1/stats%2f",
        "/api/v1/stats;x=1",
        "/api/v1/stats%00",
        "/api/v1/stats%0d%0aX-Injected:1",
        "/docs/../api/v1/stats",
    ],
)
def test_no_other_spelling_of_an_address_needs_no_token(service: Service, path: str) -> None:
    answer = call(service.port, "GET", path)
    assert answer.status in {400, 401, 404, 405}
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/docs/assets/../../../../../etc/passwd",
        "/docs/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/docs/assets/..%2f..%2f..%2fetc/passwd",
        "/docs/assets//etc/passwd",
        "/docs/assets/....//....//etc/passwd",
        "/docs/assets/%00",
        "/docs/assets/" + "a" * 10_000,
        "/docs/assets/swagger-ui-bundle.js%00.png",
        "/docs/assets/..%5c..%5cetc%5cpasswd",
        "/docs/assets/",
    ],
)
def test_static_files_are_those_and_no_others(service: Service, path: str) -> None:
    answer = call(service.port, "GET", path)
    assert answer.status in {400, 404, 405}
    assert b"root:" not in answer.body


RANGES = {
    "the whole, many times": ",".join(["0-"] * 5_000),
    "a byte, many times": ",".join(f"{start}-{start}" for start in range(0, 6_000, 2)),
    "the end, many times": ",".join(["-1000000"] * 2_000),
    "backwards": "5-1",
    "beyond": "999999999999-",
    "huge": f"0-{'9' * 4_000}",
    "nothing": "",
    "text": "a-b",
}


@pytest.mark.parametrize("ranges", RANGES.values(), ids=RANGES)
def test_ranges_never_give_more_than_the_file(service: Service, ranges: str) -> None:
    whole = len(call(service.port, "GET", ASSET).body)
    started_s = time.monotonic()
    with service.weighed() as scales:
        answer = call(service.port, "GET", ASSET, headers={"Range": f"bytes={ranges}"})
    assert answer.status in {200, 206, 400, 416, 431}
    assert len(answer.body) <= 2 * whole
    assert time.monotonic() - started_s < 2
    assert scales.growth_mib < 50


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-URL", "X-Rewrite-URL"])
@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/errors", "/nowhere", "/api/v1/forward/"])
def test_a_forged_host_is_never_repeated(service: Service, name: str, path: str) -> None:
    answer = call(service.port, "GET", path, headers={name: "evil.example", "Accept": "text/html"})
    assert b"evil.example" not in answer.body
    assert "evil.example" not in str(answer.headers)


@pytest.mark.parametrize("address", ["http://evil.example/health/live", "//evil.example/health/live"])
def test_an_absolute_address_leads_nowhere_else(service: Service, address: str) -> None:
    answer = call(service.port, "GET", address)
    assert answer.status in {200, 400, 404}
    assert b"evil.example" not in answer.body.replace(b"//evil.example/health/live", b"")


def test_a_spoofed_address_of_the_caller_is_not_believed(service: Service) -> None:
    call(service.port, "GET", "/api/v1/auth/me", headers={"X-Forwarded-For": "203.0.113.77"})
    assert "203.0.113.77" not in service.log.read_text()


def test_a_broken_line_in_a_header_is_not_a_line_in_the_log(service: Service) -> None:
    forged = '{"event": "forged"}'
    for headers in ({"User-Agent": forged}, {"X-Request-ID": forged}, {"Referer": f"a\t{forged}"}):
        answer: Answer = call(service.port, "GET", f"/errors/%0A{forged.replace(' ', '%20')}", headers=headers)
        assert answer.status == 404
    assert "forged" not in service.log.read_text()
