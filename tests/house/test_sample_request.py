"""The README's first request is what the generator makes, and it is a valid one."""

import json
from pathlib import Path

import numpy as np

from app.ecg.analysis import analyse
from app.ecg.pipeline import prepare
from model_training.sample_request import request_body, sample_record

SAMPLE = Path(__file__).resolve().parents[2] / "datasets" / "sample_request.json"


def test_the_file_is_what_the_generator_makes() -> None:
    assert SAMPLE.read_text(encoding="utf-8") == request_body(sample_record())


def test_it_holds_ten_seconds_of_twelve_leads() -> None:
    body = json.loads(SAMPLE.read_text(encoding="utf-8"))
    assert np.shape(body["ecg_signal"]) == (5000, 12)
    assert body["heart_axis"] == "MID"


def test_its_heart_beats_at_68_bpm_without_a_complaint_about_the_signal() -> None:
    prepared = prepare(sample_record())
    assert prepared.notices == ()
    rate = analyse(prepared).measurements.heart_rate_bpm
    assert rate is not None
    assert abs(rate - 68) < 2
