from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from app.ecg.pipeline import prepare
from app.ecg.synthetic import synthesize
from app.ml.net import MAX_VALUE, MalformedNetError, WaveformNet, net_input


def payload_of(*networks: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "waveform-net", "networks": list(networks)}


@pytest.fixture
def net(reference: dict[str, Any]) -> WaveformNet:
    return WaveformNet.from_payload(payload_of(reference["network"]))


@pytest.fixture
def filtered() -> np.ndarray:
    return prepare(synthesize(3)).filtered


def test_answers_as_pytorch_does_at_every_length(net: WaveformNet, reference: dict[str, Any]) -> None:
    for length, expected in zip(reference["lengths"], reference["logits"], strict=True):
        np.testing.assert_allclose(net.forward_input(reference["signal"][:length]), expected, atol=1e-5)


def convolve(x: np.ndarray, convolution: dict[str, Any], stride: int) -> np.ndarray:
    """One tap after the other, in double precision: what the served form is measured against."""
    weight = convolution["weight"].astype(np.float64)
    margin = len(weight) // 2
    padded = np.pad(x, ((margin, margin), (0, 0)))
    taps = [padded[tap : tap + len(x)][::stride] @ weight[tap] for tap in range(len(weight))]
    convolved: np.ndarray = np.sum(taps, axis=0) + convolution["bias"]
    return convolved


def answer(x: np.ndarray, network: dict[str, Any]) -> np.ndarray:
    x = np.maximum(convolve(x, network["stem"], network["stem_stride"]), 0)
    for block in network["blocks"]:
        stride = block["stride"]
        beside = x if stride == 1 else (x[::2] + np.concatenate([x[1::2], x[-1:]])[: len(x[::2])]) / 2
        if block["shortcut"] is not None:
            beside = convolve(beside, block["shortcut"], 1)
        inner = np.maximum(convolve(x, block["first"], stride), 0)
        x = np.maximum(convolve(inner, block["second"], 1) + beside, 0)
    pooled = np.concatenate([x.mean(axis=0), x.max(axis=0)])
    logits: np.ndarray = pooled @ network["head"]["weight"] + network["head"]["bias"]
    return logits


def random_network(widths: list[int], strides: list[int], kernel: int) -> dict[str, Any]:
    """Make a network whose blocks have a shortcut wherever the width changes, and one of stride 1 among those."""
    rng = np.random.default_rng(0)

    def convolution(n_taps: int, n_in: int, n_out: int) -> dict[str, Any]:
        weight = rng.normal(size=(n_taps, n_in, n_out)) / np.sqrt(n_taps * n_in)
        return {"weight": weight.astype(np.float32), "bias": rng.normal(size=n_out).astype(np.float32)}

    blocks = [
        {
            "stride": stride,
            "first": convolution(kernel, n_in, n_out),
            "second": convolution(kernel, n_out, n_out),
            "shortcut": None if (n_in, stride) == (n_out, 1) else convolution(1, n_in, n_out),
        }
        for stride, n_in, n_out in zip(strides, widths, widths[1:], strict=False)
    ]
    head = {
        "weight": rng.normal(size=(2 * widths[-1], 5)).astype(np.float32),
        "bias": rng.normal(size=5).astype(np.float32),
    }
    return {"stem": convolution(7, 12, widths[0]), "stem_stride": 2, "blocks": blocks, "head": head}


@pytest.mark.parametrize("n_steps", [500, 777, 1000])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_answers_as_taps_added_one_by_one(n_steps: int, kernel: int) -> None:
    network = random_network([32, 32, 48, 64, 64], [1, 1, 2, 2], kernel)
    signal = np.random.default_rng(1).normal(size=(n_steps, 12)).astype(np.float32)
    served = WaveformNet.from_payload(payload_of(network)).forward_input(signal)
    np.testing.assert_allclose(served, answer(signal.astype(np.float64), network), rtol=1e-4, atol=1e-4)


def test_threads_may_share_a_network(net: WaveformNet, reference: dict[str, Any]) -> None:
    signals = [reference["signal"][:length] for length in reference["lengths"]] * 20
    alone = [net.forward_input(signal).tobytes() for signal in signals]
    with ThreadPoolExecutor(4) as pool:
        assert [logits.tobytes() for logits in pool.map(net.forward_input, signals)] == alone


def test_gives_the_same_bits_twice(net: WaveformNet, filtered: np.ndarray) -> None:
    assert net.forward(filtered).tobytes() == net.forward(filtered).tobytes()


def test_leaves_the_signal_as_it_was(net: WaveformNet, filtered: np.ndarray) -> None:
    before = filtered.copy()
    net.forward(filtered)
    np.testing.assert_array_equal(filtered, before)


def test_answers_with_the_mean_of_its_networks(reference: dict[str, Any]) -> None:
    first = reference["network"]
    second = deepcopy(first)
    second["head"]["bias"] = first["head"]["bias"] + np.float32(2)
    signal = reference["signal"]
    alone = WaveformNet.from_payload(payload_of(first)).forward_input(signal)
    both = WaveformNet.from_payload(payload_of(first, second)).forward_input(signal)
    np.testing.assert_allclose(both, alone + 1, atol=1e-5)


def test_hardly_minds_where_the_recording_starts(net: WaveformNet) -> None:
    signal = net_input(prepare(synthesize(5, heart_rate_bpm=75)).filtered)
    moved = np.roll(signal, 80, axis=0)
    np.testing.assert_allclose(net.forward_input(moved), net.forward_input(signal), atol=0.05)


def test_the_voltage_does_not_matter(net: WaveformNet, filtered: np.ndarray) -> None:
    np.testing.assert_allclose(net.forward(4 * filtered), net.forward(filtered), atol=1e-4)


def test_the_input_is_one_row_every_ten_milliseconds(filtered: np.ndarray) -> None:
    x = net_input(filtered)
    assert x.shape == (1000, 12)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous


def test_a_row_of_the_input_is_the_mean_of_five_samples() -> None:
    leads = np.random.default_rng(0).standard_normal((500, 12)).astype(np.float32)
    means = leads.reshape(100, 5, 12).mean(axis=1)
    means -= means.mean(axis=0)
    scale = means.std(axis=0)
    scale[:6] = np.sqrt(np.mean(scale[:6] ** 2))
    np.testing.assert_allclose(net_input(leads), means / scale, atol=1e-5)


def test_samples_that_fill_no_row_are_left_out() -> None:
    assert net_input(np.ones((4999, 12), np.float32)).shape == (999, 12)


def test_limb_leads_keep_their_ratios_and_chest_leads_do_not(filtered: np.ndarray) -> None:
    spread = net_input(filtered).std(axis=0)
    given = filtered.std(axis=0)
    np.testing.assert_allclose(spread[:6] / spread[0], given[:6] / given[0], rtol=0.05)
    np.testing.assert_allclose(spread[6:], 1, atol=0.02)


def test_a_flat_lead_stays_flat(filtered: np.ndarray) -> None:
    flat = filtered.copy()
    flat[:, 7] = 0
    assert not net_input(flat)[:, 7].any()


def test_a_spike_is_cut_off(filtered: np.ndarray) -> None:
    spiky = filtered.copy()
    spiky[100:110, 8] = 1000
    assert net_input(spiky).max() == MAX_VALUE


def without_head(network: dict[str, Any]) -> None:
    del network["head"]


def with_another_width(network: dict[str, Any]) -> None:
    network["blocks"][1]["first"]["weight"] = network["blocks"][1]["first"]["weight"][:, :-1]


def with_flat_weights(network: dict[str, Any]) -> None:
    network["stem"]["weight"] = network["stem"]["weight"].ravel()


def with_even_kernel(network: dict[str, Any]) -> None:
    network["stem"]["weight"] = network["stem"]["weight"][:-1]


def with_infinite_weight(network: dict[str, Any]) -> None:
    network["stem"]["bias"] = np.full_like(network["stem"]["bias"], np.inf)


def with_infinite_head(network: dict[str, Any]) -> None:
    network["head"]["bias"] = np.full_like(network["head"]["bias"], np.nan)


def with_lost_shortcut(network: dict[str, Any]) -> None:
    network["blocks"][1]["shortcut"] = None


def with_wide_shortcut(network: dict[str, Any]) -> None:
    shortcut = network["blocks"][1]["shortcut"]
    shortcut["weight"] = np.repeat(shortcut["weight"], 3, axis=0)


def with_four_classes(network: dict[str, Any]) -> None:
    network["head"] = {"weight": network["head"]["weight"][:, :4], "bias": network["head"]["bias"][:4]}


def with_long_stride(network: dict[str, Any]) -> None:
    network["blocks"][1]["stride"] = 3


def with_no_stem_stride(network: dict[str, Any]) -> None:
    network["stem_stride"] = 0


@pytest.mark.parametrize(
    "spoil",
    [
        without_head,
        with_another_width,
        with_flat_weights,
        with_even_kernel,
        with_infinite_weight,
        with_infinite_head,
        with_lost_shortcut,
        with_wide_shortcut,
        with_four_classes,
        with_long_stride,
        with_no_stem_stride,
    ],
)
def test_refuses_arrays_that_form_no_network(reference: dict[str, Any], spoil: Any) -> None:
    network = reference["network"]
    spoil(network)
    with pytest.raises(MalformedNetError):
        WaveformNet.from_payload(payload_of(network))


def test_refuses_no_network_at_all() -> None:
    with pytest.raises(MalformedNetError):
        WaveformNet.from_payload(payload_of())


def test_refuses_another_kind_of_payload(reference: dict[str, Any]) -> None:
    with pytest.raises(MalformedNetError):
        WaveformNet.from_payload({"kind": "forest", "networks": [reference["network"]]})
