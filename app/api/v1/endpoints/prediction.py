"""Classifying ECGs.

Both endpoints take the request itself and return a finished response: see `app.api.direct`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.errors import problem_responses
from app.api.forward_docs import BATCH_BODY, FORWARD_BODY, with_head
from app.api.intake import read_flag, read_patience
from app.api.language import request_language
from app.api.parsing import BATCH_READERS, READERS, Upload, choose_reader
from app.api.parsing.upload import read_query
from app.api.presenting import render_batch, render_prediction
from app.api.state import AppState, app_state
from app.core.constants import RequestType, Source
from app.core.exceptions import (
    BodyTooLarge,
    InvalidInput,
    ModelNotLoaded,
    Overloaded,
    ProcessingFailed,
    StorageUnavailable,
    TooManyRequests,
    UnsupportedContentType,
)
from app.ml.engine import Patience
from app.models.schemas import BatchAnswer, PredictionAnswer
from app.services.prediction import Intake

router = APIRouter(tags=["prediction"])

Shape = TypeVar("Shape")
Result = TypeVar("Result")

_REFUSALS = problem_responses(
    InvalidInput,
    ProcessingFailed,
    BodyTooLarge,
    UnsupportedContentType,
    TooManyRequests,
    ModelNotLoaded,
    Overloaded,
    StorageUnavailable,
)


@router.post("/forward", response_model=PredictionAnswer, responses=_REFUSALS, openapi_extra=with_head(FORWARD_BODY))
async def forward(request: Request) -> Response:
    """Classify one ECG."""
    state = app_state(request)
    patience = _check_room(request, state)
    query = read_query(request)
    details = read_flag(query, "details")
    kind = _Kind(READERS, state.settings.max_body_bytes, RequestType.SINGLE, state.prediction.classify)
    prediction = await _receive_and_classify(request, query, patience, kind)
    request.state.timings.update(prediction.timing_ms)
    return render_prediction(prediction, request_language(request) if details else None)


@router.post("/forward/batch", response_model=BatchAnswer, responses=_REFUSALS, openapi_extra=with_head(BATCH_BODY))
async def forward_batch(request: Request) -> Response:
    """Classify 1-256 ECGs; nothing is predicted unless all of them are valid."""
    state, query = app_state(request), read_query(request)
    details = read_flag(query, "details")
    kind = _Kind(BATCH_READERS, state.settings.max_batch_body_bytes, RequestType.BATCH, state.prediction.classify_batch)
    results = await _receive_and_classify(request, query, patience, kind)
    return render_batch(results, request_language(request), details=details)


def _check_room(request: Request, state: AppState) -> Patience:
    """Turn a request away before anything else is made of it: refusing must cost next to nothing."""
    patience = read_patience(request)
    state.prediction.check_room(patience)
    return patience


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Shape, Result]):
    """What differs between one ECG and a batch."""

    readers: Mapping[str, tuple[Source, Callable[[Upload], Shape]]]
    max_bytes: int
    request_type: RequestType
    classify: Callable[[Callable[[], Shape], Intake], Awaitable[Result]]


async def _receive_and_classify(
    request: Request, query: Sequence[tuple[str, str]], patience: Patience, kind: _Kind[Shape, Result]
) -> Result:
    """Take a body in and have it classified; a body of the wrong kind or size is refused, and that is recorded too."""
    state = app_state(request)
    intake = Intake(request_id=request.state.request_id, source=Source.UNKNOWN, patience=patience)
    try:
        source, read = choose_reader(request.headers, kind.readers)
        async with state.bodies.receive(request, query, kind.max_bytes) as upload:
            intake = Intake(request_id=intake.request_id, source=source, size_bytes=len(upload.body), patience=patience)
            return await kind.classify(partial(read, upload), intake)
    except (UnsupportedContentType, BodyTooLarge) as refusal:
        await state.prediction.record_refusal(refusal, intake, kind.request_type)
        raise
