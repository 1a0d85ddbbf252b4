"""Make `datasets/sample_request.json`: a synthetic ECG as a request body, so that a first curl works by copy and paste.

Run as `uv run python -m model_training.sample_request`.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from app.ecg.record import ECGRecord, Patient
from app.ecg.synthetic import synthesize

DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "datasets" / "sample_request.json"
PATIENT = Patient(age_years=55, sex=1, height_cm=175, weight_kg=80, heart_axis="MID")


def sample_record() -> ECGRecord:
    """Return the ECG of the sample: sinus rhythm, 68 bpm, a little noise."""
    return synthesize(seed=1, heart_rate_bpm=68, noise_uv=8, patient=PATIENT)


def request_body(record: ECGRecord) -> str:
    """Return the JSON of document 1's example for `record`; microvolt steps, a sample a line."""
    patient = record.patient
    header = {
        "age": patient.age_years,
        "sex": patient.sex,
        "height": patient.height_cm,
        "weight": patient.weight_kg,
        "heart_axis": patient.heart_axis,
    }
    millivolts = np.round(record.signal.astype(np.float64), 3) + 0.0  # no minus zeros
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in millivolts.tolist())
    return f'{json.dumps(header)[:-1]}, "ecg_signal": [\n{rows}\n]}}\n'


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make the sample request of the README")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUTPUT, help="file to write (default: %(default)s)")
    path: Path = parser.parse_args().out
    path.write_text(request_body(sample_record()), encoding="utf-8")
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
