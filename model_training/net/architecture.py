"""The network as PyTorch trains it; `export` turns it into what `app.ml.net` runs.

Everything is two-dimensional with a height of one, channels last: PyTorch's fastest convolutions on a CPU are those.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from app.core.constants import SUPERCLASSES
from app.ecg.record import N_LEADS
from model_training.net.settings import NetSettings

N_CLASSES = len(SUPERCLASSES)


class NormalisedConvolution(nn.Module):  # type: ignore[misc]  # torch is optional, so untyped here
    """A convolution over time and the batch normalisation behind it."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, (1, kernel), (1, stride), (0, kernel // 2), bias=False)
        self.normalisation = nn.BatchNorm2d(n_out)

    def forward(self, x: Any) -> Any:
        """Map (n, n_in, 1, n_steps) to (n, n_out, 1, ceil(n_steps / stride))."""
        return self.normalisation(self.convolution(x))


class Block(nn.Module):  # type: ignore[misc]  # as above
    """Two convolutions beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.first = NormalisedConvolution(n_in, n_out, kernel, stride)
        self.second = NormalisedConvolution(n_out, n_out, kernel)
        plain = n_in == n_out and stride == 1
        self.shortcut = None if plain else NormalisedConvolution(n_in, n_out, 1)

    def forward(self, x: Any) -> Any:
        """Map (n, n_in, 1, n_steps) to (n, n_out, 1, ceil(n_steps / stride))."""
        inner = self.second(functional.relu(self.first(x)))
        if self.stride > 1:
            x = functional.avg_pool2d(x, (1, self.stride), ceil_mode=True)
        return functional.relu(inner + (x if self.shortcut is None else self.shortcut(x)))


class TorchNet(nn.Module):  # type: ignore[misc]  # as above
    """Stem, blocks, mean and maximum over time, and a linear layer whose first outputs are the superclasses."""

    def __init__(self, settings: NetSettings, n_side_targets: int) -> None:
        super().__init__()
        n_channels = settings.widths[0]
        self.stem = NormalisedConvolution(N_LEADS, n_channels, settings.stem_kernel, settings.stem_stride)
        blocks = []
        for width, stride in zip(settings.widths, settings.strides, strict=True):
            blocks.append(Block(n_channels, width, settings.kernel, stride))
            n_channels = width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(2 * n_channels, N_CLASSES + n_side_targets)

    def forward(self, x: Any) -> Any:
        """Map (n, n_steps, 12) to log-odds, (n, 5 + n_side_targets)."""
        image = x.permute(0, 2, 1)[:, :, None]
        seen = self.blocks(functional.relu(self.stem(image)))
        pooled = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], dim=1)
        return self.head(self.dropout(pooled))


def export(net: TorchNet) -> dict[str, Any]:
    """Fold the normalisations into the convolutions: the network as plain arrays, for `app.ml.net.Network`."""
    weight = net.head.weight.detach()[:N_CLASSES].T.contiguous().numpy().copy()
    bias = net.head.bias.detach()[:N_CLASSES].numpy().copy()
    return {
        "stem_stride": int(net.stem.convolution.stride[1]),
        "stem": _folded(net.stem),
        "blocks": [
            {
                "stride": block.stride,
                "first": _folded(block.first),
                "second": _folded(block.second),
                "shortcut": None if block.shortcut is None else _folded(block.shortcut),
            }
            for block in net.blocks
        ],
        "head": {"weight": weight, "bias": bias},
    }


def _folded(layer: NormalisedConvolution) -> dict[str, Any]:
    norm = layer.normalisation
    gain = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    kernel = layer.convolution.weight.detach().double()[:, :, 0, :] * gain[:, None, None]
    bias = norm.bias.detach().double() - norm.running_mean.double() * gain
    return {
        "weight": kernel.permute(2, 1, 0).contiguous().float().numpy().copy(),
        "bias": bias.float().numpy().copy(),
    }
