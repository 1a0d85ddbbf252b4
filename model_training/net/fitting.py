"""Training of one network: AdamW, one cycle, a running average of the weights."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from model_training.net.architecture import N_CLASSES, TorchNet, export
from model_training.net.augmentation import disturb, excerpts
from model_training.net.settings import NetSettings

FloatArray = NDArray[np.float32]

WARM_UP_SHARE = 0.25
MAX_GRADIENT_NORM = 5.0


def fit_network(
    waveforms: FloatArray, targets: FloatArray, weights: FloatArray, settings: NetSettings, seed: int
) -> dict[str, Any]:
    """Train one network and hand it over as plain arrays.

    On one thread and from a seed of its own, so that the same call on the same machine gives the same bits.

    Parameters
    ----------
    waveforms : ndarray, shape (n, n_steps, 12)
        As `app.ml.net.net_input` gives them.
    targets : ndarray, shape (n, n_targets)
        Between 0 and 1; the superclasses come first.
    weights : ndarray, shape (n, n_targets)
        What each target's loss counts; 0 for an unknown one.
    settings : NetSettings
    seed : int
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return export(_trained(waveforms, targets, weights, settings, np.random.default_rng(seed)))
    finally:
        torch.set_num_threads(threads)


def _trained(
    waveforms: FloatArray, targets: FloatArray, weights: FloatArray, settings: NetSettings, rng: np.random.Generator
) -> TorchNet:
    net = TorchNet(settings, targets.shape[1] - N_CLASSES)
    net.to(memory_format=torch.channels_last).train()
    n_steps = settings.n_epochs * _batches_per_epoch(len(waveforms), settings.batch_size)
    optimiser = _optimiser(net, settings)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.peak_learning_rate, total_steps=n_steps, pct_start=WARM_UP_SHARE
    )
    average = {name: value.clone() for name, value in net.state_dict().items()}
    for step, rows in enumerate(_batches(len(waveforms), settings, rng), start=1):
        batch = disturb(excerpts(waveforms[rows], settings.crop_steps, rng), rng)
        losses = functional.binary_cross_entropy_with_logits(
            net(torch.from_numpy(batch)), torch.from_numpy(targets[rows]), reduction="none"
        )
        loss = (losses * torch.from_numpy(weights[rows])).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), MAX_GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        _follow(average, net, min(settings.averaging, (1 + step) / (10 + step)))
    net.load_state_dict(average)
    net.eval()
    return net


def _batches_per_epoch(n_records: int, batch_size: int) -> int:
    return max(1, n_records // batch_size)


def _batches(n_records: int, settings: NetSettings, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Rows of each batch; the few records that do not fill one sit out an epoch."""
    size = min(settings.batch_size, n_records)
    for _ in range(settings.n_epochs):
        order = rng.permutation(n_records)
        for batch in range(_batches_per_epoch(n_records, size)):
            yield order[batch * size : (batch + 1) * size]


def _optimiser(net: TorchNet, settings: NetSettings) -> torch.optim.Optimizer:
    """AdamW that pulls on kernels, not on offsets and gains."""
    parameters = list(net.parameters())
    return torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=settings.peak_learning_rate,
    )


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is optional, so untyped here
def _follow(average: dict[str, Any], net: TorchNet, keep: float) -> None:
    for name, value in net.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value, 1 - keep)
        else:
            average[name].copy_(value)
