"""Settings of `[export]`."""

from __future__ import annotations

from pydantic import Field

from tasks.seq2seq.settings.section import Section


class ExportSettings(Section):
    """What is made of a model for other programs, beside its bundle; it changes no result of the model."""

    onnx: bool = Field(False, description="the whole decode as an ONNX file, an artifact of its own")
    saved_model: bool = Field(False, description="the whole decode as TensorFlow's SavedModel, an artifact of its own")
