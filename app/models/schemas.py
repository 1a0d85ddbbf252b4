"""Shapes of the answers."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer


def _without_zone(moment: datetime) -> str:
    """Write a moment in UTC as clients of this API know it: to the second, without a zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


Moment = Annotated[datetime, PlainSerializer(_without_zone, return_type=str)]


class Health(BaseModel):
    """State of the service."""

    status: Literal["healthy"] = "healthy"
    model_loaded: bool


class WarningAnswer(BaseModel):
    """A change made to the signal, or something found in it."""

    code: str = Field(examples=["resampled"])
    message: str
    params: dict[str, object]


class QualityAnswer(BaseModel):
    """How far the signal can be trusted."""

    overall: str = Field(description="`accept`, `accept_with_warnings` or `abstain`")
    leads: dict[str, str] = Field(description="`ok`, `warn` or `bad`, by lead")


class ModelAnswer(BaseModel):
    """The model that answered."""

    version: str
    sha256: str
    thresholds: dict[str, float] = Field(description="probability above which a class belongs to the set")


class PredictionAnswer(BaseModel):
    """A diagnosis; the fields after the third only with `details=true`."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"class_index": 0, "class_name": "N", "class_description": "Normal ECG"}}
    )

    class_index: int = Field(ge=0, le=15, examples=[0])
    class_name: str = Field(examples=["N"])
    class_description: str = Field(examples=["Normal ECG"])
    probabilities: dict[str, float] | None = Field(default=None, description="calibrated, by letter: N, S, M, C, H")
    model: ModelAnswer | None = None
    quality: QualityAnswer | None = None
    warnings: list[WarningAnswer] | None = None
    measurements: dict[str, float | None] | None = Field(default=None, description="null where not measurable")
    timing_ms: dict[str, float] | None = Field(default=None, description="wall time by phase")


class SampleError(BaseModel):
    """Why one ECG of a batch has no prediction."""

    index: int
    detail: str


class BatchAnswer(BaseModel):
    """Predictions in the order of the samples; null where the model could not process one."""

    predictions: list[PredictionAnswer | None]
    errors: list[SampleError] | None = Field(default=None, description="only when there are nulls")


class HistoryRecord(BaseModel):
    """One recorded attempt. What could not be read of a refused one is null."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    created_at: Moment = Field(description="UTC")
    age: float | None
    sex: int | None
    height: float | None
    weight: float | None
    heart_axis: str | None
    predicted_class_index: int | None
    predicted_class_name: str | None
    predicted_class_description: str | None
    success: bool
    error_message: str | None
    request_type: str
    processing_time_ms: float
    model_version: str | None
    source: str = Field(description="form of the body: `json`, `npy`, `raw`, `form`, `oip` or `unknown`")
    status_code: int
    input_bytes: int | None = Field(
        description="bytes of the body as received, compressed or not; of a sample in a JSON batch those of its text, "
        "among tensors its share"
    )


class HistoryAnswer(BaseModel):
    """A page of the history, newest first."""

    total: int
    records: list[HistoryRecord]


class HistoryDeleted(BaseModel):
    """How much was deleted."""

    message: str = Field(examples=["История успешно удалена"])
    deleted_count: int


class ProcessingTime(BaseModel):
    """Milliseconds; percentiles are exact. Null without requests."""

    model_config = ConfigDict(from_attributes=True)

    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    min_ms: float | None
    max_ms: float | None


class Spread(BaseModel):
    """One number of the input over all requests that had it."""

    model_config = ConfigDict(from_attributes=True)

    mean: float | None
    min: float | None
    max: float | None
    std: float | None


class InputStats(BaseModel):
    """What was sent."""

    age: Spread
    height: Spread
    weight: Spread
    sex_distribution: dict[str, int]
    heart_axis_distribution: dict[str, int]


class StatsAnswer(BaseModel):
    """Statistics over the recorded requests."""

    total_requests: int
    successful_requests: int
    failed_requests: int
    processing_time: ProcessingTime
    input_stats: InputStats
    class_distribution: dict[str, int]
    average_input_bytes: float | None
    average_image_width: float | None
    average_image_height: float | None


class TokenAnswer(BaseModel):
    """An access token, and what the next one is got with."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token
    refresh_token: str


class UserAnswer(BaseModel):
    """Who the token belongs to."""

    username: str
    role: str


class Fault(BaseModel):
    """One thing that is wrong with the input."""

    loc: list[str | int] = Field(examples=[["body", "ecg_signal"]])
    type: str = Field(examples=["wrong_lead_count"])
    msg: str


class Problem(BaseModel):
    """An error as in RFC 9457."""

    type: str = Field(examples=["/errors/invalid-input"], description="what kind of error; a page of this service")
    title: str
    status: int
    detail: str
    instance: str
    error: str | None = Field(default=None, description="under `/v2`: `detail`, where clients of the protocol look")
    errors: list[Fault] | None = None


class ProblemPage(BaseModel):
    """What an error means and what to do."""

    type: str
    title: str
    status: int
    detail: str
    advice: str


class LivenessAnswer(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class ReadinessAnswer(BaseModel):
    """Whether requests should be sent here, and each condition of it."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, bool]


class FrontPage(BaseModel):
    """What this is and where to look."""

    name: str
    version: str
    description: str
    model_version: str | None
    links: dict[str, str]
    notice: str
