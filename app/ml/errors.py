"""Why a model file was not taken into service.

ArtifactError
├── ArtifactMissingError        there is no model: the service starts and answers 503 to predictions
└── ArtifactRefusedError        there is one, but not one to trust: the service must not start
    ├── NotARegularFileError    a symbolic link, a folder, a device
    ├── ArtifactTooLargeError
    ├── ManifestError           missing beside the model, unreadable, or of another format
    ├── ChecksumError           the bytes are not those the manifest was written for
    ├── VersionMismatchError    written by other libraries than those installed
    ├── ContractMismatchError   made for other features or classes than this code's
    ├── ForbiddenContentError   the pickle names something that no model needs
    ├── CorruptArtifactError    the bytes are what was promised, but hold no model
    └── SelfTestError           the model does not answer what it answered when it was made
"""

from pathlib import Path
from typing import ClassVar

from app.core.starting import StartRefused


class ArtifactError(Exception):
    """The model cannot be used."""

    code: ClassVar[str] = "artifact"
    stops_start: ClassVar[bool] = True

    @property
    def reason(self) -> str:
        """What is wrong, and its code."""
        return f"{self} ({self.code})"


class ArtifactMissingError(ArtifactError):
    """There is no model file."""

    code = "artifact_missing"
    stops_start = False


class ArtifactRefusedError(ArtifactError):
    """There is a model file, but it must not be used."""

    code = "artifact_refused"

    def refuse_start(self, path: Path) -> StartRefused:
        """Return what keeps a service from starting whose model lies at `path`."""
        return StartRefused(f"MODEL_PATH: {path}: {self.reason}")


class NotARegularFileError(ArtifactRefusedError):
    """The path leads to a link, a folder or a device."""

    code = "not_a_regular_file"


class ArtifactTooLargeError(ArtifactRefusedError):
    """The file, or what it unpacks to, is larger than any model of ours."""

    code = "artifact_too_large"


class ManifestError(ArtifactRefusedError):
    """The manifest is missing or not readable."""

    code = "manifest_invalid"


class ChecksumError(ArtifactRefusedError):
    """Size or sha256 differ from the manifest's."""

    code = "checksum_mismatch"


class VersionMismatchError(ArtifactRefusedError):
    """The model was written by another version of a library that reads it."""

    code = "version_mismatch"


class ContractMismatchError(ArtifactRefusedError):
    """The model was trained for other features, classes or signals."""

    code = "contract_mismatch"


class ForbiddenContentError(ArtifactRefusedError):
    """The pickle names a function or class outside the allow-list."""

    code = "forbidden_content"


class CorruptArtifactError(ArtifactRefusedError):
    """The file does not hold a model."""

    code = "artifact_corrupt"


class SelfTestError(ArtifactRefusedError):
    """The loaded model answers a pinned ECG differently than when it was made."""

    code = "self_test_failed"
