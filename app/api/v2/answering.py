"""From predictions to the tensors of an answer."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson
from starlette.responses import Response

from app.api.parsing.infer import HEADER_LENGTH
from app.api.v2.addressing import MODEL_NAME
from app.core.constants import SUPERCLASSES
from app.core.exceptions import ProcessingFailed
from app.core.messages import Language, with_reason
from app.models.oip import OUTPUTS, InferRequest, OutputName
from app.models.schemas import SampleError
from app.services.prediction import Prediction

_NO_CLASS: Final = -1
_LENGTH_BYTES: Final = 4
_TYPES: Final[dict[str, np.dtype[Any]]] = {"FP32": np.dtype("<f4"), "INT64": np.dtype("<i8")}

Results = Sequence[Prediction | ProcessingFailed]


def answer_infer(request: InferRequest, results: Results, language: Language) -> Response:
    """Write the outputs that were asked for, each as JSON or as bytes.

    An ECG that the model could not process has NaN (null in JSON) probabilities, the index -1 and no name;
    `parameters.errors` says why.
    """
    answer: dict[str, Any] = {"model_name": MODEL_NAME, "model_version": _version(results)}
    if request.id is not None:
        answer["id"] = request.id
    if errors := _errors(results, language):
        answer["parameters"] = {"errors": orjson.dumps(errors).decode()}
    pieces: list[bytes] = []
    answer["outputs"] = outputs = []
    for wanted in request.outputs:
        metadata = OUTPUTS[wanted.name]
        output: dict[str, Any] = {
            "name": wanted.name,
            "datatype": metadata.datatype,
            "shape": [len(results), *metadata.shape[1:]],
        }
        values = _values(wanted.name, results)
        if wanted.binary:
            pieces.append(_as_bytes(values, metadata.datatype))
            output["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            output["data"] = values if metadata.datatype == "BYTES" else np.array(values, _TYPES[metadata.datatype])
        outputs.append(output)
    text = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)  # which writes NaN as null
    if not pieces:
        return Response(text, media_type="application/json")
    headers = {HEADER_LENGTH.title(): str(len(text))}
    return Response(b"".join([text, *pieces]), media_type="application/octet-stream", headers=headers)


def _version(results: Results) -> str:
    """Return the version of the model that answered, which may have been exchanged since."""
    return next(result.model.version for result in results if isinstance(result, Prediction))


def _errors(results: Results, language: Language) -> list[dict[str, Any]]:
    return [
        SampleError(index=index, detail=with_reason(result, language)).model_dump()
        for index, result in enumerate(results)
        if isinstance(result, ProcessingFailed)
    ]


def _values(name: OutputName, results: Results) -> list[Any]:
    """Return the values of an output, row by row."""
    diagnoses = [
        None if isinstance(result, ProcessingFailed) else result.classification.diagnosis for result in results
    ]
    if name == "class_index":
        return [_NO_CLASS if diagnosis is None else diagnosis.class_index for diagnosis in diagnoses]
    if name == "class_name":
        return ["" if diagnosis is None else diagnosis.class_name for diagnosis in diagnoses]
    return [
        np.nan if diagnosis is None else diagnosis.probabilities[letter]
        for diagnosis in diagnoses
        for letter in SUPERCLASSES
    ]


def _as_bytes(values: list[Any], datatype: str) -> bytes:
    if datatype != "BYTES":
        return np.array(values, _TYPES[datatype]).tobytes()
    texts = [text.encode() for text in values]
    return b"".join(len(text).to_bytes(_LENGTH_BYTES, "little") + text for text in texts)
