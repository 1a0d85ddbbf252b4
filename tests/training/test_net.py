from typing import Any

import numpy as np
import pytest

from app.ecg.record import Patient
from app.ml.net import WaveformNet
from model_training import extras
from model_training.extras import MissingExtraError
from model_training.net.augmentation import disturb, excerpts
from model_training.net.recipe import WaveformNetwork
from model_training.net.settings import NetSettings
from model_training.net.targets import side_targets
from model_training.sources import Example
from model_training.training_set import TrainingSet

SMALL = NetSettings(widths=(4, 6), strides=(1, 2), n_epochs=1, batch_size=8, crop_steps=100, min_side_positives=2)
N_RECORDS = 16


@pytest.fixture
def data() -> TrainingSet:
    rng = np.random.default_rng(0)
    examples = tuple(
        Example(
            record_id=index,
            patient_id=index,
            fold=1 + index % 3,
            labels=frozenset("N" if index % 2 else "S"),
            codes=frozenset({"NORM", "RARE"} if index == 1 else {"NORM"} if index % 2 else {"NDT"}),
            patient=Patient(age_years=None if index == 2 else 35.0 + 3 * index, sex=None if index == 3 else index % 2),
        )
        for index in range(N_RECORDS)
    )
    waveform = rng.standard_normal((200, 12)).astype(np.float32)
    return TrainingSet.gather([(np.ones(3, np.float32), waveform + index) for index in range(N_RECORDS)], examples, 0)


def test_statements_age_and_sex_are_side_targets(data: TrainingSet) -> None:
    targets, known = side_targets(data, min_positives=2)
    assert data.code_names == ("NDT", "NORM", "RARE")
    # NDT and NORM, older than 40, 50, 60, 70, 80, male.
    np.testing.assert_array_equal(targets[9], [0, 1, 1, 1, 1, 0, 0, 1])
    np.testing.assert_array_equal(known[9], np.ones(8))


def test_unknown_age_and_sex_teach_nothing(data: TrainingSet) -> None:
    targets, known = side_targets(data, min_positives=2)
    np.testing.assert_array_equal(known[2], [1, 1, 0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(known[3], [1, 1, 1, 1, 1, 1, 1, 0])
    assert np.isfinite(targets).all()


def test_an_excerpt_is_a_piece_of_its_own_waveform() -> None:
    waveforms = np.arange(2 * 50 * 12, dtype=np.float32).reshape(2, 50, 12)
    pieces = excerpts(waveforms, 10, np.random.default_rng(1))
    assert pieces.shape == (2, 10, 12)
    for piece, whole in zip(pieces, waveforms, strict=True):
        start = int(piece[0, 0] - whole[0, 0]) // 12
        np.testing.assert_array_equal(piece, whole[start : start + 10])


def test_disturbing_keeps_the_shape_and_loses_few_leads() -> None:
    waveforms = np.ones((400, 20, 12), np.float32)
    disturbed = disturb(waveforms, np.random.default_rng(1))
    assert disturbed.shape == waveforms.shape
    assert disturbed.dtype == np.float32
    lost = (disturbed == 0).all(axis=1).mean()
    assert 0.03 < lost < 0.07
    assert abs(disturbed[disturbed != 0].mean() - 1) < 0.05


def test_says_which_extra_is_missing(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras, "import_module", refuse)
    with pytest.raises(MissingExtraError, match="--extra net"):
        WaveformNetwork().fit(data, seed=0)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed (uv sync --extra net)")


@pytest.mark.usefixtures("torch")
def test_the_same_seed_gives_the_same_bits(data: TrainingSet) -> None:
    recipe = WaveformNetwork(settings=SMALL)
    first, again, other = (recipe.fit(data, seed)["networks"][0]["stem"]["weight"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.usefixtures("torch")
def test_what_training_writes_is_what_serving_reads(data: TrainingSet) -> None:
    recipe = WaveformNetwork(settings=SMALL)
    fitted = recipe.fit(data, 1)
    logits = recipe.logits(fitted, data)
    assert logits.shape == (N_RECORDS, 5)
    served = WaveformNet.from_payload(fitted).forward_input(data.waveforms[5])
    np.testing.assert_array_equal(logits[5], served.astype(np.float64))


def test_folding_the_normalisation_changes_no_answer(torch: Any) -> None:
    from model_training.net.architecture import TorchNet, export  # noqa: PLC0415 - needs torch

    torch.manual_seed(0)
    net = TorchNet(SMALL, n_side_targets=4)
    net(torch.randn(8, 200, 12) * 3 + 1)
    net.eval()
    signal = torch.randn(1, 333, 12)
    with torch.no_grad():
        expected = net(signal)[0, :5].numpy()
    served = WaveformNet.from_payload({"kind": "waveform-net", "networks": [export(net)]})
    np.testing.assert_allclose(served.forward_input(signal[0].numpy()), expected, atol=1e-5)
