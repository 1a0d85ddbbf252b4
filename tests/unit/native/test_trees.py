"""Walking trees in C ends in the leaves where NumPy's way does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.ml.forest import FlatTrees, TreeArrays

N_FEATURES = 5


def grow(rng: np.random.Generator, n_leaves: int) -> TreeArrays:
    """Split a leaf chosen at random until there are enough."""
    left, right, leaves = [-1], [-1], [0]
    while len(leaves) < n_leaves:
        node = leaves.pop(int(rng.integers(len(leaves))))
        left[node], right[node] = len(left), len(left) + 1
        leaves += [len(left), len(left) + 1]
        left += [-1, -1]
        right += [-1, -1]
    n_nodes = len(left)
    return TreeArrays(
        left=np.array(left),
        right=np.array(right),
        feature=rng.integers(N_FEATURES, size=n_nodes),
        threshold=rng.choice([-np.inf, -1.0, 0.0, 0.5, np.inf], n_nodes),
        missing_left=rng.random(n_nodes) < 0.5,
        is_leaf=np.array(left) == -1,
        value=rng.normal(size=(n_nodes, 1)),
    )


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 20), min_size=1, max_size=20))
def test_both_ways_end_in_the_same_leaves(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    walk = FlatTrees([grow(rng, size) for size in sizes], N_FEATURES).walk
    for _ in range(4):
        x = rng.choice([-2.0, -1.0, 0.0, 0.25, 0.5, 1e300, np.nan], N_FEATURES)
        compiled = walk._compiled
        assert compiled is not None
        ends = walk.leaves(x)
        walk._compiled = None
        np.testing.assert_array_equal(ends, walk.leaves(x))
        walk._compiled = compiled
