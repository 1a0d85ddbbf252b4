"""Trees of scikit-learn, flattened once so that one sample costs arithmetic instead of call overhead.

All trees of an ensemble lie in one set of arrays, level by level: the roots first, then all nodes of depth one, and so
on, the two children of a node side by side. One sample then walks every tree at once, a numpy step per level. The
upper levels, which every sample visits, stay in the cache. Ensembles over the same features are walked together: the
steps of the shallow ones come for the price of those of the deep one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from app.native.trees import bind_walk

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]

_SHRINK_EVERY = 4  # levels between two removals of the trees that have reached their leaf, ...
_FIRST_SHRINK = 3  # ... which pays from here on


class MalformedTreesError(ValueError):
    """The trees do not form trees: a child is out of range, shared, or its own ancestor."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeArrays:
    """One binary decision tree as parallel arrays, whatever library grew it.

    Attributes
    ----------
    left, right : ndarray of int, shape (n_nodes,)
        Children by row; meaningless at leaves.
    feature : ndarray of int, shape (n_nodes,)
        Column compared at the node.
    threshold : ndarray of float64, shape (n_nodes,)
        A sample goes left when its value is at most this.
    missing_left : ndarray of bool, shape (n_nodes,)
        Whether NaN goes left.
    is_leaf : ndarray of bool, shape (n_nodes,)
    value : ndarray of float64, shape (n_nodes, n_outputs)
        What a leaf answers.
    """

    left: IndexArray
    right: IndexArray
    feature: IndexArray
    threshold: FloatArray
    missing_left: NDArray[np.bool_]
    is_leaf: NDArray[np.bool_]
    value: FloatArray


class FlatTrees:
    """All trees of one ensemble in level order, ready to be walked by one sample.

    Parameters
    ----------
    trees : sequence of TreeArrays
        At least one.
    n_features : int
        Length of the samples.

    Raises
    ------
    MalformedTreesError
        If the nodes do not form trees over `n_features` columns.
    """

    def __init__(self, trees: Sequence[TreeArrays], n_features: int) -> None:
        sizes = np.array([tree.left.size for tree in trees], dtype=np.intp)
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        is_leaf = np.concatenate([tree.is_leaf for tree in trees])
        left = np.concatenate([tree.left + offset for tree, offset in zip(trees, offsets, strict=True)])
        right = np.concatenate([tree.right + offset for tree, offset in zip(trees, offsets, strict=True)])
        order, depth = _level_order(offsets, left, right, is_leaf)
        rank = np.empty(order.size, dtype=np.intp)
        rank[order] = np.arange(order.size)
        leaf = is_leaf[order]
        feature = np.concatenate([tree.feature for tree in trees])[order]
        if not np.all(leaf | ((feature >= 0) & (feature < n_features))):
            raise MalformedTreesError("a node compares a column that the samples do not have")
        missing_left = np.concatenate([tree.missing_left for tree in trees])[order]
        threshold = np.concatenate([tree.threshold for tree in trees])[order]
        # The sample is laid out twice, NaN as -inf and as +inf; a node reads the copy that sends NaN its way.
        # A threshold of +inf ("known or missing") must still send the second copy's +inf to the right.
        # A leaf compares with infinity and points at itself, so walking on from it changes nothing.
        self.walk = Walk(
            child=np.where(leaf, np.arange(order.size), rank[np.where(leaf, 0, left[order])]),
            column=np.where(leaf, 0, feature + np.where(missing_left, 0, n_features)),
            threshold=np.where(leaf, np.inf, np.minimum(threshold, np.finfo(np.float64).max)),
            roots=np.arange(len(trees)),
            n_features=n_features,
            depth=depth,
        )
        self.value = np.concatenate([tree.value for tree in trees])[order]

    def leaves(self, x: FloatArray) -> IndexArray:
        """Rows of `value` where one sample ends, a row a tree in the order of the trees; `x` as in `Walk.leaves`."""
        return self.walk.leaves(x)


class Walk:
    """Nodes in the form that is walked.

    Parameters
    ----------
    child : ndarray of int, shape (n_nodes,)
        Row of the left child, which the right one follows; a leaf's is its own.
    column : ndarray of int, shape (n_nodes,)
        Position in the doubled sample.
    threshold : ndarray of float64, shape (n_nodes,)
    roots : ndarray of int, shape (n_trees,)
    n_features : int
        Length of the samples.
    depth : int
        Steps from the roots to the last leaf.
    """

    def __init__(
        self,
        *,
        child: IndexArray,
        column: IndexArray,
        threshold: FloatArray,
        roots: IndexArray,
        n_features: int,
        depth: int,
    ) -> None:
        self.n_features = n_features
        self.depth = depth
        self.roots = roots
        # Where a node leads and what it reads come with one access to memory, which far-off nodes spend most on.
        self._column_bits = (2 * n_features).bit_length()
        self._link = child.astype(np.int64) << self._column_bits | column
        self._threshold = threshold
        self._compiled = bind_walk(self._link, self._column_bits, threshold, roots)

    @classmethod
    def together(cls, walks: Sequence[Self]) -> Self:
        """Put the nodes of several walks over the same features behind each other, and so their roots.

        Raises
        ------
        MalformedTreesError
            If the features are not the same.
        """
        if len({walk.n_features for walk in walks}) != 1:
            raise MalformedTreesError("ensembles that compare different samples cannot be walked together")
        offsets = np.cumsum([0, *(walk.n_nodes for walk in walks)])
        return cls(
            child=np.concatenate([walk.child + offset for walk, offset in zip(walks, offsets[:-1], strict=True)]),
            column=np.concatenate([walk.column for walk in walks]),
            threshold=np.concatenate([walk.threshold for walk in walks]),
            roots=np.concatenate([walk.roots + offset for walk, offset in zip(walks, offsets[:-1], strict=True)]),
            n_features=walks[0].n_features,
            depth=max(walk.depth for walk in walks),
        )

    @property
    def n_nodes(self) -> int:
        """Number of nodes of all trees."""
        return self._link.size

    @property
    def child(self) -> IndexArray:
        """As given."""
        return self._link >> self._column_bits

    @property
    def column(self) -> IndexArray:
        """As given."""
        return self._link & (1 << self._column_bits) - 1

    @property
    def threshold(self) -> FloatArray:
        """As given."""
        return self._threshold

    def leaves(self, x: FloatArray) -> IndexArray:
        """Nodes where one sample ends, one a tree in the order of the roots.

        Parameters
        ----------
        x : ndarray of float64, shape (n_features,)
            NaN is missing; infinities are not allowed.
        """
        missing = np.isnan(x)
        sample = np.concatenate([np.where(missing, -np.inf, x), np.where(missing, np.inf, x)])
        return self._leaves(sample) if self._compiled is None else self._compiled.leaves(sample)

    def _leaves(self, sample: FloatArray) -> IndexArray:
        """Take a step in all trees at once, until the last has reached its leaf."""
        # `take` costs less than indexing, which looks at every kind of index first.
        read_link, read_threshold, read_sample = self._link.take, self._threshold.take, sample.take
        bits, column_mask = self._column_bits, (1 << self._column_bits) - 1
        ends = np.empty_like(self.roots)
        walking, node = np.arange(self.roots.size), self.roots
        for level in range(self.depth):
            link = read_link(node)
            child = link >> bits
            if level % _SHRINK_EVERY == _FIRST_SHRINK:
                ends[walking] = node
                inner = (child != node).nonzero()[0]
                if not inner.size:
                    return ends
                walking, node, link, child = walking.take(inner), node.take(inner), link.take(inner), child.take(inner)
            link &= column_mask
            child += read_sample(link) > read_threshold(node)
            node = child
        ends[walking] = node
        return ends


class Grove:
    """Several ensembles over the same features, walked together by one sample.

    Parameters
    ----------
    ensembles : sequence of FlatTrees
        At least one.

    Raises
    ------
    MalformedTreesError
        If the features are not the same.
    """

    def __init__(self, ensembles: Sequence[FlatTrees]) -> None:
        walks = [trees.walk for trees in ensembles]
        self._walk = Walk.together(walks)
        first_node = np.cumsum([0, *(walk.n_nodes for walk in walks)]).tolist()
        first_tree = np.cumsum([0, *(walk.roots.size for walk in walks)]).tolist()
        self._parts = [(slice(*span), node) for span, node in zip(pairwise(first_tree), first_node, strict=False)]

    def leaves(self, x: FloatArray) -> list[IndexArray]:
        """Give what `FlatTrees.leaves` does, for each of the ensembles; `x` as in `Walk.leaves`."""
        ends = self._walk.leaves(x)
        return [ends[trees] - first_node for trees, first_node in self._parts]


def _level_order(
    roots: IndexArray, left: IndexArray, right: IndexArray, is_leaf: NDArray[np.bool_]
) -> tuple[IndexArray, int]:
    """Nodes breadth first over all trees at once, children of a node adjacent, and the number of steps to the last."""
    levels: list[IndexArray] = []
    seen = np.zeros(left.size, dtype=np.bool_)
    frontier = roots
    while frontier.size:
        if frontier.min() < 0 or frontier.max() >= left.size or seen[frontier].any():
            raise MalformedTreesError("a child is out of range or has two parents")
        seen[frontier] = True
        if np.count_nonzero(seen) != sum(level.size for level in levels) + frontier.size:
            raise MalformedTreesError("two nodes of one level share a child")
        levels.append(frontier)
        inner = frontier[~is_leaf[frontier]]
        frontier = np.stack([left[inner], right[inner]], axis=1).ravel()
    if not seen.all():
        raise MalformedTreesError("a node belongs to no tree")
    return np.concatenate(levels), len(levels) - 1


class CompiledForest:
    """A fitted random forest or extra-trees classifier of binary outputs, for one sample at a time."""

    def __init__(self, trees: FlatTrees) -> None:
        self.trees = trees

    @classmethod
    def from_sklearn(cls, forest: Any, n_outputs: int | None = None) -> Self:
        """Flatten `forest`.

        Parameters
        ----------
        forest : ForestClassifier
            Fitted on one binary target or on several.
        n_outputs : int, optional
            Keep only the first outputs, where the others only helped to grow the trees.
        """
        n_kept = n_outputs or forest.n_outputs_
        classes = forest.classes_ if forest.n_outputs_ > 1 else [forest.classes_]
        trees = [_forest_tree(tree.tree_, classes[:n_kept]) for tree in forest.estimators_]
        return cls(FlatTrees(trees, forest.n_features_in_))

    def probabilities(self, x: FloatArray) -> FloatArray:
        """P(class 1) by output, as `predict_proba` gives it.

        Parameters
        ----------
        x : ndarray, shape (n_features,)
            NaN is missing. Forests compare in float32, so the sample is rounded to it first.

        Returns
        -------
        ndarray of float64, shape (n_outputs,)
        """
        return self.probabilities_at(self.trees.leaves(x.astype(np.float32).astype(np.float64)))

    def probabilities_at(self, leaves: IndexArray) -> FloatArray:
        """Mean vote, (n_outputs,), of the leaves where a sample ended, (n_trees,)."""
        mean: FloatArray = np.add.reduce(self.trees.value.take(leaves, axis=0)) / leaves.size
        return mean


def _forest_tree(tree: Any, classes: Sequence[NDArray[Any]]) -> TreeArrays:
    is_leaf = tree.children_left == -1
    value = np.zeros((tree.node_count, len(classes)))
    for output, labels in enumerate(classes):
        column = np.flatnonzero(np.asarray(labels) == 1)
        if column.size:  # an output that was never 1 in training keeps probability 0
            value[:, output] = tree.value[:, output, column[0]] / tree.value[:, output, :].sum(axis=1)
    missing_left = tree.__getstate__()["nodes"]["missing_go_to_left"].astype(np.bool_)
    return TreeArrays(
        left=tree.children_left.astype(np.intp),
        right=tree.children_right.astype(np.intp),
        feature=tree.feature.astype(np.intp),
        threshold=tree.threshold.astype(np.float64),
        missing_left=missing_left,
        is_leaf=is_leaf,
        value=value,
    )


class CompiledBoosting:
    """Fitted histogram gradient boosting classifiers, one a binary target, for one sample at a time."""

    def __init__(self, trees: FlatTrees, first_tree: IndexArray, baseline: FloatArray) -> None:
        self.trees = trees
        self._steps = np.ascontiguousarray(trees.value[:, 0])
        self._first_tree = first_tree
        self._baseline = baseline

    @classmethod
    def from_sklearn(cls, boosters: Sequence[Any]) -> Self:
        """Flatten `boosters`, HistGradientBoostingClassifier each fitted on one binary target, no categories."""
        trees: list[TreeArrays] = []
        first_tree = []
        for booster in boosters:
            first_tree.append(len(trees))
            trees.extend(_boosting_tree(stage[0].nodes) for stage in booster._predictors)  # noqa: SLF001
        baseline = np.array([booster._baseline_prediction.item() for booster in boosters])  # noqa: SLF001
        return cls(FlatTrees(trees, boosters[0].n_features_in_), np.array(first_tree, dtype=np.intp), baseline)

    def logits(self, x: FloatArray) -> FloatArray:
        """Log-odds by target, as `decision_function` gives them.

        Parameters
        ----------
        x : ndarray of float64, shape (n_features,)
            NaN is missing.

        Returns
        -------
        ndarray of float64, shape (n_boosters,)
        """
        return self.logits_at(self.trees.leaves(np.asarray(x, dtype=np.float64)))

    def logits_at(self, leaves: IndexArray) -> FloatArray:
        """Log-odds, (n_boosters,), of the leaves where a sample ended, (n_trees,)."""
        logits: FloatArray = np.add.reduceat(self._steps.take(leaves), self._first_tree) + self._baseline
        return logits

    def probabilities(self, x: FloatArray) -> FloatArray:
        """P(class 1) by target, as `predict_proba` gives it; `x` as in `logits`."""
        probabilities: FloatArray = expit(self.logits(x))
        return probabilities


def _boosting_tree(nodes: NDArray[Any]) -> TreeArrays:
    if nodes["is_categorical"].any():
        raise MalformedTreesError("trees over categories are not compiled")
    return TreeArrays(
        left=nodes["left"].astype(np.intp),
        right=nodes["right"].astype(np.intp),
        feature=nodes["feature_idx"].astype(np.intp),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"].astype(np.bool_),
        is_leaf=nodes["is_leaf"].astype(np.bool_),
        value=nodes["value"].astype(np.float64)[:, np.newaxis],
    )
