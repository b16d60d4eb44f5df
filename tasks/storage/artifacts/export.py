"""Exports on disk: what other programs read, in the layouts that they look for.

saved_model/1/                           the whole decode, version 1, as TensorFlow Serving finds it
saved_model/1/assets.extra/codecs.json   which id stands for which symbol, for whoever has this folder alone
decode.onnx                              the whole decode for onnxruntime and its like

Each is an artifact of its own beside the bundle that it was made of; our own predictions never execute one.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.seq2seq.data.codecs import Codecs
from tasks.storage.artifacts.dataset import read_evaluation, read_split, write_codecs

if TYPE_CHECKING:
    from tasks.seq2seq.export.saved_model import DecodeModule
    from tasks.seq2seq.export.verification import Decode, Samples

# TensorFlow Serving takes a folder of versions, and serves the highest. A bundle never changes: it is its first.
SAVED_MODEL = "saved_model/1"
ONNX_FILE = "decode.onnx"
DECODE_INPUTS = ("source", "ahead")  # the second one of models that are given what is known of each step beforehand


def save_decode(folder: Path, decode: DecodeModule, codecs: Codecs) -> None:
    """Writes the whole decode as a SavedModel, with the signature `serving_default`."""
    import tensorflow as tf  # noqa: PLC0415 - reading a bundle's facts must not load TensorFlow

    tf.saved_model.save(decode, str(folder / SAVED_MODEL), signatures=decode.serve)
    extra = folder / SAVED_MODEL / "assets.extra"
    extra.mkdir()
    write_codecs(extra, codecs)


def load_decode(folder: Path) -> Decode:
    """The decode that `save_decode` wrote, as a program without our code would load it."""
    import tensorflow as tf  # noqa: PLC0415 - likewise

    loaded = tf.saved_model.load(str(folder / SAVED_MODEL))
    # Asked for its signature each time, since it holds the weights and must live as long as it is used.
    return lambda *given: loaded.signatures["serving_default"](
        **{name: tf.constant(array) for name, array in zip(DECODE_INPUTS, given, strict=False)}
    )


def load_onnx(folder: Path) -> Decode:
    """The decode of an ONNX file, run by onnxruntime."""
    import onnxruntime  # noqa: PLC0415 - as of TensorFlow

    session = onnxruntime.InferenceSession(folder / ONNX_FILE, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda *given: dict(
        zip(names, session.run(names, dict(zip(DECODE_INPUTS, given, strict=False))), strict=True)
    )


def read_samples(dataset: Path, n: int) -> Samples:
    """`n` sources of a dataset at most, over all lengths: held-out ones first, then those of training."""
    from tasks.seq2seq.export.verification import Samples  # noqa: PLC0415 - likewise

    parts = [Samples.spread(block.pairs, n) for block in itertools.islice(read_evaluation(dataset), 1)]
    missing = n - sum(len(part.source) for part in parts)
    if missing:
        parts.append(Samples.spread(next(read_split(dataset, "train")), missing))
    return Samples.concatenate(parts)
