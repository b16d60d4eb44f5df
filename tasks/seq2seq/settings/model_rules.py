"""What the parts of a model ask of one another; see `tasks.seq2seq.settings.rules`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.section import Sections


def widths_fit(sections: Sections) -> Iterator[str]:
    """What is joined in the model is of one width."""
    model = sections.get("model")
    if not isinstance(model, ModelSettings):
        return
    encoder = f"the encoder's outputs are {model.memory_width} wide"
    encoder += f" (two directions of {model.encoder_width})" if model.bidirectional else ""
    if model.memory_width != model.decoder_width:
        unequal = f"but {encoder} and the decoder has {model.decoder_width} units"
        if model.bridge == "copy":
            yield f'model.bridge is "copy", {unequal}; make them equal, or set model.bridge to "dense"'
        if model.attention_needs.equal_widths:
            yield (
                f'model.attention is "{model.attention}", which multiplies the two, {unequal}; make them equal, or '
                f'choose "luong_general"'
            )
    if model.tie_embeddings and model.target_width != model.decoder_width:
        yield (
            f"model.tie_embeddings is set, but target embeddings are {model.target_width} wide and the decoder has "
            f"{model.decoder_width} units; make them equal (model.target_embedding, model.decoder_units)"
        )
    if model.share_embeddings and model.source_width != model.target_width:
        yield (
            f"model.share_embeddings is set, but source embeddings are {model.source_width} wide and target embeddings "
            f"{model.target_width}; make them equal"
        )
    if model.share_embeddings and not model.target_width:
        yield "model.share_embeddings is set, but their width is 0, which feeds one-hot vectors; there is no table"


def model_settings_are_used(sections: Sections) -> Iterator[str]:
    """No setting of the model is without effect, and cuDNN is demanded only where it can be had."""
    model = sections.get("model")
    if not isinstance(model, ModelSettings):
        return
    if model.input_feeding and not model.attends:
        yield 'model.input_feeding is set, but model.attention is "none"; choose a score'
    if model.input_feeding is False and model.attention_needs.feeds_input:
        yield (
            f'model.input_feeding is false, but the cell of "{model.attention}" takes what was attended to; '
            f"leave it out"
        )
    if model.residual and max(model.encoder_depth, model.decoder_depth) == 1:
        yield "model.residual is set, but there is one layer; set model.layers to 2 or more"
    if model.cudnn == "require":
        yield from (f'model.cudnn is "require", but {reason}' for reason in without_cudnn(model))


def without_cudnn(model: ModelSettings) -> Iterator[str]:
    """What keeps layers of the model from cuDNN's kernels."""
    if model.recurrent_dropout:
        yield f"model.recurrent_dropout is {model.recurrent_dropout:g}, which cuDNN has not"
    if model.feeds_input:
        yield "the decoder takes what it attended to in the step before (model.input_feeding), which cuDNN cannot"


def embeddings_fit(sections: Sections) -> Iterator[str]:
    """Settings of embeddings are for tokens, and one table needs one vocabulary."""
    data, model = sections.get("data"), sections.get("model")
    if not isinstance(model, ModelSettings) or data is None:
        return
    vectors = [
        side
        for side in ("source", "target")
        if isinstance(data, FilesData) and getattr(data, f"{side}_encoding") == "vectors"
    ]
    for side in vectors:
        if getattr(model, f"{side}_embedding") is not None:
            yield f"model.{side}_embedding is set, but the {side} is made of vectors, which are not embedded"
    if model.tie_embeddings and "target" in vectors:
        yield "model.tie_embeddings is set, but the target is made of vectors, which are not embedded"
    if model.share_embeddings and not _has_one_vocabulary(data):
        yield "model.share_embeddings is set, but source and target have a vocabulary each"


def vectors_fit(sections: Sections) -> Iterator[str]:
    """Pre-trained vectors are for embeddings of the user's own symbols."""
    data, model = sections.get("data"), sections.get("model")
    if not isinstance(model, ModelSettings):
        return
    given = model.vector_files
    for side in given:
        name, width = model.embedding_of(side)
        if isinstance(data, SyntheticData):
            yield f"model.{side}_vectors is set, but the data is synthetic, whose symbols have no vectors anywhere"
        elif isinstance(data, FilesData) and getattr(data, f"{side}_encoding") == "vectors":
            yield f'model.{side}_vectors is set, but data.{side}_encoding is "vectors", which have no embeddings'
        if width == 0:
            yield (
                f"model.{side}_vectors is set, but {name} is 0, which feeds one-hot vectors; set {name} to the number "
                f"of columns of the file"
            )
    if model.share_embeddings and model.target_vectors:
        yield "model.target_vectors is set, but model.share_embeddings makes one table; set model.source_vectors alone"
    if model.tie_embeddings and not model.train_vectors and ("target" in given or (given and model.share_embeddings)):
        yield (
            "model.train_vectors is false, but model.tie_embeddings makes the output layer of the same table, which "
            "would not learn; leave one of them out"
        )
    if not given and not model.train_vectors:
        yield (
            "model.train_vectors is false, but there are no vectors to keep as they are; set model.source_vectors or "
            "model.target_vectors"
        )


def _has_one_vocabulary(data: Any) -> bool:  # noqa: ANN401 - a section
    """Synthetic problems that keep their symbols have, and files whose vocabulary is shared."""
    if isinstance(data, SyntheticData):
        return True
    return bool(getattr(data, "shared_vocabulary", False))
