"""The network as a member of the ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.ml.net import PAYLOAD_KIND, WaveformNet
from model_training.extras import require
from model_training.net.settings import NetSettings
from model_training.net.targets import side_targets
from model_training.recipes import Recipe
from model_training.training_set import TrainingSet


@dataclass(frozen=True, kw_only=True)
class WaveformNetwork(Recipe):
    """A residual network over the waveform: trained with PyTorch, served with numpy."""

    name: ClassVar[str] = "waveform_net"
    sees_waveform: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = ("app/ml/net.py", "model_training/net")
    settings: NetSettings = field(default_factory=NetSettings)

    def fit(self, data: TrainingSet, seed: int) -> dict[str, Any]:
        """Train the networks; the same data and seed give the same weights to the bit on the same machine.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        """
        require("torch")
        from model_training.net.fitting import fit_network  # noqa: PLC0415 - torch is an optional extra

        side, known = side_targets(data, self.settings.min_side_positives)
        targets = np.concatenate([data.labels.astype(np.float32), side], axis=1)
        weights = np.concatenate(
            [np.ones(data.labels.shape, np.float32), np.float32(self.settings.side_weight) * known], axis=1
        )
        seeds = np.random.SeedSequence(seed).generate_state(self.settings.n_networks)
        networks = [fit_network(data.waveforms, targets, weights, self.settings, int(one)) for one in seeds]
        return {"kind": PAYLOAD_KIND, "networks": networks}

    def logits(self, fitted: Mapping[str, Any], data: TrainingSet) -> NDArray[np.float64]:
        """Log-odds by the code that serves them."""
        net = WaveformNet.from_payload(fitted)
        return np.stack([net.forward_input(waveform) for waveform in data.waveforms]).astype(np.float64)

    def describe(self) -> str:
        """Size and training of the networks."""
        settings = self.settings
        return (
            f"{settings.n_networks} residual network(s) over the waveform at 100 Hz, blocks of "
            f"{', '.join(map(str, settings.widths))} channels, {settings.n_epochs} epochs"
        )
