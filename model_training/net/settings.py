"""What the network looks like and how it is trained."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NetSettings:
    """Numbers found by leaving folds out; see the model card.

    Attributes
    ----------
    n_networks
        Trained from different seeds and averaged.
    widths, strides
        Channels of each residual block, and what it divides the rate by.
    stem_kernel, stem_stride, kernel
        Taps of the first convolution and what it divides the rate by; taps of the others.
    n_epochs, batch_size, peak_learning_rate, weight_decay
        AdamW under a one-cycle schedule. More epochs fit the training records, not the ECG.
    averaging
        Share of the running average of the weights that each step keeps; the average is what is served.
    dropout
        Share of pooled channels hidden from the last layer.
    crop_steps
        Length of the random excerpts trained on, in steps of 10 ms.
    side_weight
        Weight of each side target's loss beside a superclass's.
    min_side_positives
        Statements rarer than this are no side target.
    """

    n_networks: int = 1
    widths: tuple[int, ...] = (32, 48, 64, 96)
    strides: tuple[int, ...] = (1, 2, 2, 2)
    stem_kernel: int = 7
    stem_stride: int = 2
    kernel: int = 3
    n_epochs: int = 20
    batch_size: int = 64
    peak_learning_rate: float = 4e-3
    weight_decay: float = 0.1
    averaging: float = 0.99
    dropout: float = 0.3
    crop_steps: int = 250
    side_weight: float = 0.2
    min_side_positives: int = 8
