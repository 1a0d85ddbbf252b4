"""What the network is taught: the superclasses, and beside them whatever else is known about each ECG.

Finer statements, age and sex are never asked for at serving time. Learning them makes the shared layers see more than
five yes-or-no answers a record could teach.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_training.training_set import TrainingSet

FloatArray = NDArray[np.float32]

AGE_STEPS_YEARS: Final = (40, 50, 60, 70, 80)


def side_targets(data: TrainingSet, min_positives: int) -> tuple[FloatArray, FloatArray]:
    """Side targets and which of them are known.

    Parameters
    ----------
    data : TrainingSet
    min_positives : int
        Statements found in fewer records are left out.

    Returns
    -------
    targets, known : ndarray of float32, shape (n, n_targets)
        Zeros and ones; an unknown target is 0 and must not count.
    """
    statements = data.codes[:, data.codes.sum(axis=0) >= min_positives].astype(np.float32)
    ages = np.array([np.nan if p.age_years is None else p.age_years for p in (e.patient for e in data.examples)])
    sexes = np.array([np.nan if p.sex is None else p.sex for p in (e.patient for e in data.examples)])
    older = (ages[:, None] > np.array(AGE_STEPS_YEARS)).astype(np.float32)
    male = np.nan_to_num(sexes)[:, None].astype(np.float32)
    targets = np.concatenate([statements, older, male], axis=1)
    known = np.ones_like(targets)
    n_statements = statements.shape[1]
    known[np.isnan(ages), n_statements : n_statements + len(AGE_STEPS_YEARS)] = 0
    known[np.isnan(sexes), -1] = 0
    return targets, known
