"""Training that goes on from a model that is there: its weights carried over, symbol by symbol."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.feeding import Codecs
from tasks.seq2seq.translation import NONE, new_ids
from tasks.seq2seq.vocabulary import Vocabulary

# The axis of a layer's weights that has an entry for each id, and of which side.
_ID_AXES = {
    ("source_features", "embeddings"): ("source", 0),
    ("target_features", "embeddings"): ("target", 0),
    ("output", "kernel"): ("target", 1),
    ("output", "bias"): ("target", 0),
    ("encoder", "kernel"): ("source", 0),  # where tokens are fed one-hot
    ("decoder", "kernel"): ("target", 0),
}


def carry_over(model: keras.Model, others: tuple[keras.Model, ...], before: Codecs, after: Codecs) -> None:
    """Fills `model` with the weights of layers of the same names.

    Entries of symbols that both vocabularies have are carried over, wherever they stand; those of new symbols stay as
    they were initialised.

    Args:
        model: the training model, as `build_models` made it.
        others: the inference encoder and decoder to start from.
        before: what those were trained with.
        after: what `model` will be trained with.

    Raises:
        TrainingError: the models are of different architectures.
    """
    layers = {layer.name: layer for other in others for layer in other.layers if layer.weights}
    for layer in model.layers:
        if not layer.trainable_weights:
            continue
        if layer.name not in layers:
            raise TrainingError(f"the promoted model has no layer {layer.name!r}; set training.start to scratch")
        for weight in layer.weights:
            old = _named(layers[layer.name], _name(weight))
            side, axis = _ID_AXES.get((layer.name, _name(weight)), ("", 0))
            if layer.name in ("encoder", "decoder") and side and _is_embedded(model, side):
                side = ""
            weight.assign(_merged(weight.numpy(), old, _ids(side, before, after), axis))


def _is_embedded(model: keras.Model, side: str) -> bool:
    return bool(model.get_layer(f"{side}_features").trainable_weights)


def _name(weight: Any) -> str:  # noqa: ANN401 - a Keras variable
    return str(weight.path).rsplit("/", maxsplit=1)[-1]


def _named(layer: keras.layers.Layer, name: str) -> NDArray[Any] | None:
    return next((weight.numpy() for weight in layer.weights if _name(weight) == name), None)


def _ids(side: str, before: Codecs, after: Codecs) -> NDArray[np.int32] | None:
    """Where each old id stands now; None where the weights have no entry for each id."""
    if not side:
        return None
    old, new = getattr(before, side), getattr(after, side)
    return new_ids(old, new) if isinstance(old, Vocabulary) and isinstance(new, Vocabulary) else None


def _merged(weight: NDArray[Any], old: NDArray[Any] | None, ids: NDArray[np.int32] | None, axis: int) -> NDArray[Any]:
    rest = [np.delete(values.shape, axis).tolist() for values in (weight, old) if values is not None]
    fits = old is not None and (old.shape == weight.shape if ids is None else rest[0] == rest[1])
    if old is None or not fits:
        came = "none" if old is None else old.shape
        raise TrainingError(
            f"the promoted model has weights of shape {came} where {weight.shape} is expected; set training.start to "
            f"scratch, or model.* as the promoted model has it"
        )
    if ids is None:
        return old
    result, known = weight.copy(), ids != NONE
    into, out_of = np.moveaxis(result, axis, 0), np.moveaxis(old, axis, 0)
    into[ids[known]] = out_of[known]
    return result
