"""The door for Python: a promoted model in two lines, without a flow and without Prefect."""

from tasks.prediction.load_predictor import LoadedPredictor, load_predictor

__all__ = ["LoadedPredictor", "load_predictor"]
