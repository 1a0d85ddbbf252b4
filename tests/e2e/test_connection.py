"""The edge: what a connection may do to a real server."""

import asyncio
import concurrent.futures
import contextlib
import itertools
import json
import select
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from app.ml.engine import Patience
from app.services.prediction import PredictionService
from app.serving import guarded_protocol
from tests.fixtures.ecg import encode, make_request, make_signal
from tests.fixtures.server import LiveApp, read_until_closed

Serve = Callable[..., LiveApp]

HEALTH = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
FORWARD = b"POST /api/v1/forward HTTP/1.1\r\nHost: x\r\n"
JSON = {"Content-Type": "application/json"}


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def check_problem(answer: bytes) -> None:
    """Make sure that an answer given below the application has the form of all others."""
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = head.lower().split(b"\r\n")
    assert b"content-type: application/problem+json" in fields
    assert b"content-length: %d" % len(body) in fields
    assert {b"x-request-id", b"date"} <= {field.partition(b": ")[0] for field in fields}
    assert json.loads(body)["status"] == status(answer)


class TestErrors:
    def test_do_not_poison_the_connection(self, serve: Serve) -> None:
        live = serve()

        def fail() -> None:
            raise RuntimeError

        live.app.add_api_route("/broken", fail)
        with httpx.Client(base_url=live.url) as client:
            statuses = [
                (client.get("/broken").status_code, client.get("/api/v1/health").status_code) for _ in range(20)
            ]
        assert statuses == [(500, 200)] * 20

    def test_of_refused_bodies_do_not_either(self, serve: Serve) -> None:
        live = serve(max_body_bytes=100_000)
        with httpx.Client(base_url=live.url) as client:
            for _ in range(5):
                too_large = client.post("/api/v1/forward", content=b"x" * 150_000, headers=JSON)
                wrong_type = client.post("/api/v1/forward", content=b"x" * 50_000)
                assert (too_large.status_code, wrong_type.status_code) == (413, 415)
                assert client.get("/api/v1/health").status_code == 200


class TestHeaders:
    def test_of_two_megabytes_are_refused(self, serve: Serve) -> None:
        live = serve()
        request = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"a" * 2_000_000 + b"\r\n\r\n"
        with live.connect() as connection:
            with contextlib.suppress(ConnectionError):  # closed before all was sent
                connection.sendall(request)
            answer = read_until_closed(connection)
        assert answer == b"" or status(answer) == 431
        assert httpx.get(f"{live.url}/api/v1/health").status_code == 200

    def test_above_the_cap_are_refused_with_431(self, serve: Serve) -> None:
        live = serve()
        answer = live.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n")
        assert status(answer) == 431
        check_problem(answer)

    def test_below_the_cap_are_taken(self, serve: Serve) -> None:
        live = serve()
        response = httpx.get(f"{live.url}/api/v1/health", headers={"X-Long": "a" * 20_000})
        assert response.status_code == 200

    def test_that_are_deep_json_in_a_token_are_401(self, serve: Serve) -> None:
        live = serve()
        token = "W1tb" * 5_000 + ".e30.AAAA"
        response = httpx.get(f"{live.url}/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401


class TestSlowCallers:
    @pytest.fixture(autouse=True)
    def _short_deadlines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guarded_protocol, "HEADER_DEADLINE_S", 0.3)
        monkeypatch.setattr(guarded_protocol, "BODY_WINDOW_S", 0.3)

    @pytest.mark.parametrize(
        "start",
        [
            b"",
            b"GET / HTT",
            b"GET / HTTP/1.1\r\nHost: x\r\n",
            FORWARD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
            HEALTH + b"GET / HTTP/1.1\r\nHo",
        ],
        ids=["nothing", "half a line", "half the headers", "half a body", "half a second request"],
    )
    def test_are_sent_away(self, serve: Serve, start: bytes) -> None:
        answer = serve().exchange(start)
        assert b"408 Request Timeout" in answer

    def test_may_pause_between_pieces(self, serve: Serve) -> None:
        live = serve()
        body = encode(make_request(make_signal()[:2500:5], sampling_rate_hz=100))
        head = b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        with live.connect() as connection:
            connection.sendall(FORWARD + head)
            size = len(body) // 5 + 1
            for begin in range(0, len(body), size):
                connection.sendall(body[begin : begin + size])
                time.sleep(0.1)
            answer = read_until_closed(connection)
        assert status(answer) == 200

    def test_do_not_hold_up_others(self, serve: Serve) -> None:
        live = serve()
        idle = [live.connect() for _ in range(50)]
        assert httpx.get(f"{live.url}/api/v1/health").status_code == 200
        for connection in idle:
            connection.close()

    def test_may_wait_between_requests(self, serve: Serve) -> None:
        live = serve()
        with httpx.Client(base_url=live.url) as client:
            client.get("/api/v1/health")
            time.sleep(0.5)
            assert client.get("/api/v1/health").status_code == 200


class TestSmuggling:
    @pytest.mark.parametrize(
        "request_",
        [
            FORWARD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            FORWARD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            FORWARD + b"Content-Length: -1\r\n\r\n",
            FORWARD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
            b"GET @evil HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"nonsense\r\n\r\n",
        ],
    )
    def test_is_answered_with_400_and_an_end(self, serve: Serve, request_: bytes) -> None:
        answer = serve().exchange(request_)
        assert status(answer) == 400
        check_problem(answer)


class TestLoad:
    def test_of_many_at_once_is_answered_or_sent_away_and_all_answers_are_kept(self, serve: Serve) -> None:
        live = serve(compute_queue_size=8)
        body = encode(make_request(make_signal()[:2500:5], sampling_rate_hz=100))

        def post(_index: int) -> int:
            return httpx.post(f"{live.url}/api/v1/forward", content=body, headers=JSON, timeout=30).status_code

        with ThreadPoolExecutor(24) as pool:
            statuses = list(pool.map(post, range(96)))
        assert set(statuses) <= {200, 503}
        total = httpx.get(f"{live.url}/api/v1/history").json()["total"]
        assert total == statuses.count(200) > 0


def test_stops_by_finishing_what_it_began(serve: Serve) -> None:
    live = serve()
    body = encode({"samples": [make_request(make_signal())] * 12})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{live.url}/api/v1/forward/batch", content=body, headers=JSON, timeout=30)
        while not live.app.state.service.engine.admitted:
            time.sleep(0.001)
        live.server.should_exit = True
        assert answer.result().status_code == 200
    _until(lambda: not _takes_callers(live))


def test_keeps_the_connection_of_an_answer_that_had_begun_when_it_was_told_to_stop(serve: Serve) -> None:
    live = serve(shutdown_delay_s=5)

    def stop_while_answering() -> Iterator[bytes]:
        live.server.handle_exit(signal.SIGTERM, None)
        yield b"the end"

    live.app.add_api_route("/stop", lambda: StreamingResponse(stop_while_answering()))
    with live.connect() as connection:
        connection.sendall(HEALTH.replace(b"/api/v1/health", b"/stop"))
        first = b""
        while not first.endswith(b"the end\r\n0\r\n\r\n"):
            first += connection.recv(65536)
        assert b"connection: close" not in first
        connection.sendall(HEALTH)
        second = read_until_closed(connection)
    assert status(second) == 200
    assert b"connection: close" in second


class TestCallersWhoHangUp:
    def test_are_not_computed_for_and_are_written_down(self, serve: Serve) -> None:
        live = serve()
        body = encode(make_request(make_signal()[:2500:5], sampling_rate_hz=100))
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        engine = live.app.state.service.engine
        release = threading.Event()
        waiting = _block(live, release)
        caller = live.connect()
        caller.sendall(FORWARD + head + body)
        _until(lambda: engine.admitted == 2)
        caller.close()
        time.sleep(0.2)  # for the news to reach the server
        release.set()
        waiting.result(30)
        _until(lambda: engine.admitted == 0)
        _until(lambda: httpx.get(f"{live.url}/api/v1/history").json()["total"] == 1)
        (record,) = httpx.get(f"{live.url}/api/v1/history").json()["records"]
        assert (record["status_code"], record["success"], record["predicted_class_name"]) == (499, False, None)


def _block(live: LiveApp, release: threading.Event) -> "concurrent.futures.Future[None]":
    """Keep the compute thread busy until released."""
    state = live.app.state.service

    async def wait() -> None:
        with state.engine.admit() as desk:
            await desk.run(release.wait)

    future = asyncio.run_coroutine_threadsafe(wait(), live.loop)
    _until(lambda: state.engine.admitted == 1)
    return future


def _takes_callers(live: LiveApp) -> bool:
    try:
        live.connect().close()
    except OSError:
        return False
    return True


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


class TestEarlyRefusals:
    """What is refused on its headers alone looks like every other refusal."""

    @pytest.fixture
    def full(self, serve: Serve) -> Iterator[LiveApp]:
        live = serve(compute_queue_size=1)
        release = threading.Event()
        waiting = _block(live, release)
        yield live
        release.set()
        waiting.result(30)

    @pytest.mark.parametrize("path", ["/api/v1/forward", "/api/v1/forward/batch", "/v2/models/ecg/infer"])
    @pytest.mark.parametrize("language", ["ru", "en"])
    def test_are_what_the_application_would_have_said(self, full: LiveApp, path: str, language: str) -> None:
        headers = {**JSON, "Accept-Language": language, "X-Request-ID": "mine"}
        with httpx.Client(base_url=full.url, headers=headers) as client:
            early = client.post(f"{path}?details=true", content=b"x" * 300_000)
            usual = client.post(path, content=b"x" * 300_000, headers={"Origin": "https://page.example"})
            health = client.get("/api/v1/health")
        assert (early.status_code, early.json()) == (usual.status_code, usual.json())
        assert early.json()["status"] == 503
        assert {*usual.headers} == {*early.headers}
        assert parsedate_to_datetime(early.headers["date"]) <= parsedate_to_datetime(usual.headers["date"])
        fixed = {*early.headers} - {"server-timing", "date"}
        assert {name: early.headers[name] for name in fixed} == {name: usual.headers[name] for name in fixed}
        assert health.status_code == 200  # on the connection whose body nobody wanted

    @pytest.mark.parametrize(("proxies", "is_secure"), [("127.0.0.1", True), ("192.0.2.1", False), ("", False)])
    def test_tell_callers_behind_a_secure_proxy_to_stay_with_it(
        self, serve: Serve, proxies: str, is_secure: bool
    ) -> None:
        live = serve(compute_queue_size=1, forwarded_allow_ips=proxies)
        release = threading.Event()
        waiting = _block(live, release)
        headers = {**JSON, "X-Forwarded-Proto": "https"}
        with httpx.Client(base_url=live.url, headers=headers) as client:
            early = client.post("/api/v1/forward", content=b"{}")
            usual = client.post("/api/v1/forward", content=b"{}", headers={"Origin": "https://page.example"})
        release.set()
        waiting.result(30)
        stated = [answer.headers.get("strict-transport-security") for answer in (early, usual)]
        assert stated == ["max-age=31536000" if is_secure else None] * 2

    def test_are_not_given_while_there_is_room(self, serve: Serve) -> None:
        live = serve(compute_queue_size=1)
        assert httpx.post(f"{live.url}/api/v1/forward", content=b"{}", headers=JSON).status_code == 400

    def test_leave_the_order_of_answers_as_it_was(self, full: LiveApp) -> None:
        forward = FORWARD + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        answers = full.exchange(HEALTH + forward + last)
        assert [int(part[1:4]) for part in answers.split(b"HTTP/1.1")[1:]] == [200, 503, 200]

    def test_let_the_body_pass_and_nothing_behind_it(self, full: LiveApp) -> None:
        body = b"x" * 700_000
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with full.connect() as connection:
            connection.sendall(FORWARD + head + body[:1000])
            assert status(connection.recv(65536)) == 503  # before the body is there
            connection.sendall(body[1000:] + FORWARD + head + body + last)
            answers = read_until_closed(connection)
        assert [int(part[1:4]) for part in answers.split(b"HTTP/1.1")[1:]] == [503, 200]

    def test_are_given_to_all_whom_the_last_place_was_taken_from_meanwhile(self, serve: Serve) -> None:
        live = serve(compute_queue_size=2)
        release = threading.Event()
        waiting = _block(live, release)
        service = live.app.state.service.prediction
        begun = 0

        def count(patience: Patience) -> None:
            nonlocal begun
            begun += 1
            PredictionService.check_room(service, patience)

        service.check_room = count
        head = FORWARD + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        with contextlib.ExitStack() as opened:
            connections = [opened.enter_context(live.connect()) for _ in range(12)]
            for connection in connections:
                connection.sendall(head + b"{")
            time.sleep(0.3)  # all heads were read while there was room for one
            held_up = threading.Event()
            live.loop.call_soon_threadsafe(held_up.wait, 5)
            for connection in connections:
                connection.sendall(b"}")
            held_up.set()  # so all bodies are complete in the same turn of the loop
            time.sleep(0.3)
            release.set()
            statuses = sorted(status(connection.recv(65536)) for connection in connections)
        waiting.result(30)
        assert statuses == [400] + [503] * 11
        assert begun == 1  # the others cost the application nothing

    def test_do_not_switch_the_deadlines_off(self, full: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
        with full.connect() as connection:
            connection.sendall(FORWARD + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            assert status(connection.recv(65536)) == 503
            monkeypatch.setattr(guarded_protocol, "KEEP_ALIVE_S", 0.1)
            monkeypatch.setattr(guarded_protocol, "HEADER_DEADLINE_S", 0.1)
            assert connection.recv(65536) == b""  # ended for being idle
        assert b"408 Request Timeout" in full.exchange(b"GET / HTT")


@pytest.mark.parametrize(
    "framing", [b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % 40_000, b"Content-Length: 40001\r\n\r\n"]
)
def test_bodies_that_are_still_coming_in_are_counted_over_all_connections(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, framing: bytes
) -> None:
    monkeypatch.setattr(guarded_protocol, "MAX_COLLECTED_BYTES", 100_000)
    live = serve(max_buffered_bytes=100_000)
    begun = FORWARD + b"Content-Type: application/json\r\n" + framing + b" " * 40_000
    callers = [live.connect() for _ in range(8)]
    for caller in callers:
        caller.sendall(begun)
    answered, _, _ = select.select(callers, [], [], 10)
    assert answered
    assert {status(caller.recv(65536)) for caller in answered} == {503}
    for caller in callers:
        caller.close()
    _until(lambda: not live.server.server_state.connections)
    assert live.server.server_state.collected_bytes == 0


class TestWishesForAnotherProtocol:
    """Clients ask for HTTP/2 this way; nobody speaks it here, and the request is answered as if they had not asked."""

    @pytest.mark.parametrize("wish", [b"h2c", b"websocket"])
    @pytest.mark.parametrize("is_split", [False, True])
    @pytest.mark.parametrize("framing", [b"Content-Length: 30\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1e\r\n"])
    def test_leave_the_body_a_body(self, serve: Serve, wish: bytes, is_split: bool, framing: bytes) -> None:
        live = serve()
        head = FORWARD + b"Content-Type: application/json\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " + wish
        body = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n  "[:30].ljust(30)
        end = b"\r\n0\r\n\r\n" if b"chunked" in framing else b""
        last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with live.connect() as connection:
            connection.sendall(head + b"\r\n" + framing)
            if is_split:
                time.sleep(0.2)
            connection.sendall(body + end + last)
            answers = read_until_closed(connection)
        statuses = [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [400, 200]
        (record,) = httpx.get(f"{live.url}/api/v1/history").json()["records"]
        assert record["input_bytes"] == 30

    def test_get_an_ecg_its_diagnosis(self, serve: Serve) -> None:
        live = serve()
        body = encode(make_request(make_signal()))
        wish = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
        answer = httpx.post(f"{live.url}/api/v1/forward", content=body, headers={**JSON, **wish})
        assert answer.status_code == 200


class TestLongBodies:
    @pytest.mark.parametrize("kind", ["text/plain", "application/json"])
    def test_that_are_not_read_end_the_connection_with_a_word(self, serve: Serve, kind: str) -> None:
        live = serve()
        headers = {"Content-Type": kind, "X-Request-Timeout-Ms": "0"}
        answer = httpx.post(f"{live.url}/api/v1/forward", content=b"x" * 3_000_000, headers=headers)
        assert answer.status_code in {415, 503}
        assert answer.headers["connection"] == "close"

    def test_at_an_address_that_does_not_exist_are_404(self, serve: Serve) -> None:
        live = serve()
        assert httpx.post(f"{live.url}/forward", content=b"x" * 400_000, headers=JSON).status_code == 404
        form = {"username": "x" * 400_000, "password": "x"}
        assert httpx.post(f"{live.url}/api/v1/auth/login", data=form).status_code == 413


class TestPipelining:
    def test_a_large_request_behind_a_small_one_gets_its_answer(self, serve: Serve) -> None:
        live = serve()
        body = b"[" + b"1," * 1_000_000 + b"1]"
        head = b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        answers = live.exchange(HEALTH + FORWARD + head + body)
        assert [int(part[1:4]) for part in answers.split(b"HTTP/1.1")[1:]] == [200, 400]

    def test_the_end_of_a_body_is_not_taken_for_headers(self, serve: Serve) -> None:
        live = serve()
        body = b"[" + b"1," * 100_000 + b"1]"
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        with live.connect() as connection:
            connection.sendall(FORWARD + head + body + HEALTH[:20])
            time.sleep(0.3)
            connection.sendall(HEALTH[20:].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answers = read_until_closed(connection)
        assert [int(part[1:4]) for part in answers.split(b"HTTP/1.1")[1:]] == [400, 200]


def _echo(length: int, *, is_chunked: bool) -> bytes:
    """Return a request whose answer tells length and checksum of its body."""
    head, body = b"POST /v2/echo HTTP/1.1\r\nHost: x\r\n", b"ab" * (length // 2)
    if not is_chunked:
        return head + b"Content-Length: %d\r\n\r\n" % length + body
    chunks = [body[start : start + 50_000] for start in range(0, length, 50_000)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


requests = st.tuples(st.sampled_from([0, 2, 1000, 4096, 60_000, 300_000, 600_000]), st.booleans())


class TestArrival:
    """However the bytes come in, they are the same requests."""

    @pytest.fixture
    def echo(self, serve: Serve) -> LiveApp:
        live = serve()

        async def tell(request: Request) -> PlainTextResponse:
            body = await request.body()
            return PlainTextResponse(f"{len(body)} {zlib.crc32(body)}")

        live.app.add_route("/v2/echo", tell, methods=["POST"])
        return live

    @given(sizes=st.lists(st.integers(1, 300_000), min_size=1, max_size=20), asked=st.lists(requests, max_size=4))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_in_pieces_of_any_size_they_get_the_same_answers(
        self, echo: LiveApp, sizes: list[int], asked: list[tuple[int, bool]]
    ) -> None:
        stream = b"".join(_echo(length, is_chunked=is_chunked) for length, is_chunked in asked)
        stream += HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with echo.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sending = threading.Thread(target=_send_in_pieces, args=(connection, stream, sizes))
            sending.start()
            answers = read_until_closed(connection)
            sending.join()
        assert answers.count(b"HTTP/1.1 200") == len(asked) + 1
        told = [part.rpartition(b"\r\n\r\n")[2].decode() for part in answers.split(b"HTTP/1.1 ")[1:-1]]
        assert told == [f"{length} {zlib.crc32(b'ab' * (length // 2))}" for length, _ in asked]


def _send_in_pieces(connection: socket.socket, stream: bytes, sizes: list[int]) -> None:
    start = 0
    for size in itertools.cycle(sizes if max(sizes) > 500 else [*sizes, 5_000]):  # else it would take for ever
        if start >= len(stream):
            return
        connection.sendall(stream[start : start + size])
        start += size
