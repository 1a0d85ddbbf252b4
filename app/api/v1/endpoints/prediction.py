"""Classifying ECGs.

Both endpoints take the request itself and return a finished response: see `app.api.direct`.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.errors import problem_responses
from app.api.forward_docs import BATCH_BODY, FORWARD_BODY, with_head
from app.api.intake import read_flag
from app.api.language import request_language
from app.api.parsing import BATCH_READERS, READERS
from app.api.parsing.upload import query_pairs
from app.api.presenting import render_batch, render_prediction
from app.api.receiving import Kind, check_room, receive_and_classify
from app.api.state import app_state
from app.core.constants import RequestType
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
from app.models.schemas import BatchAnswer, PredictionAnswer

router = APIRouter(tags=["prediction"])

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
    patience, query = check_room(request), query_pairs(request)
    details = read_flag(query, "details")
    state = app_state(request)
    kind = Kind(
        readers=READERS,
        max_bytes=state.settings.max_body_bytes,
        request_type=RequestType.SINGLE,
        classify=state.prediction.classify,
    )
    prediction = await receive_and_classify(request, query, patience, kind)
    request.state.timings.update(prediction.timing_ms)
    return render_prediction(prediction, request_language(request) if details else None)


@router.post("/forward/batch", response_model=BatchAnswer, responses=_REFUSALS, openapi_extra=with_head(BATCH_BODY))
async def forward_batch(request: Request) -> Response:
    """Classify 1-256 ECGs; nothing is predicted unless all of them are valid."""
    patience, query = check_room(request), query_pairs(request)
    details = read_flag(query, "details")
    state = app_state(request)
    kind = Kind(
        readers=BATCH_READERS,
        max_bytes=state.settings.max_batch_body_bytes,
        request_type=RequestType.BATCH,
        classify=state.prediction.classify_batch,
    )
    results = await receive_and_classify(request, query, patience, kind)
    return render_batch(results, request_language(request), details=details)
