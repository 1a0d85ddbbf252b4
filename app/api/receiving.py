"""The way of a body of ECGs: from the head of its request to the service."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from starlette.requests import Request

from app.api.intake import read_patience
from app.api.parsing import Readers, choose_reader
from app.api.state import app_state
from app.core.constants import RequestType, Source
from app.core.exceptions import BodyTooLarge, UnsupportedContentType
from app.core.steps import Steps
from app.ml.engine import Patience
from app.services.prediction import Intake

Shape = TypeVar("Shape")
Result = TypeVar("Result")


def check_room(request: Request) -> Patience:
    """Turn a request away before anything else is made of it: refusing must cost next to nothing.

    Raises
    ------
    InvalidInput
        Its deadline is no number.
    Overloaded, DeadlineExceeded, ShuttingDown
        It would not be computed, or not in time.
    """
    patience = read_patience(request)
    app_state(request).prediction.check_room(patience)
    return patience


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind(Generic[Shape, Result]):
    """What differs between one ECG, a batch, and tensors.

    Attributes
    ----------
    readers
        What reads the body.
    max_bytes
        Its cap.
    request_type
        As it is recorded.
    classify
        The service's part.
    source
        The form that is recorded of a body that no reader takes.
    """

    readers: Readers[Shape]
    max_bytes: int
    request_type: RequestType
    classify: Callable[[Callable[[], Steps[Shape]], Intake], Awaitable[Result]]
    source: Source = Source.UNKNOWN


async def receive_and_classify(
    request: Request, query: Sequence[tuple[str, str]], patience: Patience, kind: Kind[Shape, Result]
) -> Result:
    """Take a body in and have it classified; a body of the wrong kind or size is refused, and that is recorded too."""
    state = app_state(request)
    intake = Intake(request_id=request.state.request_id, source=kind.source, patience=patience)
    try:
        source, read = choose_reader(request.headers, kind.readers)
        async with state.bodies.receive(request, query, kind.max_bytes) as upload:
            intake = replace(intake, source=source, size_bytes=upload.size_bytes, started_s=time.perf_counter())
            return await kind.classify(partial(read, upload), intake)
    except (UnsupportedContentType, BodyTooLarge) as refusal:
        await state.prediction.record_refusal(refusal, intake, kind.request_type)
        raise
