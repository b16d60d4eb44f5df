"""Training that goes on from a model that is there: its weights carried over, symbol by symbol."""

from __future__ import annotations

import itertools
import re
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary_mapping import NONE, id_table
from tasks.seq2seq.errors import TrainingError

# The axis of a layer's weights that has an entry for each id, and of which side.
_ID_AXES = {
    ("source_features", "embeddings"): ("source", 0),
    ("target_features", "embeddings"): ("target", 0),
    ("shared_features", "embeddings"): ("target", 0),
    ("output", "kernel"): ("target", 1),
    ("output", "bias"): ("target", 0),
}
_FIRST_LAYERS = {"encoder": "source", "encoder_1": "source", "decoder": "target", "decoder_1": "target"}
# Where a recurrent layer, a direction of one, or a decoder with input feeding keeps the kernel of its inputs.
_INPUT_KERNELS = re.compile(r"((forward|backward)_\w+/)?(lstm|gru)_cell/kernel|cell_1/kernel")


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
        # Layers of one kind hold their weights in one order; a loaded one may call them otherwise.
        for weight, old in itertools.zip_longest(layer.weights, layers[layer.name].weights):
            side, axis = _id_axis(model, layer.name, _name(layer, weight)) if weight is not None else ("", 0)
            _assign(weight, old, _ids(side, before, after), axis)


def _id_axis(model: keras.Model, layer: str, name: str) -> tuple[str, int]:
    """The side whose ids have an entry each along which axis; no side where they have none."""
    side = _FIRST_LAYERS.get(layer)
    if side and _INPUT_KERNELS.fullmatch(name) and _is_one_hot(model, side):
        return side, 0
    return _ID_AXES.get((layer, name), ("", 0))


def _is_one_hot(model: keras.Model, side: str) -> bool:
    features = {layer.name: layer for layer in model.layers}.get(f"{side}_features")
    initializer = getattr(features, "embeddings_initializer", None)
    return isinstance(initializer, keras.initializers.Identity)


def _name(layer: keras.layers.Layer, weight: Any) -> str:  # noqa: ANN401 - a Keras variable
    """What a weight is called inside its layer."""
    return str(weight.path).split(f"{layer.name}/", maxsplit=1)[-1]


def _ids(side: str, before: Codecs, after: Codecs) -> NDArray[np.int32] | None:
    """Where each old id stands now; None where the weights have no entry for each id."""
    if not side:
        return None
    old, new = getattr(before, side), getattr(after, side)
    return id_table(old, new)


def _assign(weight: Any, old: Any, ids: NDArray[np.int32] | None, axis: int) -> None:  # noqa: ANN401 - Keras variables
    """Fills a weight with an old one, whose entries along `axis` stand at `ids` now; None: at their old places."""
    shapes = ["none" if part is None else tuple(part.shape) for part in (old, weight)]
    rest = [np.delete(shape, axis).tolist() if ids is not None and shape != "none" else shape for shape in shapes]
    if weight is None or old is None or rest[0] != rest[1]:
        raise TrainingError(
            f"the promoted model has weights of shape {shapes[0]} where {shapes[1]} is expected; set training.start to "
            f"scratch, or model.* as the promoted model has it"
        )
    weight.assign(old.numpy() if ids is None else _merged(weight.numpy(), old.numpy(), ids, axis))


def _merged(weight: NDArray[Any], old: NDArray[Any], ids: NDArray[np.int32], axis: int) -> NDArray[Any]:
    result, known = weight.copy(), ids != NONE
    into, out_of = np.moveaxis(result, axis, 0), np.moveaxis(old, axis, 0)
    into[ids[known]] = out_of[: len(ids)][known]
    if beside := len(out_of) - len(ids):  # a kernel takes more than the ids: what the decoder attended to
        into[-beside:] = out_of[-beside:]
    return result
