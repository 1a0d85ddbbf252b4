"""Values that parsers and databases stumble over (the catalogue's 1, 2 and 5-11), against a real process."""

import base64
import json
import threading
import time
from typing import Any

import numpy as np
import pytest

from app.core.messages import explain
from tests.faults.service import Service
from tests.faults.wire import Answer, call
from tests.fixtures.ecg import PATIENT, encode, make_request, make_signal

FORWARD = "/api/v1/forward"
BATCH = "/api/v1/forward/batch"
JSON = {"Content-Type": "application/json"}
NPY = {"Content-Type": "application/x-npy"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SMALL_ANSWER_BYTES = 4096

NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"]
HUGE_INTEGERS = {"4000 digits": "9" * 4000, "5000 digits": "9" * 5000, "2^63": str(2**63), "2^64": str(2**64)}
NUMERIC_FIELDS = ("age", "sex", "height", "weight", "sampling_rate_hz")
TEXTS = {"NUL": '"a\\u0000b"', "a lone surrogate": '"\\ud800"', "a raw NUL": '"a\0b"'}
PATIENT_QUERY = "age=55&sex=1&height=175&weight=80&heart_axis=MID"


def forward(service: Service, body: bytes, path: str = FORWARD, headers: dict[str, str] = JSON) -> Answer:
    return call(service.port, "POST", path, body, headers)


def with_field(name: str, text: str) -> bytes:
    """Return a request in which this field is this text, and everything else as it should be."""
    fields = {key: json.dumps(value) for key, value in {**PATIENT, "sampling_rate_hz": 100}.items()}
    fields["ecg_signal"] = json.dumps([[0.5] * 12] * 500)
    members = ", ".join(f'"{key}": {value}' for key, value in {**fields, name: text}.items())
    return f"{{{members}}}".encode()


def check_refused(answer: Answer, *statuses: int) -> None:
    """Make sure that an answer is a small problem."""
    assert answer.status in (statuses or (400,)), answer.body[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.body) < SMALL_ANSWER_BYTES


class TestNumbersThatAreNone:
    @pytest.mark.parametrize("text", NO_NUMBERS)
    def test_are_refused_in_every_field_and_not_repeated(self, any_service: Service, text: str) -> None:
        for name in NUMERIC_FIELDS:
            answer = forward(any_service, with_field(name, text))
            check_refused(answer)
            own_words = answer.body.decode().replace(explain("json_nan"), "")
            assert text not in own_words

    @pytest.mark.parametrize("text", NO_NUMBERS)
    def test_are_refused_within_a_signal_and_a_shape(self, service: Service, text: str) -> None:
        row = "[" + ",".join(["0.5"] * 11) + "," + text + "]"
        for signal in (f"[{row}]", "[" + ",".join([row] * 500) + "]"):
            check_refused(forward(service, with_field("ecg_signal", signal)))
        flat = with_field("ecg_signal", "[" + ",".join([text] * 6000) + "]")
        check_refused(forward(service, flat[:-1] + b', "shape": [500, 12]}'))
        check_refused(forward(service, with_field("shape", f"[{text}, 12]")))

    @pytest.mark.parametrize("text", NO_NUMBERS)
    def test_are_refused_in_a_batch_and_nothing_is_predicted(self, service: Service, text: str) -> None:
        check_refused(forward(service, b'{"samples": [' + with_field("age", text) + b"]}", BATCH))

    @pytest.mark.parametrize("text", [*NO_NUMBERS, "inf", "nan"])
    def test_are_refused_in_a_query(self, service: Service, text: str) -> None:
        body = npy(make_signal())
        for name in ("age", "weight", "sampling_rate_hz"):
            query = PATIENT_QUERY.replace(f"{name}=", "x=") if name == "age" else PATIENT_QUERY
            check_refused(forward(service, body, f"{FORWARD}?{query}&{name}={text}", NPY))
        for query in (f"limit={text}", f"offset={text}"):
            check_refused(call(service.port, "GET", f"/api/v1/history?{query}"))


class TestAFloodOfWrongElements:
    FLOOD = b'{"age": 55, "ecg_signal": [' + b",".join([b'"x"'] * 250_000) + b"]}"

    def test_is_answered_shortly(self, service: Service) -> None:
        answer = forward(service, self.FLOOD)
        check_refused(answer)
        assert len(answer.json["errors"]) <= 10

    def test_does_not_hold_up_others(self, service: Service) -> None:
        flooding = threading.Thread(target=forward, args=(service, self.FLOOD))
        flooding.start()
        waits_s = []
        while flooding.is_alive():
            started_s = time.monotonic()
            assert call(service.port, "GET", "/health/live").status == 200
            waits_s.append(time.monotonic() - started_s)
        assert max(waits_s, default=0) < 1


class TestDepth:
    @pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
    @pytest.mark.parametrize("path", [FORWARD, BATCH])
    def test_of_a_body_is_refused(self, service: Service, path: str, text: bytes) -> None:
        check_refused(forward(service, text, path))

    @pytest.mark.parametrize("depth", [2_000, 15_000])
    def test_of_a_tokens_header_is_401(self, service: Service, depth: int) -> None:
        header = base64.urlsafe_b64encode(b"[" * depth).rstrip(b"=").decode()
        bearer = {"Authorization": f"Bearer {header}.e30.AAAA"}
        check_refused(call(service.port, "GET", "/api/v1/auth/me", headers=bearer), 401)


class TestHugeIntegers:
    @pytest.mark.parametrize("text", HUGE_INTEGERS.values(), ids=HUGE_INTEGERS)
    def test_are_refused_in_every_field(self, any_service: Service, text: str) -> None:
        for name in NUMERIC_FIELDS:
            check_refused(forward(any_service, with_field(name, text)))
        check_refused(forward(any_service, with_field("shape", f"[{text}, 12]")))
        check_refused(forward(any_service, with_field("shape", f"[{text}, {text}]")))

    @pytest.mark.parametrize("text", HUGE_INTEGERS.values(), ids=HUGE_INTEGERS)
    def test_are_refused_in_queries_and_paths(self, any_service: Service, admin: dict[str, str], text: str) -> None:
        for query in (f"limit={text}", f"offset={text}", f"offset=-{text}"):
            check_refused(call(any_service.port, "GET", f"/api/v1/history?{query}"))
        for query in (f"since={text}", f"until={text}"):
            check_refused(call(any_service.port, "GET", f"/api/v1/stats?{query}", headers=admin))
        check_refused(call(any_service.port, "GET", f"/errors/{text}"), 400, 404)

    def test_of_63_bits_are_an_empty_page(self, any_service: Service) -> None:
        answer = call(any_service.port, "GET", f"/api/v1/history?offset={2**63 - 1}")
        assert (answer.status, answer.json["records"]) == (200, [])


class TestStrangeTexts:
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_are_refused_in_every_text_field(self, any_service: Service, text: str) -> None:
        for name in ("heart_axis", "units"):
            check_refused(forward(any_service, with_field(name, text)))
        check_refused(forward(any_service, with_field("leads", f"[{text}]")))
        check_refused(forward(any_service, with_field("age", "55")[:-1] + f", {text}: 1}}".encode()))

    @pytest.mark.parametrize("text", ["%00", "a%00b", "%ED%A0%80", "%FF", "%E2%80%AE"])
    def test_are_no_users_and_no_addresses(self, any_service: Service, text: str) -> None:
        login = f"username=admin{text}&password={text}".encode()
        check_refused(call(any_service.port, "POST", "/api/v1/auth/login", login, FORM), 400, 401)
        check_refused(call(any_service.port, "GET", f"/errors/{text}"), 400, 404)
        check_refused(call(any_service.port, "GET", f"/api/v1/history?limit={text}"))
        answer = forward(any_service, npy(make_signal()), f"{FORWARD}?{PATIENT_QUERY}&units={text}", NPY)
        check_refused(answer)

    @pytest.mark.parametrize("offered", ["a b", "<script>", "x" * 65, "\xff\xfe", "../../x"])
    def test_are_no_request_ids(self, any_service: Service, offered: str) -> None:
        answer = forward(any_service, b"{}", headers={**JSON, "X-Request-ID": offered})
        assert answer.status == 400
        assert answer.headers["x-request-id"] != offered


class TestAmbiguity:
    @pytest.mark.parametrize("name", [*NUMERIC_FIELDS, "ecg_signal", "heart_axis"])
    def test_of_two_fields_of_one_name_is_refused(self, service: Service, name: str) -> None:
        once = with_field("units", '"mV"')
        again = json.dumps(json.loads(once)[name])
        check_refused(forward(service, once[:-1] + f', "{name}": {again}}}'.encode()))

    @pytest.mark.parametrize("text", ['"55"', "true", "null", "[55]", '{"a": 55}', '""'])
    @pytest.mark.parametrize("name", ["age", "sex", "height", "weight"])
    def test_of_types_is_refused(self, service: Service, name: str, text: str) -> None:
        check_refused(forward(service, with_field(name, text)))


ENCODINGS: dict[str, tuple[bytes, dict[str, str]]] = {
    "UTF-16": (with_field("age", "55").decode().encode("utf-16"), JSON),
    "UTF-16 that says so": (
        with_field("age", "55").decode().encode("utf-16"),
        {"Content-Type": "application/json; charset=utf-16"},
    ),
    "UTF-32": (with_field("age", "55").decode().encode("utf-32"), JSON),
    "a byte order mark": (b"\xef\xbb\xbf" + with_field("age", "55"), JSON),
    "broken UTF-8": (with_field("heart_axis", '"MID"').replace(b"MID", b"M\xff\xfe"), JSON),
    "overlong UTF-8": (with_field("heart_axis", '"MID"').replace(b"MID", b"M\xc0\x80"), JSON),
    "text/plain": (with_field("age", "55"), {"Content-Type": "text/plain"}),
    "no type": (with_field("age", "55"), {}),
    "an empty type": (with_field("age", "55"), {"Content-Type": ""}),
    "a type that is none": (with_field("age", "55"), {"Content-Type": "/;;=,"}),
}


@pytest.mark.parametrize(("body", "headers"), ENCODINGS.values(), ids=ENCODINGS)
def test_other_encodings_and_types_are_refused(service: Service, body: bytes, headers: dict[str, str]) -> None:
    check_refused(forward(service, body, headers=headers), 400, 415)


SHAPES: dict[str, Any] = {
    "no sample": [],
    "no lead": [[]] * 5000,
    "one lead": [[0.1]] * 5000,
    "eleven leads": [[0.1] * 11] * 5000,
    "thirteen leads": [[0.1] * 13] * 5000,
    "ragged": [[0.1] * 12] * 4999 + [[0.1] * 11],
    "one sample": [[0.1] * 12],
    "too many samples": [[1] * 12] * 40_000,
    "the largest doubles": [[1.7e308] * 12] * 5000,
    "the smallest doubles": [[-1.7e308] * 12] * 5000,
}


@pytest.mark.parametrize("signal", SHAPES.values(), ids=SHAPES)
def test_signals_of_another_shape_are_refused(service: Service, signal: Any) -> None:
    check_refused(forward(service, encode(make_request(signal))), 400, 403)


@pytest.mark.parametrize("rate", ["0", "-1", "1e9", "1e-300", "0.0"])
def test_rates_that_nothing_records_with_are_refused(service: Service, rate: str) -> None:
    check_refused(forward(service, with_field("sampling_rate_hz", rate)))


def spike(value_mv: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    signal = make_signal()
    signal[2500, :] = value_mv
    return signal


DOUBTFUL: dict[str, np.ndarray[Any, Any]] = {
    "all zero": np.zeros((5000, 12)),
    "constant": np.full((5000, 12), 0.25),
    "a ramp": np.repeat(np.linspace(-1, 1, 5000)[:, None], 12, axis=1),
    "alternating": np.tile([[1.0], [-1.0]], (2500, 12)),
    "noise alone": np.random.default_rng(0).normal(0, 1, (5000, 12)),
    "one spike of 1e30": spike(1e30),
    "1e38 everywhere": np.full((5000, 12), 1e38),
    "denormal": np.full((5000, 12), 1e-40),
}


@pytest.mark.parametrize("signal", DOUBTFUL.values(), ids=DOUBTFUL)
def test_signals_without_a_heart_are_refused_or_doubted_and_give_no_nan(
    service: Service, signal: np.ndarray[Any, Any]
) -> None:
    answer = forward(service, npy(signal), f"{FORWARD}?{PATIENT_QUERY}&details=true", NPY)
    assert answer.status in {200, 400, 403}
    assert b"NaN" not in answer.body
    assert b"Infinity" not in answer.body
    if answer.status == 200:
        assert answer.json["quality"]["overall"] != "accept"


def npy(signal: np.ndarray[Any, Any]) -> bytes:
    """Write an .npy body by hand, as a client in another language does."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {signal.shape}, }}"
    padded = header.ljust(118 - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode() + signal.astype("<f4").tobytes()
