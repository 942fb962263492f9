"""The peers of `benchmarks.serving`: the same graph, read by the same code, behind other servers.

Each runs in an environment of its own with what that server's documentation says for production. `python -m
benchmarks.serving_peers save-mlflow BUNDLE FOLDER` writes the model that `mlflow models serve` reads.
"""

import os
import sys
from typing import Any

from serving.bundle import OUTPUTS, Bundle

FOLDER = "BENCHMARK_BUNDLE"


def fastapi_app() -> Any:
    """FastAPI as its tutorial has it: a typed body, an async function."""
    from fastapi import FastAPI
    from pydantic import BaseModel, create_model

    bundle = Bundle.load(os.environ[FOLDER])
    kinds: dict[str, Any] = {"double": (float | None, None), "int64": (int, ...), "string": (str | None, None)}
    Features = create_model("Features", **{name: kinds[kind] for name, kind in bundle.features.items()})

    class Row(BaseModel):
        features: Features  # type: ignore[valid-type]

    class Body(BaseModel):
        rows: list[Row]

    class Answer(BaseModel):
        click_rate: list[float]
        conversion_rate: list[float]

    app = FastAPI()

    @app.post("/predict")
    async def predict(body: Body) -> Answer:
        columns = {name: [getattr(row.features, name) for row in body.rows] for name in bundle.features}
        return Answer(**{name: values.tolist() for name, values in bundle.predict(columns).items()})

    return app


if "mlserver" in sys.modules:
    from mlserver import MLModel
    from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

    class OnnxModel(MLModel):
        """A custom runtime: MLServer ships none for ONNX."""

        async def load(self) -> bool:
            self.bundle = Bundle.load(os.environ[FOLDER])
            return True

        async def predict(self, payload: InferenceRequest) -> InferenceResponse:
            rates = self.bundle.predict({i.name: i.data.root for i in payload.inputs})
            outputs = [ResponseOutput(name=name, shape=[len(v), 1], datatype="FP64", data=v.tolist())
                       for name, v in rates.items()]
            return InferenceResponse(model_name=self.name, outputs=outputs)


def save_mlflow(bundle: str, folder: str) -> None:
    """A pyfunc model, since MLflow's ONNX flavour casts float64 to float32, which the graph does not take."""
    import mlflow.pyfunc

    class Onnx(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def load_context(self, context: Any) -> None:
            self.bundle = Bundle.load(bundle)

        def predict(self, context: Any, model_input: Any, params: Any = None) -> list[dict[str, float]]:
            columns = {name: model_input[name].tolist() for name in self.bundle.features}
            rates = self.bundle.predict(columns)
            return [dict(zip(OUTPUTS, row, strict=True)) for row in zip(*(rates[n].tolist() for n in OUTPUTS),
                                                                      strict=True)]

    mlflow.pyfunc.save_model(folder, python_model=Onnx(), pip_requirements=[])


if __name__ == "__main__":
    save_mlflow(*sys.argv[2:])
