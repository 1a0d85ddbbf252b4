"""Requests to infer of the Open Inference Protocol: a JSON object, and behind it the bytes of its binary tensors."""

from collections.abc import Mapping
from typing import Final

from app.api.parsing.infer.batch import split_inputs
from app.api.parsing.infer.brackets import count_arrays_in
from app.api.parsing.infer.inputs import InputReader
from app.api.parsing.infer.members import read_items, read_members, read_parameters
from app.api.parsing.infer.tensors import Malformed
from app.api.parsing.json_ecg import parse
from app.api.parsing.upload import Upload
from app.core.exceptions import BodyTooLarge, FieldError
from app.models.ecg import Batch
from app.models.oip import OUTPUTS, InferRequest, Wanted

HEADER_LENGTH: Final = "inference-header-content-length"
#: A parser needs up to twenty times the size of its text, and so many numbers need not be text.
MAX_JSON_BYTES: Final = 12 * 2**20
_MAX_ID_CHARACTERS: Final = 256
_MIB: Final = 2**20
_BODY_KEYS: Final = ("id", "parameters", "inputs", "outputs")
_OUTPUT_KEYS: Final = ("name", "parameters")
_REFUSED_PARAMETERS: Final = frozenset({"classification", "shared_memory_region"})
_BODY: Final = ("body",)


def read_infer(upload: Upload) -> InferRequest:
    """Read a request as far as its ECGs.

    Raises
    ------
    BodyTooLarge
        The JSON is larger than is parsed at once; binary tensors may be as large as the cap.
    """
    try:
        return _read(upload)
    except Malformed as problem:
        return InferRequest(batch=Batch(faults=(problem.fault,)))


def _read(upload: Upload) -> InferRequest:
    header_bytes = _header_bytes(upload)
    if header_bytes > MAX_JSON_BYTES:
        raise BodyTooLarge("infer_json_too_large", max_mib=MAX_JSON_BYTES // _MIB)
    text = memoryview(upload.body)[:header_bytes]
    document = parse(text) if header_bytes else FieldError(loc=(), type="body_empty")
    if isinstance(document, FieldError):
        raise Malformed(_BODY, document.type)
    body = read_members(document, _BODY_KEYS, _BODY)
    parameters = read_parameters(body, _BODY)
    outputs = _outputs(body, binary=parameters.get("binary_data_output") is True)
    reader = InputReader(memoryview(upload.body)[header_bytes:])
    for index, tensor in enumerate(read_items(body.get("inputs"), (*_BODY, "inputs"))):
        reader.add(tensor, (*_BODY, "inputs", index))
    arrays_around = 1 if body.get("outputs") is None else 2
    reader.check_nothing_is_left(count_arrays_in(text) - arrays_around)
    return InferRequest(batch=split_inputs(reader.inputs, upload.size_bytes), id=_id(body), outputs=outputs)


def _header_bytes(upload: Upload) -> int:
    said = upload.headers.get(HEADER_LENGTH)
    if said is None:
        return len(upload.body)
    if not (said.isascii() and said.isdecimal()) or len(said) > len(str(upload.max_bytes)):
        raise Malformed(("header", HEADER_LENGTH), "infer_header_length")
    if int(said) > len(upload.body):
        raise Malformed(("header", HEADER_LENGTH), "infer_header_length")
    return int(said)


def _id(body: Mapping[str, object]) -> str | None:
    said = body.get("id")
    if said is None:
        return None
    if not isinstance(said, str):
        raise Malformed((*_BODY, "id"), "text_expected")
    if len(said) > _MAX_ID_CHARACTERS:
        raise Malformed((*_BODY, "id"), "value_too_long")
    return said


def _outputs(body: Mapping[str, object], *, binary: bool) -> tuple[Wanted, ...]:
    wanted: dict[str, Wanted] = {}
    asked = body.get("outputs")
    for index, item in enumerate(() if asked is None else read_items(asked, (*_BODY, "outputs"))):
        loc = (*_BODY, "outputs", index)
        members = read_members(item, _OUTPUT_KEYS, loc)
        name = next((name for name in OUTPUTS if name == members.get("name")), None)
        if name is None:
            raise Malformed((*loc, "name"), "not_one_of", expected=", ".join(OUTPUTS))
        if name in wanted:
            raise Malformed((*loc, "name"), "duplicate_key")
        parameters = read_parameters(members, loc)
        if _REFUSED_PARAMETERS & parameters.keys():
            raise Malformed((*loc, "parameters"), "infer_extension")
        wanted[name] = Wanted(name, parameters.get("binary_data", binary) is True)
    return tuple(wanted.values()) or tuple(Wanted(name, binary) for name in OUTPUTS)
