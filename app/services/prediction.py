"""From an ECG that arrived to a recorded diagnosis."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import structlog

from app.core.constants import RequestType, Source
from app.core.exceptions import (
    CallerGone,
    DeadlineExceeded,
    FieldError,
    InvalidInput,
    ModelNotLoaded,
    ProcessingFailed,
    ServiceError,
)
from app.core.logging import code_places
from app.core.messages import with_reason
from app.core.steps import Steps, finish
from app.database.repositories.history import HistoryEntry
from app.ecg.errors import InvalidECG, UnusableECG
from app.ecg.pipeline import PreparedECG, prepare
from app.ml.classifier import Classification, Classifier
from app.ml.engine import Desk, Engine, Patience
from app.ml.registry import ModelRegistry
from app.models.ecg import Batch, Read, Sample
from app.services.history import HistoryService

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

MAX_ERRORS: Final = 10
_PLACES: Final = {
    "invalid_sampling_rate": "sampling_rate_hz",
    "unknown_units": "units",
    "duplicate_lead": "leads",
    "missing_leads": "leads",
}
"""Which field a refusal of the signal code is about, where that is not the signal itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    """What is known of a request before its body is understood."""

    request_id: str
    source: Source
    size_bytes: int | None = None
    #: how long the answer is worth computing
    patience: Patience = field(default_factory=Patience)
    #: `time.perf_counter()` when the body was there
    started_s: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """A diagnosis with everything that led to it."""

    classification: Classification
    prepared: PreparedECG
    model: Classifier
    #: by phase: queue, decode, prepare, features, model, write, total
    timing_ms: Mapping[str, float]


@dataclass(kw_only=True, slots=True)
class _Case:
    """One ECG on its way through the service."""

    loc: tuple[str | int, ...]
    size_bytes: int | None
    sample: Sample = field(default_factory=Sample)
    prepared: PreparedECG | None = None
    classification: Classification | None = None
    error: ServiceError | None = None
    timing_ms: dict[str, float] = field(default_factory=dict)


class PredictionService:
    """Reads, prepares and classifies ECGs, and records every attempt before it is answered.

    Parameters
    ----------
    models
        Which model answers.
    engine
        Where the computing happens.
    history
        Where attempts are recorded.
    """

    def __init__(self, *, models: ModelRegistry, engine: Engine, history: HistoryService) -> None:
        self._models = models
        self._engine = engine
        self._history = history

    def check_room(self, patience: Patience) -> None:
        """Turn a request away before its body is read, where it could not be computed or not in time.

        Raises
        ------
        Overloaded, DeadlineExceeded, ShuttingDown
            As the engine does.
        """
        self._engine.check_room(patience)

    async def classify(self, read: Callable[[], Steps[Sample]], intake: Intake) -> Prediction:
        """Classify one ECG.

        Parameters
        ----------
        read
            Decodes the body; called in the compute thread.
        intake
            The request it came with.

        Raises
        ------
        InvalidInput
            The request breaks the contract.
        ProcessingFailed
            A valid signal that the model cannot process.
        ModelNotLoaded, Overloaded, DeadlineExceeded, StorageUnavailable
            Not now.
        CallerGone
            Nobody waits for the answer any more.
        """
        case = _Case(loc=("body",), size_bytes=intake.size_bytes)
        classifier = await self._require_model(intake, RequestType.SINGLE)
        with self._engine.admit(intake.patience) as desk:
            try:
                await desk.run(_work, case, lambda: finish(read()), classifier, time.perf_counter())
            except (CallerGone, DeadlineExceeded) as refusal:
                await self.record_refusal(refusal, intake, RequestType.SINGLE)
                raise
        computed_s = time.perf_counter()
        total_ms = 1000 * (computed_s - intake.started_s)
        await self._history.record([_entry(case, intake, RequestType.SINGLE, total_ms, classifier.version)])
        case.timing_ms["write"] = _ms_since(computed_s)
        case.timing_ms["total"] = _ms_since(intake.started_s)
        return _result(case, classifier)

    async def classify_batch(
        self, split: Callable[[], Steps[Batch]], intake: Intake
    ) -> list[Prediction | ProcessingFailed]:
        """Classify several ECGs, in order; nothing is predicted unless all are valid.

        Parameters
        ----------
        split
            Cuts the body into ECGs; called in the compute thread.
        intake
            The request it came with.

        Returns
        -------
        list
            For each ECG its prediction, or why the model cannot process it.

        Raises
        ------
        InvalidInput
            At least one breaks the contract; the errors name its index.
        ProcessingFailed
            The model can process none of them.
        ModelNotLoaded, Overloaded, DeadlineExceeded, StorageUnavailable
            Not now.
        CallerGone
            Nobody waits for the answer any more.
        """
        classifier = await self._require_model(intake, RequestType.BATCH)
        with self._engine.admit(intake.patience) as desk:
            try:
                cases, refusal = await _work_through(desk, await _split(desk, split), classifier)
            except (CallerGone, DeadlineExceeded, InvalidInput) as refused:
                await self.record_refusal(refused, intake, RequestType.BATCH)
                raise
        version = classifier.version
        computed_s = time.perf_counter()
        await self._history.record(
            [_entry(case, intake, RequestType.BATCH, _spent_ms(case), version) for case in cases]
        )
        write_ms = _ms_since(computed_s)
        for case in cases:
            case.timing_ms["write"] = write_ms  # all rows are one transaction
        if refusal is not None:
            raise refusal
        return _batch_results(cases, classifier)

    async def record_refusal(self, error: ServiceError, intake: Intake, request_type: RequestType) -> None:
        """Record an attempt that ended before there was an ECG to look at."""
        case = _Case(loc=("body",), size_bytes=intake.size_bytes, error=error)
        total_ms = _ms_since(intake.started_s)
        await self._history.record([_entry(case, intake, request_type, total_ms, self._models.version)])

    async def _require_model(self, intake: Intake, request_type: RequestType) -> Classifier:
        classifier = self._models.current
        if classifier is None:
            error = ModelNotLoaded()
            await self.record_refusal(error, intake, request_type)
            raise error
        return classifier


def _entry(
    case: _Case, intake: Intake, request_type: RequestType, total_ms: float, model_version: str | None
) -> HistoryEntry:
    error, known = case.error, case.sample.known
    diagnosis = None if case.classification is None else case.classification.diagnosis
    return HistoryEntry(
        request_id=intake.request_id,
        request_type=request_type,
        source=intake.source,
        input_bytes=case.size_bytes,
        status_code=200 if error is None else error.status,
        success=error is None,
        error_message=None if error is None else with_reason(error),
        predicted_class_index=None if diagnosis is None else diagnosis.class_index,
        predicted_class_name=None if diagnosis is None else diagnosis.class_name,
        predicted_class_description=None if diagnosis is None else diagnosis.class_description,
        model_version=model_version,
        processing_time_ms=total_ms,
        queue_ms=case.timing_ms.get("queue"),
        decode_ms=case.timing_ms.get("decode"),
        prepare_ms=case.timing_ms.get("prepare"),
        features_ms=case.timing_ms.get("features"),
        model_ms=case.timing_ms.get("model"),
        age=known.age,
        sex=known.sex,
        height=known.height,
        weight=known.weight,
        heart_axis=known.heart_axis,
    )


async def _split(desk: Desk, split: Callable[[], Steps[Batch]]) -> Batch:
    batch = await desk.run_steps(split())
    if batch.faults:
        raise InvalidInput(errors=batch.faults)
    return batch


async def _work_through(desk: Desk, batch: Batch, classifier: Classifier) -> tuple[list[_Case], InvalidInput | None]:
    """Read all samples before any is classified; return them with what refuses the batch, if anything does."""
    cases = [
        _Case(loc=("body", "samples", index), size_bytes=part.size_bytes) for index, part in enumerate(batch.parts)
    ]
    for case, part in zip(cases, batch.parts, strict=True):
        await desk.run(_examine, case, part.read, time.perf_counter())
    refusal = _first_refusal(cases)
    for case in cases:
        if refusal is None:
            await desk.run(_classify, case, classifier)
        elif not isinstance(case.error, InvalidInput):
            case.error = refusal
    return cases, refusal


def _work(case: _Case, read: Read, classifier: Classifier, submitted_s: float) -> None:
    _examine(case, read, submitted_s)
    _classify(case, classifier)


def _examine(case: _Case, read: Read, submitted_s: float) -> None:
    """Decode and prepare; what is wrong goes into the case."""
    started_s = time.perf_counter()
    case.timing_ms["queue"] = 1000 * (started_s - submitted_s)
    case.sample = read()
    decoded_s = time.perf_counter()
    case.timing_ms["decode"] = 1000 * (decoded_s - started_s)
    if case.sample.record is None:
        case.error = InvalidInput(errors=case.sample.faults)
        return
    case.prepared = _attempt(case, partial(prepare, case.sample.record))
    # The record's matrix is not needed any more, and a batch may hold hundreds of them.
    case.sample = Sample(known=case.sample.known)
    case.timing_ms["prepare"] = _ms_since(decoded_s)


def _classify(case: _Case, classifier: Classifier) -> None:
    """Measure and diagnose what was prepared."""
    if case.prepared is None:
        return
    result = _attempt(case, partial(classifier.classify, case.prepared))
    if result is None:
        return
    if not all(map(math.isfinite, result.diagnosis.probabilities.values())):
        log.error("model_answered_nan", model=classifier.version)
        case.error = ProcessingFailed()
        return
    case.classification = result
    case.timing_ms.update(result.timing_ms)


def _attempt(case: _Case, compute: Callable[[], Result]) -> Result | None:
    """Return the result, or put what went wrong into the case: it is this ECG's own misfortune, whatever it is."""
    try:
        return compute()
    except InvalidECG as refusal:
        case.error = InvalidInput(errors=[_fault(case.loc, refusal)])
    except UnusableECG as refusal:
        case.error = ProcessingFailed(errors=[_fault(case.loc, refusal)])
    except Exception as error:  # noqa: BLE001
        # A bug, but the contract promises an answer, and its siblings in the batch theirs. What it says may be a
        # patient's data, so only where it happened is logged.
        log.error("processing_failed", error=type(error).__name__, places=code_places(error.__traceback__))  # noqa: TRY400
        case.error = ProcessingFailed()
    return None


def _fault(loc: tuple[str | int, ...], refusal: InvalidECG | UnusableECG) -> FieldError:
    code = str(refusal.code)
    return FieldError(loc=(*loc, _PLACES.get(code, "ecg_signal")), type=code, params=refusal.params)


def _first_refusal(cases: Sequence[_Case]) -> InvalidInput | None:
    """Join what is wrong with the invalid samples of a batch, or return None when all are valid."""
    faults = [fault for case in cases if isinstance(case.error, InvalidInput) for fault in case.error.errors]
    return InvalidInput(errors=faults[:MAX_ERRORS]) if faults else None


def _result(case: _Case, classifier: Classifier) -> Prediction:
    if case.error is not None or case.classification is None or case.prepared is None:
        case.prepared = None  # the error's frames hold the case, and need no arrays
        raise case.error or ProcessingFailed()
    return Prediction(
        classification=case.classification, prepared=case.prepared, model=classifier, timing_ms=case.timing_ms
    )


def _batch_results(cases: Sequence[_Case], classifier: Classifier) -> list[Prediction | ProcessingFailed]:
    failures = [case.error for case in cases if isinstance(case.error, ProcessingFailed)]
    if len(failures) == len(cases):
        errors = [fault for failure in failures for fault in failure.errors]
        raise ProcessingFailed(errors=errors[:MAX_ERRORS])
    return [case.error if isinstance(case.error, ProcessingFailed) else _result(case, classifier) for case in cases]


def _ms_since(start_s: float) -> float:
    return 1000 * (time.perf_counter() - start_s)


def _spent_ms(case: _Case) -> float:
    """Time spent on one sample of a batch; a sample does not answer for the queue of its siblings."""
    total = sum(case.timing_ms.values())
    case.timing_ms["total"] = total
    return total
