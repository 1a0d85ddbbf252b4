"""The servers that `benchmarks.serve` compares; each runs until it is told to stop.

    python -m benchmarks.servers NAME PORT

real      this service as it is run
trivial   this service with a model of a millisecond in place of its own, and no history: what a request costs
bare      FastAPI and the same small model, raw float32 and simdjson: the fastest that peers were measured with
naive     FastAPI, Pydantic lists, this service's features, scikit-learn's own answers from the same model file
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MODEL: Final = Path(__file__).resolve().parent.parent / "app" / "ml_artifacts" / "model.pkl"
N_STATISTICS: Final = 4
_COEFFICIENTS: Final = np.random.default_rng(0).normal(size=(N_STATISTICS * 12, 5))


def small_model(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """Answer by logistic regression on four statistics of each lead: about a millisecond, as peers were measured."""
    statistics = np.concatenate([signal.mean(axis=0), signal.std(axis=0), signal.min(axis=0), signal.max(axis=0)])
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-(statistics @ _COEFFICIENTS)))
    return probabilities


def serve_real(_port: int) -> None:
    """Run the service itself."""
    os.execv(sys.executable, [sys.executable, "-m", "app.main"])  # the settings come by the environment


def serve_trivial(port: int) -> None:
    """Run the service around the small model."""
    from app.application import create_app
    from app.core.config import Settings
    from app.core.constants import CLASS_DESCRIPTIONS, CLASS_NAMES, SUPERCLASSES
    from app.core.logging import configure_logging
    from app.ml.classifier import Classification, Classifier, Diagnosis
    from app.ml.manifest import Manifest
    from app.services import prediction
    from app.services.history import HistoryService
    from app.serving.server import Server
    from app.serving.tuning import tune_for_serving

    class SmallClassifier(Classifier):
        def __init__(self) -> None:
            said: dict[str, Any] = {
                "model_version": "small",
                "sha256": "0" * 64,
                "thresholds": dict.fromkeys(SUPERCLASSES, 0.5),
            }
            self.manifest = Manifest.model_construct(**said)

        def classify(self, prepared: Any) -> Classification:
            probabilities = small_model(prepared).tolist()
            diagnosis = Diagnosis(
                probabilities=dict(zip(SUPERCLASSES, probabilities, strict=True)),
                class_index=0,
                class_name=CLASS_NAMES[0],
                class_description=CLASS_DESCRIPTIONS[0],
            )
            return Classification(diagnosis=diagnosis, measurements=None, timing_ms={})  # type: ignore[arg-type]

    async def forget(_history: HistoryService, _entries: Sequence[object]) -> None:
        """Record nothing."""

    async def tune(_state: object) -> None:
        tune_for_serving()

    setattr(prediction, "prepare", lambda record: record.signal)  # noqa: B010 - in place of the preparation too
    HistoryService.record = forget  # type: ignore[method-assign,assignment]
    settings = Settings(port=port, host="127.0.0.1")
    configure_logging(settings.log_level, as_json=settings.logs_json)
    app = create_app(settings, load_model=lambda _path: SmallClassifier())
    Server(app, settings, on_loaded=tune).run_until_stopped()


def serve_bare(port: int) -> None:
    """Run the least that answers."""
    import simdjson
    import uvicorn
    from fastapi import FastAPI, Request

    app = FastAPI()
    parser = simdjson.Parser()

    @app.post("/api/v1/forward")
    async def forward(request: Request) -> dict[str, Any]:
        body = await request.body()
        if request.headers["content-type"] == "application/json":
            document = parser.parse(body)
            signal = np.frombuffer(document["ecg_signal"].as_buffer(of_type="d"), np.float64)  # type: ignore[index,union-attr]
            del document
        else:
            signal = np.frombuffer(body, np.float32)
        return {"probabilities": small_model(signal.reshape(5000, 12).astype(np.float32)).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def serve_naive(port: int) -> None:
    """Run what one writes first."""
    import joblib
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    from app.ecg.analysis import analyse
    from app.ecg.features import extract
    from app.ecg.pipeline import prepare
    from app.ecg.record import ECGRecord, Patient

    answer = _sklearn_answer(joblib.load(MODEL))

    class Body(BaseModel):
        age: float
        sex: int
        height: float
        weight: float
        heart_axis: str
        ecg_signal: list[list[float]]

    app = FastAPI()

    @app.post("/api/v1/forward")
    def forward(body: Body) -> dict[str, list[float]]:
        patient = Patient(age_years=body.age, sex=body.sex, height_cm=body.height, weight_kg=body.weight)
        prepared = prepare(ECGRecord(signal=np.array(body.ecg_signal, np.float32), patient=patient))
        return {"probabilities": answer(extract(prepared, analyse(prepared)), prepared).tolist()}

    Body.model_rebuild()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def _sklearn_answer(payload: Any) -> Callable[[NDArray[np.float32], Any], NDArray[np.float64]]:
    """Let scikit-learn answer for every member it fitted; the network it knows nothing of answers as in the service."""
    from scipy.special import expit
    from sklearn.ensemble import ExtraTreesClassifier

    from app.ml.compiled import compile_member, forest_logits
    from app.ml.statements import superclass_logits

    def logits_of(fitted: Any) -> Callable[[NDArray[np.float32], Any], NDArray[np.float64]]:
        if isinstance(fitted, ExtraTreesClassifier):
            return lambda x, _: forest_logits(np.array([votes[0, 1] for votes in fitted.predict_proba(x)[:5]]))
        if isinstance(fitted, list):
            return lambda x, _: np.array([booster.decision_function(x)[0] for booster in fitted])
        if fitted["kind"] == "statement-boosters":
            first = np.asarray(fitted["first_statement"])
            return lambda x, _: superclass_logits(
                np.array([booster.decision_function(x)[0] for booster in fitted["boosters"]]), first
            )
        compiled = compile_member(fitted)
        return lambda x, prepared: compiled.logits(x[0].astype(np.float64), prepared)

    members = [logits_of(fitted) for fitted in payload["members"].values()]

    def answer(features: NDArray[np.float32], prepared: Any) -> NDArray[np.float64]:
        total = payload["intercepts"] + sum(
            weights * member(features[np.newaxis], prepared)
            for weights, member in zip(payload["coefficients"], members, strict=True)
        )
        probabilities: NDArray[np.float64] = expit(total)
        return probabilities

    return answer


SERVERS: Final = {"real": serve_real, "trivial": serve_trivial, "bare": serve_bare, "naive": serve_naive}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
