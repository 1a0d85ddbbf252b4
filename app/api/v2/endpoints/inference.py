"""Classifying ECGs by the Open Inference Protocol."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.deps import LanguageDep, RequestIdDep, StateDep
from app.api.errors import problem_responses
from app.api.forward_docs import INFER_BODY
from app.api.parsing import Upload, choose_reader
from app.api.parsing.infer import INFER_READERS
from app.api.state import AppState
from app.api.v2.addressing import NamePath, VersionPath, check_address
from app.api.v2.answering import answer_infer
from app.core.constants import OIP_PREFIX, RequestType, Source
from app.core.exceptions import (
    BodyTooLarge,
    InvalidInput,
    ModelNotLoaded,
    NotFound,
    Overloaded,
    ProcessingFailed,
    StorageUnavailable,
    UnsupportedContentType,
)
from app.core.messages import Language
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
        ModelNotLoaded,
        Overloaded,
        StorageUnavailable,
    ),
}


class _Split:
    """Cuts an upload into its ECGs for the service, and keeps what the answer needs."""

    def __init__(self, read: Callable[[Upload], InferRequest], upload: Upload) -> None:
        self._read = read
        self._upload = upload
        self.request: InferRequest | None = None

    def __call__(self) -> Batch:
        self.request = self._read(self._upload)
        return self.request.batch


@router.post(f"{OIP_PREFIX}/models/{{name}}/infer", responses=_ANSWERS, openapi_extra=INFER_BODY)
async def infer(
    request: Request, state: StateDep, request_id: RequestIdDep, language: LanguageDep, name: NamePath
) -> Response:
    """Classify 1-256 ECGs given as tensors; nothing is predicted unless all of them are valid."""
    check_address(state, name, None)
    return await _infer(request, state, request_id, language)


@router.post(f"{OIP_PREFIX}/models/{{name}}/versions/{{version}}/infer", responses=_ANSWERS, openapi_extra=INFER_BODY)
async def infer_with_version(
    request: Request,
    state: StateDep,
    request_id: RequestIdDep,
    language: LanguageDep,
    *,
    name: NamePath,
    version: VersionPath,
) -> Response:
    """Classify by this version of the model."""
    check_address(state, name, version)
    return await _infer(request, state, request_id, language)


async def _infer(request: Request, state: AppState, request_id: str, language: Language) -> Response:
    intake = Intake(request_id=request_id, source=Source.OIP)
    try:
        source, read = choose_reader(request.headers, INFER_READERS)
        async with state.bodies.receive(request, state.settings.max_batch_body_bytes) as upload:
            intake = Intake(request_id=request_id, source=source, size_bytes=len(upload.body))
            split = _Split(read, upload)
            results = await state.prediction.classify_batch(split, intake)
    except (UnsupportedContentType, BodyTooLarge) as refusal:
        await state.prediction.record_refusal(refusal, intake, RequestType.BATCH)
        raise
    if split.request is None or state.classifier is None:
        raise ModelNotLoaded
    return answer_infer(split.request, results, state.classifier.version, language)
