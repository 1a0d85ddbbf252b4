"""Classifying ECGs by the Open Inference Protocol."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.errors import problem_responses
from app.api.forward_docs import INFER_BODY
from app.api.language import request_language
from app.api.parsing.infer import INFER_READERS
from app.api.parsing.upload import query_pairs
from app.api.receiving import Kind, check_room, receive_and_classify
from app.api.state import app_state
from app.api.v2.addressing import MODEL_NAME, NamePath, VersionPath, check_address
from app.api.v2.answering import Results, answer_infer
from app.core.constants import OIP_PREFIX, RequestType, Source
from app.core.exceptions import (
    BodyTooLarge,
    InternalError,
    InvalidInput,
    ModelNotLoaded,
    NotFound,
    Overloaded,
    ProcessingFailed,
    StorageUnavailable,
    TooManyRequests,
    UnsupportedContentType,
)
from app.core.steps import Steps
from app.models.ecg import Batch
from app.models.oip import InferAnswer, InferRequest
from app.services.prediction import Intake

router = APIRouter(tags=["open inference protocol"])

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": InferAnswer},
    **problem_responses(
        InvalidInput,
        ProcessingFailed,
        NotFound,
        BodyTooLarge,
        UnsupportedContentType,
        TooManyRequests,
        ModelNotLoaded,
        Overloaded,
        StorageUnavailable,
    ),
}


class _Split:
    """Cuts an upload into its ECGs for the service, and keeps what the answer needs."""

    def __init__(self, read: Callable[[], Steps[InferRequest]]) -> None:
        self._read = read
        self.request: InferRequest | None = None

    def __call__(self) -> Steps[Batch]:
        self.request = yield from self._read()
        return self.request.batch


@router.post(f"{OIP_PREFIX}/models/{{name}}/infer", responses=_ANSWERS, openapi_extra=INFER_BODY)
async def infer(request: Request, name: NamePath) -> Response:
    """Classify 1-256 ECGs given as tensors; nothing is predicted unless all of them are valid."""
    return await _infer(request, name, None)


@router.post(f"{OIP_PREFIX}/models/{{name}}/versions/{{version}}/infer", responses=_ANSWERS, openapi_extra=INFER_BODY)
async def infer_with_version(request: Request, name: NamePath, version: VersionPath) -> Response:
    """Classify by this version of the model."""
    return await _infer(request, name, version)


async def infer_directly(request: Request) -> Response:
    """Classify at the address every client uses: see `app.api.direct`."""
    return await _infer(request, MODEL_NAME, None)


async def _infer(request: Request, name: str, version: str | None) -> Response:
    patience = check_room(request)
    state = app_state(request)
    check_address(state, name, version)
    split: _Split | None = None

    async def classify(read: Callable[[], Steps[InferRequest]], intake: Intake) -> Results:
        nonlocal split
        split = _Split(read)
        return await state.prediction.classify_batch(split, intake)

    kind = Kind(
        readers=INFER_READERS,
        max_bytes=state.settings.max_batch_body_bytes,
        request_type=RequestType.BATCH,
        classify=classify,
        source=Source.OIP,
    )
    results = await receive_and_classify(request, query_pairs(request), patience, kind)
    if split is None or split.request is None:
        raise InternalError
    return answer_infer(split.request, results, request_language(request))
