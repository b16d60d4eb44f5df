"""Settings of `[model]`, and the sizes that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tasks.seq2seq.settings.attention import ATTENTION_SCORES, NO_ATTENTION, AttentionNeeds
from tasks.seq2seq.settings.section import Section

if TYPE_CHECKING:
    AttentionName = str
else:
    AttentionName = Literal[NO_ATTENTION, *ATTENTION_SCORES]


class ModelSettings(Section):
    """The encoder-decoder; with the defaults the tutorial's, over embeddings."""

    cell: Literal["lstm", "gru"] = Field("lstm", description="Keras' name of the recurrent layers")
    units: int = Field(128, ge=1, le=16_384, description="units of each recurrent layer of the encoder and the decoder")
    encoder_units: int | None = Field(
        None, ge=1, le=16_384, description="units of the encoder's layers, of each direction (`units`)"
    )
    decoder_units: int | None = Field(None, ge=1, le=16_384, description="units of the decoder's layers (`units`)")
    layers: int = Field(1, ge=1, le=64, description="recurrent layers of the encoder and of the decoder")
    encoder_layers: int | None = Field(None, ge=1, le=64, description="layers of the encoder (`layers`)")
    decoder_layers: int | None = Field(None, ge=1, le=64, description="layers of the decoder (`layers`)")
    bidirectional: bool = Field(
        False, description="the encoder reads in both directions, and gives both outputs side by side"
    )
    bridge: Literal["copy", "dense"] | None = Field(
        None,
        description="from the encoder's last state to the decoder's first; copy: as it is; dense: through a learned "
        "tanh layer (copy where the widths are equal)",
    )
    residual: bool = Field(False, description="adds its input to the output of each recurrent layer after the first")
    layer_norm: bool = Field(False, description="normalises the output of each recurrent layer")
    attention: AttentionName = Field(
        NO_ATTENTION, description="score by which the decoder attends to the encoder's outputs, padding left out"
    )
    input_feeding: bool | None = Field(
        None,
        description="whether the decoder is given what it attended to in the step before (with bahdanau, whose cell "
        "takes it)",
    )
    embedding: int = Field(
        64,
        ge=0,
        le=16_384,
        description="width of the embeddings of tokens; 0 feeds one-hot vectors, as the tutorial does",
    )
    source_embedding: int | None = Field(None, ge=0, le=16_384, description="of source tokens (`embedding`)")
    target_embedding: int | None = Field(None, ge=0, le=16_384, description="of target tokens (`embedding`)")
    series_embedding: int = Field(
        0,
        ge=0,
        le=16_384,
        description="width of a learned embedding of each series, given to the encoder beside its values; new series "
        "have one of zeros (0: none)",
    )
    share_embeddings: bool = Field(
        False, description="one table of embeddings for source and target; they need one vocabulary"
    )
    tie_embeddings: bool = Field(
        False, description="the output layer is the table of target embeddings, transposed, without a bias"
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the inputs of each recurrent layer that is dropped in training"
    )
    output_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the inputs of the output layer that is dropped in training"
    )
    recurrent_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the recurrent state that is dropped in training, the same at each time step; cuDNN has "
        "no such thing",
    )
    cudnn: Literal["auto", "require"] = Field(
        "auto",
        description="cuDNN's kernels on a GPU; auto: where the settings allow them; require: or the run is refused",
    )
    source_vectors: Path | None = Field(
        None,
        description="pre-trained vectors that the source's embeddings start from, as GloVe and word2vec write them as "
        "text, plain or .gz; as wide as the embeddings (none: random)",
    )
    target_vectors: Path | None = Field(
        None, description="pre-trained vectors that the target's embeddings start from, likewise"
    )
    train_vectors: bool = Field(
        True, description="whether embeddings that start from vectors are trained on; false keeps them as they start"
    )

    @property
    def source_width(self) -> int:
        """Width of the embeddings of source tokens; 0 for one-hot vectors."""
        return self.embedding if self.source_embedding is None else self.source_embedding

    @property
    def target_width(self) -> int:
        """Width of the embeddings of target tokens; 0 for one-hot vectors."""
        return self.embedding if self.target_embedding is None else self.target_embedding

    @property
    def encoder_width(self) -> int:
        """Units of the encoder's layers, of one direction."""
        return self.encoder_units or self.units

    @property
    def memory_width(self) -> int:
        """Features of the encoder's outputs, of all directions."""
        return self.encoder_width * (2 if self.bidirectional else 1)

    @property
    def decoder_width(self) -> int:
        """Units of the decoder's layers."""
        return self.decoder_units or self.units

    @property
    def encoder_depth(self) -> int:
        """Layers of the encoder."""
        return self.encoder_layers or self.layers

    @property
    def decoder_depth(self) -> int:
        """Layers of the decoder."""
        return self.decoder_layers or self.layers

    @property
    def copies_state(self) -> bool:
        """Whether the decoder starts from the encoder's state as it is."""
        return self.bridge == "copy" or (self.bridge is None and self.memory_width == self.decoder_width)

    @property
    def attends(self) -> bool:
        """Whether the decoder attends to the encoder's outputs."""
        return self.attention != NO_ATTENTION

    @property
    def attention_needs(self) -> AttentionNeeds:
        """What the attention score asks of the model."""
        return ATTENTION_SCORES.get(self.attention, AttentionNeeds())

    @property
    def feeds_input(self) -> bool:
        """Whether the decoder is given what it attended to in the step before."""
        return self.attention_needs.feeds_input if self.input_feeding is None else self.input_feeding

    @property
    def vector_files(self) -> dict[str, Path]:
        """The files of vectors that embeddings start from, by side."""
        files = {"source": self.source_vectors, "target": self.target_vectors}
        return {side: path for side, path in files.items() if path is not None}

    def embedding_of(self, side: str) -> tuple[str, int]:
        """The setting that says how wide a side's embeddings are, and the width."""
        own: int | None = getattr(self, f"{side}_embedding")
        return ("model.embedding", self.embedding) if own is None else (f"model.{side}_embedding", own)
