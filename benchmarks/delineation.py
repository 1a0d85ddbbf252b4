"""How far our waves lie from where cardiologists marked them, on the recordings of LUDB.

    uv run python -m benchmarks.delineation [--data ../shared/data/ludb]

LUDB marks every lead by itself; a global wave begins in the earliest lead and ends in the latest. One lead of
twelve may be marked far off, so the second earliest and second latest are taken, each lead's mark being its median
over the beats.
The headers' gains are wrong: the digital values are microvolts.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import wfdb

from app.ecg.analysis import Analysis, analyse
from app.ecg.pipeline import prepare
from app.ecg.record import LEADS, SAMPLING_RATE_HZ, ECGRecord

MS: Final = 1000 / SAMPLING_RATE_HZ
RANK: Final = 1
MIN_LEADS: Final = 5
SAME_BEAT_SAMPLES: Final = 40
WAVES: Final = {"P": ("p", -210, -10), "QRS": ("N", -60, 60), "T": ("t", 30, 330)}

Marks = Mapping[str, list[tuple[str, int | None, int, int | None]]]


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of LUDB with the marks of each lead: (wave, onset, peak, offset) in samples."""

    name: str
    record: ECGRecord
    marks: Marks


def read_folder(folder: Path) -> Iterator[Recording]:
    """Read every recording of a folder."""
    for header in sorted(folder.glob("*.hea"), key=lambda path: int(path.stem)):
        stem = str(header.with_suffix(""))
        stored = wfdb.rdrecord(stem, physical=False)
        marks = {lead: _marks(wfdb.rdann(stem, lead.lower())) for lead in LEADS}
        signal = np.asarray(stored.d_signal, np.float32)
        yield Recording(
            name=header.stem, record=ECGRecord(signal=signal, leads=tuple(stored.sig_name), units="uV"), marks=marks
        )


def _marks(annotation: wfdb.Annotation) -> list[tuple[str, int | None, int, int | None]]:
    symbols, samples = [*annotation.symbol, ""], [*annotation.sample.tolist(), 0]
    return [
        (
            symbol,
            samples[at - 1] if at > 0 and symbols[at - 1] == "(" else None,
            samples[at],
            samples[at + 1] if symbols[at + 1] == ")" else None,
        )
        for at, symbol in enumerate(symbols)
        if symbol in {"p", "N", "t"}
    ]


def true_bounds_ms(marks: Marks, peaks: list[int]) -> dict[str, float]:
    """Return the global bounds in ms after our R peaks; a wave that fewer than five leads show is left out."""
    spacing = float(np.median(np.diff(peaks))) if len(peaks) > 1 else SAMPLING_RATE_HZ
    bounds = {}
    for wave, (symbol, earliest, latest) in WAVES.items():
        reach = min(latest, int(0.85 * spacing))
        onsets, offsets = [], []
        for lead_marks in marks.values():
            own = [mark for mark in lead_marks if mark[0] == symbol]
            near = [(mark, peak) for peak in peaks for mark in own if earliest <= mark[2] - peak <= reach]
            starts = [mark[1] - peak for mark, peak in near if mark[1] is not None]
            ends = [mark[3] - peak for mark, peak in near if mark[3] is not None]
            onsets += [float(np.median(starts)) * MS] if starts else []
            offsets += [float(np.median(ends)) * MS] if ends else []
        if len(onsets) >= MIN_LEADS:
            bounds[f"{wave} onset"] = sorted(onsets)[RANK]
        if len(offsets) >= MIN_LEADS:
            bounds[f"{wave} offset"] = sorted(offsets)[-1 - RANK]
    return bounds


def _intervals(bounds: Mapping[str, float | None]) -> dict[str, float]:
    pairs = {
        "PR": ("P onset", "QRS onset"),
        "P duration": ("P onset", "P offset"),
        "QRS duration": ("QRS onset", "QRS offset"),
        "QT": ("QRS onset", "T offset"),
    }
    return {
        name: end - start
        for name, (first, last) in pairs.items()
        if (start := bounds.get(first)) is not None and (end := bounds.get(last)) is not None
    }


def _our_bounds(analysis: Analysis) -> dict[str, float | None]:
    f = analysis.fiducials
    return {
        "P onset": f.p_onset_ms,
        "P offset": f.p_offset_ms,
        "QRS onset": f.qrs_onset_ms,
        "QRS offset": f.qrs_offset_ms,
        "T offset": f.t_offset_ms,
    }


def errors_ms(recording: Recording) -> dict[str, float]:
    """Return ours minus theirs for every bound and interval that both have, and 1 or 0 for a P wave found or not."""
    analysis = analyse(prepare(recording.record))
    marked = np.sort([mark[2] for marks in recording.marks.values() for mark in marks if mark[0] == "N"])
    peaks = [
        int(peak)
        for peak in analysis.beats.r_peaks[analysis.beats.usual]
        if (np.abs(marked - peak) < SAME_BEAT_SAMPLES).sum() > len(LEADS) // 2
    ]
    theirs = true_bounds_ms(recording.marks, peaks)
    ours = _our_bounds(analysis)
    theirs_all, ours_all = theirs | _intervals(theirs), ours | _intervals(ours)
    errors = {
        name: value - theirs_all[name] for name, value in ours_all.items() if value is not None and name in theirs_all
    }
    errors["P present" if "P onset" in theirs else "P absent"] = float(ours["P onset"] is not None)
    return errors


def collect(folder: Path) -> dict[str, list[float]]:
    """Return the errors of all recordings of a folder, by name."""
    collected: dict[str, list[float]] = {}
    for recording in read_folder(folder):
        for name, error in errors_ms(recording).items():
            collected.setdefault(name, []).append(error)
    return collected


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ludb"))
    collected = collect(parser.parse_args().data)
    present, absent = collected.pop("P present"), collected.pop("P absent")
    print(f"P wave found in {np.mean(present):.0%} of {len(present)} with one, {np.mean(absent):.0%} of {len(absent)}")
    print(f"{'':14}{'n':>4}{'bias':>8}{'sd':>8}{'MAE':>8}{'median |e|':>12}  ms")
    for name, values in collected.items():
        error = np.array(values)
        print(
            f"{name:14}{len(error):4}{error.mean():8.1f}{error.std():8.1f}"
            f"{np.abs(error).mean():8.1f}{np.median(np.abs(error)):12.1f}"
        )


if __name__ == "__main__":
    main()
