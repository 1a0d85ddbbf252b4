"""From `model.pkl` and `model.json` to a classifier, without trusting either.

The file is read once; size and sha256 of those bytes are compared with the manifest's, then the libraries, then the
contract; only then are the same bytes unpickled, with a restricted vocabulary. At last the model must answer a pinned
ECG as it did when it was made.
"""

import hashlib
import os
import platform
import stat
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from app.core.constants import SUPERCLASSES
from app.ecg.errors import ECGError
from app.ecg.features import FEATURE_NAMES
from app.ecg.record import LEADS, MILLIVOLTS, N_SAMPLES, SAMPLING_RATE_HZ, Patient
from app.ecg.synthetic import synthesize
from app.ml.classifier import Classifier
from app.ml.compiled import CompiledModel
from app.ml.errors import (
    ArtifactMissingError,
    ArtifactTooLargeError,
    ChecksumError,
    ContractMismatchError,
    CorruptArtifactError,
    ManifestError,
    NotARegularFileError,
    SelfTestError,
    VersionMismatchError,
)
from app.ml.manifest import Manifest, SelfTest, SignalContract, parse_manifest
from app.ml.unpickling import loads

MAX_MODEL_BYTES: Final = 64 * 1024 * 1024
MAX_MANIFEST_BYTES: Final = 1024 * 1024
PINNED_LIBRARIES: Final = {"joblib": 1, "numpy": 1, "scikit-learn": 2}
"""Those whose classes the pickle holds, and how many parts of the version a reader must share with the writer.

Arrays are stable within a major version; estimators within a minor one, and the self-test watches over the rest.
"""

SELF_TEST_SEED: Final = 12
SELF_TEST_PATTERN: Final = "MS"
SELF_TEST_TOLERANCE: Final = 0.02
"""Another processor rounds the last bit of a feature differently, which may send a few trees the other way."""


def load(path: Path) -> Classifier:
    """Take a model into service.

    Parameters
    ----------
    path : Path
        The model file; its manifest has the same name with the suffix `.json`.

    Raises
    ------
    ArtifactMissingError
        If there is no model file.
    ArtifactRefusedError
        If there is one that must not be used; the subclass says why.
    """
    data = _read(path, MAX_MODEL_BYTES)
    try:
        manifest = parse_manifest(_read(path.with_suffix(".json"), MAX_MANIFEST_BYTES))
    except ArtifactMissingError as error:
        raise ManifestError("there is no manifest beside the model file") from error
    _check_bytes(data, manifest)
    _check_libraries(manifest)
    _check_contract(manifest)
    classifier = Classifier(CompiledModel.from_payload(loads(data)), manifest)
    _self_test(classifier)
    return classifier


def installed_libraries() -> dict[str, str]:
    """Look up the versions that a manifest pins."""
    return {name: version(name) for name in PINNED_LIBRARIES}


def python_version() -> str:
    """Name the interpreter, for the record; a pickle of protocol 5 reads the same on all of them."""
    return platform.python_version()


def feature_fingerprint() -> str:
    """Give the sha256 over the names of the features in their order."""
    return hashlib.sha256("\n".join(FEATURE_NAMES).encode()).hexdigest()


def signal_contract() -> SignalContract:
    """Describe what this code makes of every ECG before a model sees it."""
    return SignalContract(leads=list(LEADS), sampling_rate_hz=SAMPLING_RATE_HZ, n_samples=N_SAMPLES, units=MILLIVOLTS)


def run_self_test(classifier: Classifier) -> SelfTest:
    """Let a classifier answer the pinned ECG."""
    patient = Patient(age_years=60, sex=1, height_cm=175, weight_kg=80)
    record = synthesize(SELF_TEST_SEED, pattern=SELF_TEST_PATTERN, patient=patient)
    diagnosis = classifier.classify_record(record).diagnosis
    return SelfTest(
        seed=SELF_TEST_SEED, pattern=SELF_TEST_PATTERN, probabilities=list(diagnosis.probabilities.values())
    )


def _read(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of bounded size; the checks are made on the open file, not on the name."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise NotARegularFileError(f"{path.name} is a symbolic link; give the file itself")
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise ArtifactMissingError(f"there is no {path.name}") from None
    except OSError as error:
        raise NotARegularFileError(f"{path.name} cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotARegularFileError(f"{path.name} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ArtifactTooLargeError(f"{path.name} is larger than {max_bytes} bytes")
    return data


def _check_bytes(data: bytes, manifest: Manifest) -> None:
    if len(data) != manifest.size_bytes or hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise ChecksumError("the model file is not the one its manifest describes")


def _check_libraries(manifest: Manifest) -> None:
    installed = installed_libraries()
    for name, n_parts in PINNED_LIBRARIES.items():
        wrote = manifest.libraries.get(name, "an unknown version")
        if wrote.split(".")[:n_parts] != installed[name].split(".")[:n_parts]:
            raise VersionMismatchError(
                f"the model was written with {name} {wrote}, but {installed[name]} is installed: "
                "install that version or train again"
            )


def _check_contract(manifest: Manifest) -> None:
    if manifest.n_features != len(FEATURE_NAMES) or manifest.features_sha256 != feature_fingerprint():
        raise ContractMismatchError("the model was trained on other features than this version extracts: train again")
    if tuple(manifest.classes) != SUPERCLASSES or set(manifest.thresholds) != set(SUPERCLASSES):
        raise ContractMismatchError("the model answers for other classes")
    if manifest.signal != signal_contract():
        raise ContractMismatchError("the model was trained for other signals")


def _self_test(classifier: Classifier) -> None:
    pinned = classifier.manifest.self_test
    if (pinned.seed, pinned.pattern) != (SELF_TEST_SEED, SELF_TEST_PATTERN):
        raise SelfTestError("the model was made for another self-test than this version's: train again")
    try:
        answer = run_self_test(classifier)
    except (ECGError, ArithmeticError, LookupError, ValueError) as error:
        raise CorruptArtifactError("the model cannot answer its self-test") from error
    if not np.allclose(answer.probabilities, pinned.probabilities, rtol=0, atol=SELF_TEST_TOLERANCE):
        raise SelfTestError("the model does not answer its self-test as it did when it was made")
