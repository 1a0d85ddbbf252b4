import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from app.core.constants import CLASS_NAMES, SUPERCLASSES
from app.ecg.pipeline import prepare
from app.ecg.synthetic import synthesize
from app.ml import artifact, files
from app.ml.errors import (
    ArtifactError,
    ArtifactMissingError,
    ArtifactRefusedError,
    ArtifactTooLargeError,
    ChecksumError,
    ContractMismatchError,
    CorruptArtifactError,
    ForbiddenContentError,
    ManifestError,
    NotARegularFileError,
    SelfTestError,
    VersionMismatchError,
)
from app.ml.unpickling import dumps


class _Payload:
    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (self._folder,)


def _edit(model: Path, **changes: object) -> None:
    path = model.with_suffix(".json")
    manifest = json.loads(path.read_text())
    manifest.update(changes)
    path.write_text(json.dumps(manifest))


def _replace(model: Path, data: bytes) -> None:
    """Put other bytes into the model file, and make the manifest vouch for them."""
    model.write_bytes(data)
    _edit(model, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


@pytest.fixture
def no_unpickling(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> object:
        pytest.fail("the file was unpickled before it was checked")

    monkeypatch.setattr(artifact, "loads", fail)


def test_loads_a_model_that_answers(tiny_model: Path) -> None:
    classifier = artifact.load(tiny_model)
    result = classifier.classify(prepare(synthesize(3)))
    assert list(result.diagnosis.probabilities) == list(SUPERCLASSES)
    assert all(0 <= p <= 1 for p in result.diagnosis.probabilities.values())
    assert CLASS_NAMES[result.diagnosis.class_index] == result.diagnosis.class_name
    assert set(result.timing_ms) == {"features", "model"}
    assert classifier.version == classifier.manifest.model_version


def test_times_the_preparation_where_it_does_it(tiny_model: Path) -> None:
    result = artifact.load(tiny_model).classify_record(synthesize(3))
    assert set(result.timing_ms) == {"prepare", "features", "model"}


def test_the_manifest_describes_the_file(tiny_model: Path) -> None:
    manifest = artifact.load(tiny_model).manifest
    data = tiny_model.read_bytes()
    assert manifest.sha256 == hashlib.sha256(data).hexdigest()
    assert manifest.size_bytes == len(data)
    assert manifest.training.synthetic


def test_a_missing_model_lets_the_service_start(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissingError) as missing:
        artifact.load(tmp_path / "model.pkl")
    assert not missing.value.stops_start


@pytest.mark.usefixtures("no_unpickling")
class TestRefusesBeforeUnpickling:
    @pytest.mark.parametrize("position", [0, 100, -1])
    def test_a_flipped_byte(self, model_copy: Path, position: int) -> None:
        data = bytearray(model_copy.read_bytes())
        data[position] ^= 1
        model_copy.write_bytes(data)
        with pytest.raises(ChecksumError):
            artifact.load(model_copy)

    def test_a_file_cut_short(self, model_copy: Path) -> None:
        model_copy.write_bytes(model_copy.read_bytes()[:-1])
        with pytest.raises(ChecksumError):
            artifact.load(model_copy)

    def test_another_model_under_the_same_manifest(self, model_copy: Path) -> None:
        model_copy.write_bytes(dumps({"format": 1}))
        with pytest.raises(ChecksumError):
            artifact.load(model_copy)

    def test_a_model_without_a_manifest(self, model_copy: Path) -> None:
        model_copy.with_suffix(".json").unlink()
        with pytest.raises(ManifestError):
            artifact.load(model_copy)

    @pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"format": 2}'])
    def test_a_manifest_that_is_none(self, model_copy: Path, text: str) -> None:
        model_copy.with_suffix(".json").write_text(text)
        with pytest.raises(ManifestError):
            artifact.load(model_copy)

    def test_a_manifest_with_unknown_fields(self, model_copy: Path) -> None:
        _edit(model_copy, surprise=1)
        with pytest.raises(ManifestError):
            artifact.load(model_copy)

    def test_a_symbolic_link(self, model_copy: Path) -> None:
        link = model_copy.with_name("link.pkl")
        link.symlink_to(model_copy)
        link.with_suffix(".json").write_bytes(model_copy.with_suffix(".json").read_bytes())
        with pytest.raises(NotARegularFileError):
            artifact.load(link)

    def test_a_manifest_behind_a_symbolic_link(self, model_copy: Path) -> None:
        manifest = model_copy.with_suffix(".json")
        manifest.rename(model_copy.with_name("elsewhere.json"))
        manifest.symlink_to(model_copy.with_name("elsewhere.json"))
        with pytest.raises(NotARegularFileError):
            artifact.load(model_copy)

    def test_a_dangling_link(self, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").symlink_to(tmp_path / "nowhere")
        with pytest.raises(NotARegularFileError):
            artifact.load(tmp_path / "model.pkl")

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").mkdir()
        with pytest.raises(NotARegularFileError):
            artifact.load(tmp_path / "model.pkl")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of POSIX")
    def test_a_pipe_without_waiting_for_it(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "model.pkl")
        with pytest.raises(NotARegularFileError):
            artifact.load(tmp_path / "model.pkl")

    def test_a_file_too_large(self, model_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "MAX_MODEL_BYTES", model_copy.stat().st_size - 1)
        with pytest.raises(ArtifactTooLargeError):
            artifact.load(model_copy)

    @pytest.mark.parametrize("library", ["scikit-learn", "numpy", "joblib"])
    def test_a_model_written_by_another_version(self, model_copy: Path, library: str) -> None:
        libraries = {**artifact.installed_libraries(), library: "0.1.2"}
        _edit(model_copy, libraries=libraries)
        with pytest.raises(VersionMismatchError, match=rf"{library} 0\.1\.2.*train again"):
            artifact.load(model_copy)

    def test_a_model_that_does_not_say_what_wrote_it(self, model_copy: Path) -> None:
        _edit(model_copy, libraries={})
        with pytest.raises(VersionMismatchError):
            artifact.load(model_copy)

    @pytest.mark.parametrize(
        "changes",
        [
            {"n_features": 3},
            {"features_sha256": "0" * 64},
            {"classes": ["S", "N", "M", "C", "H"]},
            {"thresholds": {"N": 0.5}},
            {"signal": {"leads": ["I"], "sampling_rate_hz": 500, "n_samples": 5000, "units": "mV"}},
        ],
        ids=["feature count", "feature names", "class order", "thresholds", "signal"],
    )
    def test_a_model_made_for_another_contract(self, model_copy: Path, changes: dict[str, object]) -> None:
        _edit(model_copy, **changes)
        with pytest.raises(ContractMismatchError):
            artifact.load(model_copy)


def test_a_patch_release_of_scikit_learn_does_not_matter(model_copy: Path) -> None:
    major, minor, patch = artifact.installed_libraries()["scikit-learn"].split(".")[:3]
    newer = f"{major}.{minor}.{int(patch) + 1}"
    _edit(model_copy, libraries={**artifact.installed_libraries(), "scikit-learn": newer})
    assert artifact.load(model_copy).version


def test_a_vouched_for_payload_is_refused_and_not_run(model_copy: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    _replace(model_copy, dumps({"format": 1, "members": _Payload(trap)}))
    with pytest.raises(ForbiddenContentError):
        artifact.load(model_copy)
    assert not trap.exists()


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        {"format": 2},
        {"format": 1, "members": {}, "coefficients": np.zeros((1, 5)), "intercepts": np.zeros(5)},
        {"format": 1, "members": {"x": "y"}, "coefficients": np.zeros((1, 5)), "intercepts": np.zeros(5)},
        {"format": 1, "members": {"x": []}, "coefficients": np.zeros((1, 5)), "intercepts": np.zeros(5)},
        {"format": 1, "members": 5, "coefficients": np.zeros((1, 5)), "intercepts": np.zeros(5)},
    ],
)
def test_refuses_a_payload_that_is_no_ensemble(model_copy: Path, payload: object) -> None:
    _replace(model_copy, dumps(payload))
    with pytest.raises(CorruptArtifactError):
        artifact.load(model_copy)


def test_refuses_a_model_that_answers_otherwise_than_when_it_was_made(model_copy: Path) -> None:
    payload = joblib.load(model_copy)
    payload["coefficients"] = -payload["coefficients"]
    _replace(model_copy, dumps(payload))
    with pytest.raises(SelfTestError):
        artifact.load(model_copy)


def test_a_file_swapped_after_the_start_changes_nothing(model_copy: Path) -> None:
    classifier = artifact.load(model_copy)
    before = classifier.classify_record(synthesize(3)).diagnosis
    model_copy.write_bytes(b"something else")
    assert classifier.classify_record(synthesize(3)).diagnosis == before


def test_every_refusal_has_a_code_of_its_own_and_stops_the_start() -> None:
    refusals = ArtifactRefusedError.__subclasses__()
    assert len({error.code for error in refusals}) == len(refusals) == 9
    assert all(error.stops_start for error in refusals)
    assert issubclass(ArtifactMissingError, ArtifactError)
