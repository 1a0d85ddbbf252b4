"""What reading a request costs: this service's way against the usual ones, as ratios measured side by side.

`uv run python -m benchmarks.decode`
"""

import gzip
import io
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import orjson
from pydantic import BaseModel

from app.api.parsing.form import read_form
from app.api.parsing.inflate import inflate
from app.api.parsing.json_ecg import read_json
from app.api.parsing.npy import read_npy
from app.api.parsing.raw import read_raw
from app.core.steps import finish
from app.ecg.synthetic import synthesize

ROUNDS = 150
MAX_BYTES = 2**23
FORM_TYPE = "multipart/form-data; boundary=boundary"
PATIENT = {"age": 55, "sex": 1, "height": 175, "weight": 80, "heart_axis": "MID"}
QUERY = [(name, str(value)) for name, value in PATIENT.items()]


class Naive(BaseModel):
    """The obvious model."""

    age: float
    sex: int
    height: float
    weight: float
    heart_axis: str
    ecg_signal: list[list[float]]


def make_body(*, flat: bool) -> bytes:
    """Return a request of three decimals, as clients send it."""
    values = np.round(synthesize().signal.astype(float), 3)
    signal = {"ecg_signal": values.ravel().tolist(), "shape": [5000, 12]} if flat else {"ecg_signal": values.tolist()}
    return json.dumps({**PATIENT, **signal}).encode()


def make_form(data: bytes) -> bytes:
    """Return the request as a form."""
    head = b'--boundary\r\nContent-Disposition: form-data; name="data"\r\n\r\n'
    return head + data + b"\r\n--boundary--\r\n"


def main() -> None:
    """Measure and print."""
    nested, flat = make_body(flat=False), make_body(flat=True)
    form, packed = make_form(nested), gzip.compress(nested)
    signal = np.round(synthesize().signal, 3).astype(np.float32)
    stream = io.BytesIO()
    np.save(stream, signal)
    npy, numbers = stream.getvalue(), signal.tobytes()
    ways: dict[str, Callable[[], object]] = {
        "this service, rows": lambda: read_json(nested),
        "this service, flat": lambda: read_json(flat),
        "this service, form": lambda: read_form(form, FORM_TYPE),
        "this service, npy": lambda: read_npy(npy, QUERY),
        "this service, float32": lambda: read_raw(numbers, QUERY),
        "inflating the rows": lambda: finish(inflate(packed, MAX_BYTES)),
        "orjson + numpy": lambda: np.asarray(orjson.loads(nested)["ecg_signal"], np.float32),
        "pydantic": lambda: np.asarray(Naive.model_validate_json(nested).ecg_signal, np.float32),
        "json + numpy": lambda: np.asarray(json.loads(nested)["ecg_signal"], np.float32),
    }
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # side by side, so that whatever else the machine does falls on all of them
        for name, read in ways.items():
            started = time.perf_counter()
            read()
            times_ms[name].append(1000 * (time.perf_counter() - started))
    reference = statistics.median(times_ms["this service, rows"])
    print(f"{len(nested)} bytes as rows, {len(flat)} flat; median (best) of {ROUNDS} rounds")
    for name, times in times_ms.items():
        median = statistics.median(times)
        print(f"{name:22} {median:6.2f} ms ({min(times):.2f})   x{median / reference:.2f}")


if __name__ == "__main__":
    main()
