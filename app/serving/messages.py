"""What the supervising process and its workers say to each other."""

from dataclasses import dataclass

from app.ml.files import ModelFiles


@dataclass(frozen=True, slots=True)
class Load:
    """Supervisor: load this model, None where there is none; the first word to every worker."""

    files: ModelFiles | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Worker: everything is loaded; I wait for the word to serve."""

    model_version: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Worker: I cannot start."""

    reason: str


@dataclass(frozen=True, slots=True)
class Migrate:
    """Supervisor: bring the schema up to date."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """Worker: the schema is up to date."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Supervisor: take callers."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Supervisor: load this model and have it ready; the number tells one exchange from another."""

    files: ModelFiles
    swap: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """Worker: the model is ready."""

    model_version: str
    swap: int


@dataclass(frozen=True, slots=True)
class NotPrepared:
    """Worker: the model cannot be used."""

    reason: str
    swap: int


@dataclass(frozen=True, slots=True)
class UsePrepared:
    """Supervisor: answer with the model that is ready."""


@dataclass(frozen=True, slots=True)
class DropPrepared:
    """Supervisor: forget it; another worker could not load it."""


ToWorker = Load | Migrate | Serve | Prepare | UsePrepared | DropPrepared
FromWorker = Loaded | Refused | Migrated | Prepared | NotPrepared
