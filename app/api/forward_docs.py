"""What the schema says of bodies that are read raw, with an example that can be sent as it is."""

from functools import lru_cache
from typing import Any, Final

import numpy as np
from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from app.api.intake import MAX_TIMEOUT_MS
from app.ecg.record import LEADS, SAMPLING_RATE_HZ
from app.ecg.synthetic import synthesize
from app.models.ecg import BatchRequest, ForwardRequest, PatientFields
from app.models.oip import InferBody
from app.models.schemas import Problem

_REFERENCE: Final = "#/components/schemas/{model}"
_EXAMPLE_SEED: Final = 1
_EXAMPLE_STEP: Final = 4
_EXAMPLE_DURATION_S: Final = 5
_EXAMPLE_LEADS: Final = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
_UV_PER_MV: Final = 1000
_ROUND_TO_UV: Final = 10

_GZIP: Final = (
    "With `Content-Encoding: gzip` the body may be one gzip stream; the size cap holds for what it inflates to."
)
_FORM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "the JSON object; the patient's fields may stand in it or beside it, each in one place",
        },
        **PatientFields.model_json_schema()["properties"],
    },
    "additionalProperties": False,
}

FORWARD_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"One ECG in any of these forms; equal numbers give equal answers. {_GZIP}",
        "content": {
            "application/json": {"schema": {"$ref": _REFERENCE.format(model=ForwardRequest.__name__)}},
            "multipart/form-data": {"schema": _FORM_SCHEMA},
            "application/x-npy": {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "a NumPy array (samples, leads); the patient's fields stand in the query",
                }
            },
            "application/octet-stream": {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": (
                        "the numbers alone, little-endian, sample by sample: float32, or int16, which is always "
                        "microvolts. The other fields stand in the query, `dtype` (`float32` or `int16`) among them; "
                        "it may be left out for 5000 samples of 12 leads, whose size tells it"
                    ),
                }
            },
        },
    }
}
BATCH_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"1-256 ECGs. {_GZIP}",
        "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model=BatchRequest.__name__)}}},
    }
}
INFER_BODY: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "required": False,
            "schema": {"type": "integer", "minimum": 0},
            "description": "bytes of the JSON, when binary tensors follow it",
        }
    ],
    "requestBody": {
        "required": True,
        "description": (
            "`ecg_signal` FP32 or FP64 in mV, or INT16 in uV, shape [n, 5000, 12] or [5000, 12]. The patient's inputs "
            "are optional, shape [n] or [n, 1]; NaN and an empty `heart_axis` stand for unknown. JSON may take 12 MiB, "
            f"binary tensors as much as a batch. {_GZIP}"
        ),
        "content": {
            "application/json": {"schema": {"$ref": _REFERENCE.format(model=InferBody.__name__)}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    },
}


_HEAD: Final[list[dict[str, Any]]] = [
    {
        "name": "details",
        "in": "query",
        "required": False,
        "schema": {"type": "boolean", "default": False},
        "description": "add probabilities, model, quality, warnings, measurements and timing",
    },
    {
        "name": "X-Request-Timeout-Ms",
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 0, "maximum": MAX_TIMEOUT_MS},
        "description": "milliseconds after which the caller does not want the answer any more: then 503 at once",
    },
]


def with_head(body: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an endpoint that reads its head and its body itself."""
    return {**body, "parameters": _HEAD}


@lru_cache(maxsize=1)
def small_example() -> dict[str, Any]:
    """Return a complete request of some 10 KB: a synthetic ECG, thinned out, whose other leads the service derives."""
    signal = synthesize(_EXAMPLE_SEED, noise_uv=0).signal[: _EXAMPLE_DURATION_S * SAMPLING_RATE_HZ : _EXAMPLE_STEP]
    columns = [LEADS.index(lead) for lead in _EXAMPLE_LEADS]
    values_uv = _ROUND_TO_UV * np.rint(signal[:, columns] * _UV_PER_MV / _ROUND_TO_UV).astype(int)
    return {
        "age": 55,
        "sex": 1,
        "height": 175,
        "weight": 80,
        "heart_axis": "MID",
        "sampling_rate_hz": SAMPLING_RATE_HZ / _EXAMPLE_STEP,
        "units": "uV",
        "leads": list(_EXAMPLE_LEADS),
        "shape": list(values_uv.shape),
        "ecg_signal": values_uv.ravel().tolist(),
    }


def complete_schema(app: FastAPI) -> dict[str, Any]:
    """Return the application's OpenAPI document with the bodies it cannot see by itself."""
    document = FastAPI.openapi(app)
    schemas = document["components"]["schemas"]
    if ForwardRequest.__name__ not in schemas:
        _, definitions = models_json_schema(
            [
                (ForwardRequest, "validation"),
                (BatchRequest, "validation"),
                (InferBody, "validation"),
                (Problem, "serialization"),
            ],
            ref_template=_REFERENCE,
        )
        schemas.update(definitions["$defs"])
        schemas[ForwardRequest.__name__]["example"] = small_example()
        schemas[BatchRequest.__name__]["example"] = {"samples": [small_example()]}
        _drop_default_refusals(document)
    return document


def _drop_default_refusals(document: dict[str, Any]) -> None:
    """Remove the framework's 422: invalid input is a 400 here."""
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
