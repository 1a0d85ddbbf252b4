"""Classifying ECGs."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from app.api.deps import LanguageDep, RequestIdDep, StateDep
from app.api.errors import problem_responses
from app.api.forward_docs import BATCH_BODY, FORWARD_BODY
from app.api.parsing import BATCH_READERS, READERS, choose_reader
from app.api.presenting import present_batch, present_prediction
from app.core.constants import RequestType, Source
from app.core.exceptions import (
    BodyTooLarge,
    InvalidInput,
    ModelNotLoaded,
    Overloaded,
    ProcessingFailed,
    StorageUnavailable,
    UnsupportedContentType,
)
from app.models.schemas import BatchAnswer, PredictionAnswer
from app.services.prediction import Intake

router = APIRouter(tags=["prediction"])

DetailsQuery = Annotated[
    bool, Query(description="add probabilities, model, quality, warnings, measurements and timing")
]
_REFUSALS = problem_responses(
    InvalidInput,
    ProcessingFailed,
    BodyTooLarge,
    UnsupportedContentType,
    ModelNotLoaded,
    Overloaded,
    StorageUnavailable,
)


@router.post("/forward", response_model_exclude_unset=True, responses=_REFUSALS, openapi_extra=FORWARD_BODY)
async def forward(
    request: Request, state: StateDep, request_id: RequestIdDep, language: LanguageDep, details: DetailsQuery = False
) -> PredictionAnswer:
    """Classify one ECG."""
    intake = Intake(request_id=request_id, source=Source.UNKNOWN)
    try:
        source, read = choose_reader(request.headers, READERS)
        async with state.bodies.receive(request, state.settings.max_body_bytes) as upload:
            intake = Intake(request_id=request_id, source=source, size_bytes=len(upload.body))
            prediction = await state.prediction.classify(partial(read, upload), intake)
    except (UnsupportedContentType, BodyTooLarge) as refusal:
        await state.prediction.record_refusal(refusal, intake, RequestType.SINGLE)
        raise
    request.state.timings.update(prediction.timing_ms)
    return present_prediction(prediction, language, details=details)


@router.post("/forward/batch", response_model_exclude_unset=True, responses=_REFUSALS, openapi_extra=BATCH_BODY)
async def forward_batch(
    request: Request, state: StateDep, request_id: RequestIdDep, language: LanguageDep, details: DetailsQuery = False
) -> BatchAnswer:
    """Classify 1-256 ECGs; nothing is predicted unless all of them are valid."""
    intake = Intake(request_id=request_id, source=Source.UNKNOWN)
    try:
        source, split = choose_reader(request.headers, BATCH_READERS)
        async with state.bodies.receive(request, state.settings.max_batch_body_bytes) as upload:
            intake = Intake(request_id=request_id, source=source, size_bytes=len(upload.body))
            results = await state.prediction.classify_batch(partial(split, upload), intake)
    except (UnsupportedContentType, BodyTooLarge) as refusal:
        await state.prediction.record_refusal(refusal, intake, RequestType.BATCH)
        raise
    return present_batch(results, language, details=details)
