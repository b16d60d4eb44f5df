"""A model as it was built, and all that decodes it: our own prediction, and both exports."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import onnxruntime

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.quantiles import column_name
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.export.keras_weights import keras_weights
from tasks.seq2seq.export.onnx_decode import onnx_decode
from tasks.seq2seq.export.saved_model import DecodeModule
from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.graphs.encoder import encoder_graph
from tasks.seq2seq.inference.graphs.step import step_graph
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.models.encoder_decoder import Models, build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.codecs import as_scaling
from tests.helpers.decoded import until_end


def build(architecture: Architecture, *, seed: int = 0) -> Models:
    """A model whose tokens differ from one another: its weights are larger than untrained ones.

    Normalised layers would magnify rounding; they are left as they are.
    """
    keras.utils.set_random_seed(seed)
    models = build_models(architecture)
    if not architecture.settings.layer_norm:
        models.train.set_weights([3 * weight for weight in models.train.get_weights()])
    return models


class Exported(NamedTuple):
    """A model and what is made of it."""

    architecture: Architecture
    models: Models
    codecs: Codecs
    n_steps: int

    @classmethod
    def of(
        cls, source: Any, target: Any, *, n_steps: int, masked: bool = True, quantiles: Any = (), **settings: Any
    ) -> "Exported":
        """A small model between two codecs."""
        source_side, target_side = (Side(codec.size, codec.features) for codec in (source, target))
        chosen = ModelSettings(**{"units": 8, "embedding": 4, **settings})
        architecture = Architecture(source_side, target_side, masked, chosen, quantiles=quantiles)
        return cls(architecture, build(architecture), Codecs(source, target), n_steps)

    def favour(self, token: int | None, extra: float) -> "Exported":
        """Makes a token likelier at every step."""
        layer = self.models.train.get_layer("output")
        kernel, bias = layer.get_weights()
        bias[token] += extra
        layer.set_weights([kernel, bias])
        return self

    @property
    def graphs(self) -> tuple[Any, Any]:
        """The encoder and the step as graphs."""
        weights = keras_weights(self.architecture, self.models.encoder, self.models.decoder)
        is_single = not self.architecture.masked and self.n_steps == 1
        return encoder_graph(self.architecture, weights, is_single=is_single), step_graph(self.architecture, weights)

    @property
    def predictor(self) -> Predictor:
        """Our own prediction."""
        encoder, step = (graph.SerializeToString() for graph in self.graphs)
        return Predictor(Engine(self.architecture, encoder, step), self.codecs, self.n_steps)

    @property
    def saved_model(self) -> DecodeModule:
        """What the SavedModel is written of."""
        return DecodeModule(
            self.models.encoder, self.models.decoder, self.codecs, self.n_steps, self.architecture.quantiles
        )

    @property
    def onnx(self) -> Any:
        """What `decode.onnx` is written of."""
        return onnx_decode(self.architecture, *self.graphs, self.codecs, self.n_steps)


def run_onnx(decode: Any, source: Any) -> dict[str, Any]:
    """What an ONNX graph, or its bytes, answers."""
    session = onnxruntime.InferenceSession(decode if isinstance(decode, bytes) else decode.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"source": source}), strict=True))


def agrees(codecs: Codecs, answer: Mapping[str, Any], sources: Sequences, predictor: Predictor) -> None:
    """Sees that an export answers what we predict, in tokens and scores, or in standardised vectors."""
    predicted, target = predictor.predict(sources), codecs.target
    if isinstance(target, Scaling):
        others = {column_name(quantile): vectors for quantile, vectors in predicted.quantiles.items()}
        expected = {"vectors": predicted.sequences, **others}
        assert set(answer) == set(expected)
        for name, vectors in expected.items():
            found = as_scaling(target).restore(np.asarray(answer[name]))
            np.testing.assert_allclose(found, vectors.padded(), atol=1e-4, rtol=1e-4)
        return
    assert isinstance(target, Vocabulary)
    said = until_end(np.asarray(answer["tokens"]), target)
    assert np.array_equal(said.lengths, predicted.sequences.lengths)
    assert np.array_equal(said.values, predicted.sequences.values)
    assert predicted.log_probability is not None
    np.testing.assert_allclose(np.asarray(answer["log_probability"]), predicted.log_probability, atol=1e-5, rtol=1e-5)
