"""The numbers of a JSON matrix: what is read is right to the bit, and what is not plain is left to others."""

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.api.parsing import json_ecg
from app.api.parsing.json_ecg import read_json
from app.models.ecg import Sample
from app.native.json_numbers import PlainNumbers, read_plain_numbers

PATIENT = {"age": 55, "sex": 1, "height": 175, "weight": 80, "heart_axis": "MID"}

written = st.from_regex(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
doubles = st.floats(allow_nan=False, allow_infinity=False).map(repr)
thousandths = st.integers(-9999, 9999).map(lambda value: f"{value / 1000:.3f}")
numbers = st.one_of(written, doubles, thousandths)
spaces = st.text(" \n\r\t", max_size=2)


def read(value: str, behind: str = "}") -> PlainNumbers | None:
    return read_plain_numbers(f":{value}{behind}".encode(), 0)


def bits(value: float) -> bytes:
    return struct.pack("<f", value)


def expected_bits(text: str) -> bytes:
    return bits(0.0 if text == "-0" else float(np.float32(float(text))))


@given(numbers, spaces)
@example("0.1", "")
@example("-0", "")
@example("-0.0", "")
@example("-0.000", " ")
@example("9007199254740993", "")
@example("3.4028235e38", "")
@example("1e22", "")
@example("0.000000000000000001", "")
def test_a_number_is_the_nearest_or_not_read(text: str, space: str) -> None:
    for behind in ("}", "}" + " " * 9):
        found = read(f"[{space}{text}{space}]", behind)
        with np.errstate(over="ignore"):
            assert found is None or bits(found.values[0]) == expected_bits(text)


@given(st.integers(-9999, 9999))
def test_a_number_to_the_microvolt_is_always_read(value: int) -> None:
    text = f"{value / 1000:.3f}"
    for row in (f"[{text}]", f"[{text},{text}, {text}]"):
        found = read(row)
        assert found is not None
        assert {bits(one) for one in found.values} == {bits(float(np.float32(float(text))))}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+1",
        ".5",
        "1.",
        "01",
        "-01",
        "00.5",
        "1e",
        "1e+",
        "0x10",
        "NaN",
        "Infinity",
        "-inf",
        "null",
        "true",
        "1 2",
        '"1"',
        "{}",
        "1e400",
        "3.5e38",
        "1" * 400,
        "0." + "0" * 30 + "1",
        "1e-23",
        "1,",
        ",1",
        "\N{NO-BREAK SPACE}1",
        "\x001",
        "12.345.6",
        "1.234e",
        "--1",
        "-.5",
        "1.2x4",
        "0:123",
        "0./23",
        "0.12:",
        "/.123",
        "[1]",
        "1,[1]",
    ],
)
def test_what_is_no_plain_number_is_not_read(text: str) -> None:
    assert read(f"[{text}]") is None or text == "[1]"
    assert read(f"[[0.123,{text}]]") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ": ",
        "[1]",
        ":1",
        ':"[1]"',
        ":{}",
        ":[",
        ":[[",
        ":[]",
        ":[[]]",
        ":[[1],[]]",
        ":[[1],[1,2]]",
        ":[[1,2],[1]]",
        ":[[1],1]",
        ":[1,[1]]",
        ":[[[1]]]",
        ":[[1]",
        ":[[1],",
        ":[[1] [1]]",
        ":[1",
        ":[0.123",
        ":[-",
        ":[0.12",
        ":[[1],]",
    ],
)
def test_what_is_no_matrix_is_not_read(text: str) -> None:
    assert read_plain_numbers(text.encode(), 0) is None


@given(st.integers(1, 6), st.integers(1, 6), st.data(), spaces, spaces)
def test_rows_keep_their_places(n_rows: int, n_columns: int, data: st.DataObject, before: str, after: str) -> None:
    rows = data.draw(
        st.lists(st.lists(thousandths, min_size=n_columns, max_size=n_columns), min_size=n_rows, max_size=n_rows)
    )
    comma = f"{before},{after}"
    matrix = comma.join(f"[{before}{comma.join(row)}{after}]" for row in rows)
    text = f'{{"x"{before}:{after}[{matrix}]{before}}}'.encode()
    found = read_plain_numbers(text, 4)
    assert found is not None
    np.testing.assert_array_equal(found.values, np.array(rows, float).astype(np.float32))
    assert json.loads(text[found.start : found.end]) == json.loads(f"[{matrix}]")


def general(text: bytes, monkeypatch: pytest.MonkeyPatch) -> Sample:
    with monkeypatch.context() as patch:
        patch.setattr(json_ecg, "read_plain_numbers", lambda *_: None)
        return read_json(text)


def same(one: Sample, other: Sample) -> bool:
    if one.faults != other.faults or one.known != other.known or (one.record is None) != (other.record is None):
        return False
    if one.record is None or other.record is None:
        return True
    mine, theirs = one.record, other.record
    signals = [np.ascontiguousarray(record.signal) for record in (mine, theirs)]
    return (
        signals[0].shape == signals[1].shape
        and signals[0].tobytes() == signals[1].tobytes()
        and (mine.sampling_rate_hz, mine.leads, mine.units, mine.patient)
        == (theirs.sampling_rate_hz, theirs.leads, theirs.units, theirs.patient)
    )


signals = st.one_of(
    st.lists(st.lists(numbers, min_size=1, max_size=3).map(lambda row: f"[{','.join(row)}]"), max_size=4).map(
        lambda rows: f"[{','.join(rows)}]"
    ),
    st.lists(numbers, max_size=6).map(lambda row: f"[{', '.join(row)}]"),
    st.sampled_from(["null", "1", '"[1]"', "[[1],[2]", "[[1]]]", "[{}]", '{"ecg_signal":[[1.5]]}', "[[1,2],[3]]"]),
)
others = st.sampled_from(
    [
        '"shape":[2,1]',
        '"shape":[1,2]',
        '"leads":["I","II"]',
        '"leads":[{"ecg_signal":[[1.5]]}]',
        '"x":{"ecg_signal":[[1]]}',
        '"heart_axis":"\\"ecg_signal\\":[[1]]"',
        '"ecg_signal":null',
        '"ecg_signal":[[1.25]]',
        '"units":"uV"',
        '"age":[[1]]',
        '"\\"ecg_signal":[[1]]',
        '"ecg_\\u0073ignal":[[2.5]]',
        '"sampling_rate_hz":500',
        '""',
        "}",
        "\\",
    ]
)


@given(signal=signals, before=st.lists(others, max_size=2), after=st.lists(others, max_size=2), space=spaces)
def test_a_text_reads_the_same_both_ways(signal: str, before: list[str], after: list[str], space: str) -> None:
    members = [*before, *(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in PATIENT.items())]
    named = f'"ecg_signal"{space}:{space}{signal}{space}'
    text = f"{{{space}{','.join([*members, named, *after])}}}".encode()
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert same(read_json(text), general(text, monkeypatch))


@given(st.binary(max_size=40), st.integers(0, 60))
def test_a_damaged_text_reads_the_same_both_ways(damage: bytes, place: int) -> None:
    whole = json.dumps({**PATIENT, "ecg_signal": [[0.125, -1.5], [2.25, 0.001]]}).encode()
    place += whole.index(b'"ecg_signal"') - 2
    for text in (
        whole[:place] + damage,
        whole[:place] + damage + whole[place:],
        whole[:place] + damage + whole[place + 4 :],
    ):
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert same(read_json(text), general(text, monkeypatch))


def test_a_signal_to_the_microvolt_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def watch(*arguments: Any) -> PlainNumbers | None:
        found = read_plain_numbers(*arguments)
        seen.append(found)
        return found

    monkeypatch.setattr(json_ecg, "read_plain_numbers", watch)
    values = np.round(np.random.default_rng(0).normal(size=(50, 12)), 3).tolist()
    for text in (
        json.dumps({**PATIENT, "ecg_signal": values}),
        json.dumps({"ecg_signal": values, **PATIENT}, indent=1),
    ):
        assert read_json(text.encode()).record is not None
        assert seen.pop() is not None


def test_numbers_of_seventeen_digits_are_read_the_general_way() -> None:
    value = float(np.float32(0.119))
    assert math.isclose(value, 0.119, rel_tol=1e-6)
    assert len(repr(value)) > len("0.119")
    record = read_json(json.dumps({**PATIENT, "ecg_signal": [[value]]}).encode()).record
    assert record is not None
    assert record.signal[0, 0] == np.float32(0.119)
