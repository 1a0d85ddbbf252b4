"""Shapes of the Open Inference Protocol, version 2."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.ecg.record import N_LEADS, N_SAMPLES
from app.models.ecg import Batch

SIGNAL: Final = "ecg_signal"
N_CLASSES: Final = 5
_ANY: Final = -1

Scalar = str | int | float | bool
OutputName = Literal["probabilities", "class_index", "class_name"]


class TensorMetadata(BaseModel):
    """What a tensor is."""

    name: str
    datatype: str
    shape: list[int] = Field(description="-1 stands for any number of ECGs")


INPUTS: Final = (
    TensorMetadata(name=SIGNAL, datatype="FP32", shape=[_ANY, N_SAMPLES, N_LEADS]),
    TensorMetadata(name="age", datatype="FP32", shape=[_ANY]),
    TensorMetadata(name="sex", datatype="INT64", shape=[_ANY]),
    TensorMetadata(name="height", datatype="FP32", shape=[_ANY]),
    TensorMetadata(name="weight", datatype="FP32", shape=[_ANY]),
    TensorMetadata(name="heart_axis", datatype="BYTES", shape=[_ANY]),
)
OUTPUTS: Final[dict[OutputName, TensorMetadata]] = {
    "probabilities": TensorMetadata(name="probabilities", datatype="FP32", shape=[_ANY, N_CLASSES]),
    "class_index": TensorMetadata(name="class_index", datatype="INT64", shape=[_ANY]),
    "class_name": TensorMetadata(name="class_name", datatype="BYTES", shape=[_ANY]),
}


class ServerMetadata(BaseModel):
    """What this server is."""

    name: str
    version: str
    extensions: list[str] = ["binary_tensor_data"]


class ModelMetadata(BaseModel):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata] = list(INPUTS)
    outputs: list[TensorMetadata] = list(OUTPUTS.values())


class ServerLive(BaseModel):
    """The process answers."""

    live: Literal[True] = True


class ServerReady(BaseModel):
    """Requests may be sent here."""

    ready: Literal[True] = True


class ModelReady(ServerReady):
    """Requests may be sent to the model."""

    name: str


class TensorIn(BaseModel):
    """An input. The schema documents the body; tensors are read without making lists of them."""

    name: Literal["ecg_signal", "age", "sex", "height", "weight", "heart_axis"]
    shape: list[int]
    datatype: str
    parameters: dict[str, Scalar] | None = None
    data: list[Any] | None = Field(
        default=None, description="flat or nested; absent with `parameters.binary_data_size`"
    )


class OutputWanted(BaseModel):
    """An output that is asked for."""

    name: OutputName
    parameters: dict[str, Scalar] | None = None


class InferBody(BaseModel):
    """A request to infer, without its binary part."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = None
    parameters: dict[str, Scalar] | None = None
    inputs: list[TensorIn]
    outputs: list[OutputWanted] | None = None


class TensorOut(TensorMetadata):
    """An output."""

    parameters: dict[str, Scalar] | None = None
    data: list[Any] | None = Field(default=None, description="flat; absent with `parameters.binary_data_size`")


class InferAnswer(BaseModel):
    """The answer, without its binary part."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, Scalar] | None = Field(
        default=None,
        description="`errors`: a JSON text of `[{index, detail}]` when the model could not process some of the ECGs",
    )
    outputs: list[TensorOut]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output to be answered with."""

    name: OutputName
    binary: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class InferRequest:
    """A request to infer, read as far as its ECGs."""

    batch: Batch
    id: str | None = None
    outputs: tuple[Wanted, ...] = field(default=())
