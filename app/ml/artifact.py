"""From `model.pkl` and `model.json` to a classifier, without trusting either.

The file is read once; size and sha256 of those bytes are compared with the manifest's, then the libraries, then the
contract; only then are the same bytes unpickled, with a restricted vocabulary. At last the model must answer a pinned
ECG as it did when it was made.
"""

import hashlib
import platform
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
    ChecksumError,
    ContractMismatchError,
    CorruptArtifactError,
    SelfTestError,
    VersionMismatchError,
)
from app.ml.files import ModelFiles, read_files
from app.ml.manifest import Manifest, SelfTest, SignalContract, parse_manifest
from app.ml.unpickling import loads

PINNED_LIBRARIES: Final = {"joblib": 1, "numpy": 1, "scikit-learn": 2}
"""Those whose classes the pickle holds, and how many parts of the version a reader must share with the writer.

Arrays are stable within a major version; estimators within a minor one, and the self-test watches over the rest.
"""

SELF_TEST_SEED: Final = 12
SELF_TEST_PATTERN: Final = "MS"
SELF_TEST_TOLERANCE: Final = 0.02
"""Another processor rounds the last bit of a feature differently, which may send a few trees the other way."""


def load_files(files: ModelFiles) -> Classifier:
    """Take a model into service.

    Raises
    ------
    ArtifactRefusedError
        If it must not be used; the subclass says why.
    """
    manifest = parse_manifest(files.manifest)
    _check_bytes(files.model, manifest)
    _check_libraries(manifest)
    _check_contract(manifest)
    classifier = Classifier(CompiledModel.from_payload(loads(files.model)), manifest)
    _self_test(classifier)
    return classifier


def load(path: Path) -> Classifier:
    """Read a model and take it into service; raises what `read_files` and `load_files` do."""
    return load_files(read_files(path))


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
