"""A small residual network over the waveform, in numpy alone.

Convolutions run as matrix products, channels last. Batch normalisation was folded into the weights when the network was
trained, so that what is left is arithmetic on frozen float32 arrays. Several networks may sit in one `WaveformNet`;
their log-odds are averaged.

Steps that feed a convolution live in an array with room for its zero padding on both sides, so that the layer before
writes to where the next one reads. Arrays are made anew for every ECG: threads may share a network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from app.core.constants import SUPERCLASSES
from app.ecg.pipeline import PreparedECG
from app.ecg.record import LIMB_LEADS, N_LEADS, SAMPLING_RATE_HZ

FloatArray = NDArray[np.float32]

PAYLOAD_KIND: Final = "waveform-net"
NET_RATE_HZ: Final = 100
_SAMPLES_PER_STEP: Final = SAMPLING_RATE_HZ // NET_RATE_HZ
_N_LIMB: Final = len(LIMB_LEADS)
MIN_SPREAD: Final = 0.01
"""A lead quieter than this (mV) is not blown up to full scale: there is nothing in it but noise."""
MAX_VALUE: Final = 12.0
"""In standard deviations: pacing spikes and artefacts end here."""
SMALL_PRODUCT: Final = 100**3
"""OpenBLAS multiplies up to so many pairs of numbers without rearranging the factors first, a fifth faster."""
_STEP_MEAN: Final = np.full(_SAMPLES_PER_STEP, 1 / _SAMPLES_PER_STEP, np.float32)


class MalformedNetError(ValueError):
    """The arrays do not form a network."""


def net_input(filtered: FloatArray) -> FloatArray:
    """Bring a filtered ECG into the form the network reads.

    Steps of five samples are averaged (100 Hz). The limb leads are divided by their common spread, which keeps their
    ratios; each chest lead by its own. Voltages are lost on purpose: part of the training data never had them.

    Parameters
    ----------
    filtered : ndarray of float32, shape (n_samples, 12)
        `PreparedECG.filtered`, at 500 Hz.

    Returns
    -------
    ndarray of float32, shape (n_samples // 5, 12)
        C-contiguous, without unit.
    """
    n_steps = filtered.shape[0] // _SAMPLES_PER_STEP
    used = filtered[: n_steps * _SAMPLES_PER_STEP].T.astype(np.float32, copy=False)
    leads = used.reshape(N_LEADS, n_steps, _SAMPLES_PER_STEP) @ _STEP_MEAN
    leads -= np.add.reduce(leads, axis=1, keepdims=True) / np.float32(n_steps)
    power = np.vecdot(leads, leads)[:, np.newaxis] / np.float32(n_steps)
    power[:_N_LIMB] = power[:_N_LIMB].mean()
    leads /= np.maximum(np.sqrt(power), np.float32(MIN_SPREAD))
    np.clip(leads, -MAX_VALUE, MAX_VALUE, out=leads)
    return np.ascontiguousarray(leads.T)


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """One convolution over time, zero-padded at both ends by half a kernel.

    Attributes
    ----------
    weight : ndarray of float32, shape (kernel * n_in, n_out)
        Rows in the order of the taps, the channels of one tap side by side.
    bias : ndarray of float32, shape (n_out,)
    kernel : int
        Odd number of taps.
    stride : int
    """

    weight: FloatArray
    bias: FloatArray
    kernel: int
    stride: int

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], n_in: int, stride: int) -> Self:
        """Check and adopt `{"weight": (kernel, n_in, n_out), "bias": (n_out,)}`."""
        weight = np.asarray(payload["weight"], dtype=np.float32)
        bias = np.asarray(payload["bias"], dtype=np.float32)
        try:
            kernel, n_given, n_out = weight.shape
        except ValueError as error:
            raise MalformedNetError("the weights of a convolution are not those of taps, inputs and outputs") from error
        if n_given != n_in or kernel % 2 == 0 or bias.shape != (n_out,):
            raise MalformedNetError("the arrays of a convolution do not fit each other")
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise MalformedNetError("a convolution holds numbers that are not finite")
        return cls(np.ascontiguousarray(weight.reshape(kernel * n_in, n_out)), bias, kernel, stride)

    @property
    def n_out(self) -> int:
        """Number of channels it gives."""
        return len(self.bias)

    @property
    def margin(self) -> int:
        """Steps of padding at each end."""
        return self.kernel // 2


class Padded:
    """Steps of a signal between zeros.

    Parameters
    ----------
    n_steps, n_channels : int
    margin : int
        Steps of zeros at each end.

    Attributes
    ----------
    whole : ndarray of float32, shape (n_steps + 2 * margin, n_channels)
    steps : ndarray of float32, shape (n_steps, n_channels)
        The part between the zeros, to be filled.
    """

    __slots__ = ("steps", "whole")

    def __init__(self, n_steps: int, n_channels: int, margin: int) -> None:
        self.whole = np.empty((n_steps + 2 * margin, n_channels), np.float32)
        self.whole[:margin] = 0
        self.whole[margin + n_steps :] = 0
        self.steps = self.whole[margin : margin + n_steps]


class Layer:
    """A convolution as it is served: one matrix that also holds the bias and what comes in beside.

    Parameters
    ----------
    convolution : Convolution
    beside : Convolution, optional
        Over the mean of two single steps; its answer is added.
    """

    def __init__(self, convolution: Convolution, beside: Convolution | None = None) -> None:
        parts = [convolution.weight]
        bias = convolution.bias
        if beside is not None:
            parts.append(beside.weight * np.float32(0.5))
            bias = bias + beside.bias
        self._matrix = np.concatenate([*parts, bias[np.newaxis]])
        self._n_taps = len(convolution.weight)
        self.margin = convolution.margin
        self.stride = convolution.stride
        self.n_out = convolution.n_out

    def __call__(
        self, padded: FloatArray, out: FloatArray, beside: tuple[FloatArray, FloatArray] | None = None
    ) -> None:
        """Convolve into `out`, (n_out_steps, n_out).

        Parameters
        ----------
        padded : ndarray of float32, shape (n_steps + 2 * margin, n_in)
        out : ndarray of float32, shape (ceil(n_steps / stride), n_out)
        beside : two ndarrays of float32, shape (n_out_steps, n_beside), optional
            Their mean is what the convolution beside reads.
        """
        step, item = padded.strides
        # Rows overlap: each is one kernel's view of the signal. The last lies within the padding.
        windows: FloatArray = np.ndarray((len(out), self._n_taps), np.float32, padded, 0, (self.stride * step, item))
        rows = np.empty((len(out), len(self._matrix)), np.float32)
        rows[:, : self._n_taps] = windows
        rows[:, -1] = 1  # meets the bias
        if beside is not None:
            np.add(*beside, out=rows[:, self._n_taps : -1])
        _multiply(rows, self._matrix, out)


def _multiply(rows: FloatArray, matrix: FloatArray, out: FloatArray) -> None:
    """Matrix product in parts that are small to OpenBLAS."""
    n_parts = -(-rows.size * matrix.shape[1] // SMALL_PRODUCT)
    n_rows = -(-len(rows) // n_parts)
    for first in range(0, len(rows), n_rows):
        part = slice(first, first + n_rows)
        np.matmul(rows[part], matrix, out=out[part])


def _rectify(y: FloatArray) -> None:
    """Replace what is negative by zero; numpy compares two arrays several times faster than an array and a number."""
    np.maximum(y, _zeros(y.size).reshape(y.shape), out=y)


@lru_cache(maxsize=64)
def _zeros(size: int) -> FloatArray:
    zeros = np.zeros(size, np.float32)
    zeros.flags.writeable = False
    return zeros


@dataclass(frozen=True, slots=True, eq=False)
class ResidualBlock:
    """Two convolutions beside a shortcut, which halves the rate where the first convolution does."""

    first: Layer
    second: Layer
    is_identity: bool
    """Whether the shortcut passes on what came in."""

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], n_in: int) -> Self:
        """Check and adopt `{"stride": 1 or 2, "first": ..., "second": ..., "shortcut": ... or None}`."""
        stride = payload["stride"]
        if stride not in (1, 2):
            raise MalformedNetError("a block has a stride other than one or two")
        first = Convolution.from_payload(payload["first"], n_in, stride)
        second = Convolution.from_payload(payload["second"], first.n_out, 1)
        beside = payload["shortcut"]
        shortcut = None if beside is None else Convolution.from_payload(beside, n_in, 1)
        given_beside = n_in if shortcut is None else shortcut.n_out
        if given_beside != second.n_out or (shortcut is None and stride != 1):
            raise MalformedNetError("the two ways through a block do not meet")
        if shortcut is not None and shortcut.kernel != 1:
            raise MalformedNetError("a shortcut looks at more than one step")
        return cls(Layer(first), Layer(second, shortcut), is_identity=shortcut is None)

    def __call__(self, x: Padded, margin: int) -> Padded:
        """Map n_steps of n_in channels to ceil(n_steps / stride) of n_out, padded by `margin`."""
        n_out_steps = (len(x.steps) - 1) // self.first.stride + 1
        inner = Padded(n_out_steps, self.first.n_out, self.second.margin)
        self.first(x.whole, inner.steps)
        _rectify(inner.steps)
        y = Padded(n_out_steps, self.second.n_out, margin)
        if self.is_identity:
            self.second(inner.whole, y.steps)
            y.steps += x.steps
        else:
            self.second(inner.whole, y.steps, _pairs(x.steps, self.first.stride))
        _rectify(y.steps)
        return y


def _pairs(x: FloatArray, stride: int) -> tuple[FloatArray, FloatArray]:
    """Give the steps whose means have the rate of the way beside; a step without a partner is its own."""
    first, second = x[::stride], x[stride - 1 :: stride]
    return first, second if len(second) == len(first) else np.concatenate([second, x[-1:]])


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Stem, residual blocks, mean and maximum over time, one linear layer."""

    stem: Layer
    blocks: tuple[ResidualBlock, ...]
    head_weight: FloatArray
    head_bias: FloatArray

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Check and adopt one network of a payload."""
        stem_stride = payload["stem_stride"]
        if not isinstance(stem_stride, int) or stem_stride < 1:
            raise MalformedNetError("the stride of the stem is not a positive whole number")
        stem = Convolution.from_payload(payload["stem"], N_LEADS, stem_stride)
        blocks = []
        n_channels = stem.n_out
        for described in payload["blocks"]:
            block = ResidualBlock.from_payload(described, n_channels)
            blocks.append(block)
            n_channels = block.second.n_out
        head_weight = np.asarray(payload["head"]["weight"], dtype=np.float32)
        head_bias = np.asarray(payload["head"]["bias"], dtype=np.float32)
        n_classes = len(SUPERCLASSES)
        if head_weight.shape != (2 * n_channels, n_classes) or head_bias.shape != (n_classes,):
            raise MalformedNetError("the last layer does not fit the blocks or the classes")
        if not (np.isfinite(head_weight).all() and np.isfinite(head_bias).all()):
            raise MalformedNetError("the last layer holds numbers that are not finite")
        return cls(Layer(stem), tuple(blocks), head_weight, head_bias)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Map (n_steps, 12) to the log-odds of the classes, (5,)."""
        signal = Padded(len(x), N_LEADS, self.stem.margin)
        signal.steps[:] = x
        margins = [block.first.margin for block in self.blocks] + [0]
        n_out_steps = (len(x) - 1) // self.stem.stride + 1
        state = Padded(n_out_steps, self.stem.n_out, margins[0])
        self.stem(signal.whole, state.steps)
        _rectify(state.steps)
        for block, margin in zip(self.blocks, margins[1:], strict=True):
            state = block(state, margin)
        pooled = np.concatenate([state.steps.mean(axis=0), state.steps.max(axis=0)])
        logits: FloatArray = pooled @ self.head_weight + self.head_bias
        return logits


class WaveformNet:
    """Networks over the waveform, averaged. Immutable, so threads may share it.

    Parameters
    ----------
    networks : sequence of Network
        At least one.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        if not networks:
            raise MalformedNetError("there is no network")
        self._networks = tuple(networks)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Adopt `{"kind": "waveform-net", "networks": [...]}`, plain containers and arrays, as training writes it.

        Raises
        ------
        MalformedNetError
            If the payload is incomplete or its arrays do not fit each other.
        """
        if payload.get("kind") != PAYLOAD_KIND:
            raise MalformedNetError("this is no waveform network")
        try:
            return cls([Network.from_payload(described) for described in payload["networks"]])
        except (AttributeError, LookupError, TypeError) as error:
            raise MalformedNetError("the description of the network is incomplete") from error

    def forward(self, filtered: FloatArray) -> FloatArray:
        """Log-odds of the five superclasses from a filtered ECG, (n_samples, 12) at 500 Hz."""
        return self.forward_input(net_input(filtered))

    def forward_input(self, x: FloatArray) -> FloatArray:
        """Log-odds of the five superclasses from what `net_input` gave."""
        total = self._networks[0](x)
        for network in self._networks[1:]:
            total = total + network(x)
        return total / np.float32(len(self._networks))

    def logits(self, features: NDArray[np.float64], prepared: PreparedECG) -> NDArray[np.float64]:  # noqa: ARG002 - a member of the ensemble is given both
        """Log-odds of the five superclasses for one ECG; only its waveform is looked at."""
        return self.forward(prepared.filtered).astype(np.float64)
