import pickle

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from model_training.settling import clear_gaps, settle

NODE = np.dtype({"names": ["left", "leaf"], "formats": ["<i8", "u1"], "itemsize": 16})


def _nodes(garbage: int) -> np.ndarray:
    nodes = np.full(48, garbage, dtype=np.uint8).view(NODE)
    nodes["left"], nodes["leaf"] = 7, 1
    return nodes


def test_what_lies_between_the_fields_of_a_record_is_forgotten() -> None:
    one, two = _nodes(1), _nodes(2)
    assert one.tobytes() != two.tobytes()
    clear_gaps(one)
    clear_gaps(two)
    assert one.tobytes() == two.tobytes()
    assert (one["left"].tolist(), one["leaf"].tolist()) == ([7, 7, 7], [1, 1, 1])


def test_the_nodes_of_a_settled_tree_have_empty_gaps() -> None:
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    forest = settle(ExtraTreesClassifier(5, random_state=0).fit(X, X[:, 0] > 0))
    for tree in forest.estimators_:
        nodes = tree.tree_.__getstate__()["nodes"]
        assert not nodes.view(np.uint8).reshape(-1, nodes.dtype.itemsize)[:, 57:].any()


def test_parts_with_dtypes_of_their_own_pickle_like_parts_that_share_one() -> None:
    shared = [np.arange(3.0), np.arange(4.0)]
    own = [pickle.loads(pickle.dumps(part)) for part in shared]
    assert pickle.dumps(own) != pickle.dumps(shared)
    assert pickle.dumps(settle(own)) == pickle.dumps(settle(shared))


def test_a_settled_model_answers_as_before() -> None:
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    forest = ExtraTreesClassifier(5, random_state=0).fit(X, X[:, 0] > 0)
    np.testing.assert_array_equal(settle(forest).predict_proba(X), forest.predict_proba(X))
