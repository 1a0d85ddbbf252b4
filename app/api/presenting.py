"""From the service's values to the shapes of the answers."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from app.core.constants import CLASS_DESCRIPTIONS, CLASS_NAMES
from app.core.exceptions import ProcessingFailed
from app.core.messages import Language, explain, with_reason
from app.database.repositories.history import HistoryPage
from app.database.repositories.history_stats import HistoryStats
from app.models.schemas import (
    BatchAnswer,
    HistoryAnswer,
    HistoryRecord,
    InputStats,
    ModelAnswer,
    PredictionAnswer,
    ProcessingTime,
    QualityAnswer,
    SampleError,
    Spread,
    StatsAnswer,
    WarningAnswer,
)
from app.services.prediction import Prediction

_JSON: Final = "application/json"
_SHORT_ANSWERS: Final = tuple(
    orjson.dumps({"class_index": index, "class_name": name, "class_description": description})
    for index, (name, description) in enumerate(zip(CLASS_NAMES, CLASS_DESCRIPTIONS, strict=True))
)
"""The sixteen answers without details, written once."""


def render_prediction(prediction: Prediction, details_in: Language | None) -> Response:
    """Write an answer: the three fields, and the rest in the language of the details, if one is given."""
    if details_in is None:
        return Response(_SHORT_ANSWERS[prediction.classification.diagnosis.class_index], media_type=_JSON)
    return _written(present_prediction(prediction, details_in, details=True))


def render_batch(results: Sequence[Prediction | ProcessingFailed], language: Language, *, details: bool) -> Response:
    """Write the answer to a batch."""
    return _written(present_batch(results, language, details=details))


def _written(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(exclude_unset=True), media_type=_JSON)


def present_prediction(prediction: Prediction, language: Language, *, details: bool) -> PredictionAnswer:
    """Return the three fields, and the rest where it was asked for."""
    diagnosis = prediction.classification.diagnosis
    answer = PredictionAnswer(
        class_index=diagnosis.class_index,
        class_name=diagnosis.class_name,
        class_description=diagnosis.class_description,
    )
    return answer.model_copy(update=_details(prediction, language)) if details else answer


def _details(prediction: Prediction, language: Language) -> dict[str, object]:
    manifest = prediction.model.manifest
    quality = prediction.prepared.quality
    return {
        "probabilities": dict(prediction.classification.diagnosis.probabilities),
        "model": ModelAnswer(
            version=prediction.model.version, sha256=manifest.sha256, thresholds=dict(manifest.thresholds)
        ),
        "quality": QualityAnswer(
            overall=str(quality.overall), leads={lead: str(verdict) for lead, verdict in quality.leads.items()}
        ),
        "warnings": [
            WarningAnswer(
                code=str(notice.code),
                message=explain(str(notice.code), language, notice.params),
                params=dict(notice.params),
            )
            for notice in (*prediction.prepared.notices, *prediction.classification.notices)
        ],
        "measurements": {
            name: value if value is not None and math.isfinite(value) else None
            for name, value in asdict(prediction.classification.measurements).items()
        },
        "timing_ms": dict(prediction.timing_ms),
    }


def present_batch(
    results: Sequence[Prediction | ProcessingFailed], language: Language, *, details: bool
) -> BatchAnswer:
    """Return the predictions in order, null and an error where there is none."""
    predictions = [
        None if isinstance(result, ProcessingFailed) else present_prediction(result, language, details=details)
        for result in results
    ]
    errors = [
        SampleError(index=index, detail=with_reason(result, language))
        for index, result in enumerate(results)
        if isinstance(result, ProcessingFailed)
    ]
    return BatchAnswer(predictions=predictions, errors=errors) if errors else BatchAnswer(predictions=predictions)


def present_history(page: HistoryPage) -> HistoryAnswer:
    """Return a page of the history."""
    return HistoryAnswer(total=page.total, records=[HistoryRecord.model_validate(record) for record in page.records])


def present_stats(stats: HistoryStats) -> StatsAnswer:
    """Return the statistics."""
    return StatsAnswer(
        total_requests=stats.total_requests,
        successful_requests=stats.successful_requests,
        failed_requests=stats.failed_requests,
        processing_time=ProcessingTime.model_validate(stats.processing_time),
        input_stats=InputStats(
            age=Spread.model_validate(stats.age),
            height=Spread.model_validate(stats.height),
            weight=Spread.model_validate(stats.weight),
            sex_distribution=dict(stats.sex_distribution),
            heart_axis_distribution=dict(stats.heart_axis_distribution),
        ),
        class_distribution=dict(stats.class_distribution),
        average_input_bytes=stats.average_input_bytes,
        average_image_width=stats.average_image_width,
        average_image_height=stats.average_image_height,
    )
