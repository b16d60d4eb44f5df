"""Model bundles on disk, as they are read by what predicts; `keras_models` writes them.

A bundle holds everything that prediction needs and nothing that comes after:

    encoder.onnx         inference encoder: source -> [state_h, state_c]
    step.onnx            a step of the inference decoder: [fed, state_h, state_c] -> [output, state_h, state_c]
    encoder.keras        the same encoder for Keras
    decoder.keras        the inference decoder for Keras, for any number of steps
    bundle.json          lengths, encodings, the experiment
    codecs.json          symbols and ids, or means and deviations, of both sides
    profile.json         lengths and symbol counts of the training pairs
    series.json          of series: how windows are cut, and the step of time
    series.parquet       of series: a row for each that training had

The two graphs predict; the Keras models are what another training starts from, and what Keras' users load. Nothing
here is ever unpickled: graphs are run after `graph_check` has found them to be ours, models load with `safe_mode=True`,
and of custom objects only the layers of `tasks.seq2seq.models.attention`, `input_feeding` and `quantile_output` are
known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.quantiles import Quantiles
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.storage.artifacts.dataset import SideFacts, read_codecs
from tasks.storage.artifacts.series_facts import check_series_facts
from tasks.storage.artifacts.shapes import BundleFile, ProfileFile
from tasks.storage.files.json_files import first_fault, read_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE, format_version
from tasks.storage.store.manifest import Handle

if TYPE_CHECKING:
    import onnx

KERAS_MODELS = ("encoder.keras", "decoder.keras")
GRAPHS = ("encoder.onnx", "step.onnx")


class BundleFacts(BaseModel):
    """What a reader needs to know of a bundle without loading it; lengths in time steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: int
    parameters: int
    source: SideFacts
    target: SideFacts
    masked: bool
    relative: bool
    ahead: int = 0
    series: int = 0

    def architecture(self, settings: ModelSettings, quantiles: Quantiles = ()) -> Architecture:
        """The architecture of the model, given the settings and the quantiles that it was made by."""
        source, target = (Side(side.vocabulary, side.features) for side in (self.source, self.target))
        return Architecture(source, target, self.masked, settings, self.ahead, self.series, quantiles)

    @property
    def is_single(self) -> bool:
        """Whether its sources are of one time step and never more."""
        return not self.masked and self.source.length == 1


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, ready to predict."""

    engine: Engine
    codecs: Codecs
    facts: BundleFacts

    @property
    def n_steps(self) -> int:
        """Time steps to decode at most."""
        return n_steps(self.facts, self.codecs)


def n_steps(facts: BundleFacts, codecs: Codecs) -> int:
    """Time steps that the longest target takes to decode, the end included where there is one."""
    return steps_of(facts.target.length, codecs)


def steps_of(length: int, codecs: Codecs) -> int:
    """Time steps that a target of this length takes to decode, the end included where there is one."""
    return length + codecs.target.has_end


def read_experiment(handle: Handle) -> Experiment:
    """The experiment that a bundle was made by.

    Raises:
        ArtifactError: this version of the project does not know its settings.
    """
    try:
        return Experiment.model_validate(read_json(handle.path / "bundle.json", BundleFile)["experiment"])
    except ValueError as error:
        raise ArtifactError(
            f"{handle.path} was made with settings that this version of the project does not know; train it again "
            f"({first_fault(error)})"
        ) from error


class Known(NamedTuple):
    """What a bundle of any format says of itself."""

    facts: BundleFacts
    experiment: Experiment
    codecs: Codecs


def read_known(handle: Handle) -> Known:
    """The facts, the experiment and the codecs of a bundle.

    Raises:
        ArtifactError: this version of the project does not know them.
    """
    experiment = read_experiment(handle)
    known = Known(handle.facts_as(BundleFacts), experiment, read_codecs(handle.path))
    read_json(handle.path / "profile.json", ProfileFile)  # what a night's rows are held against
    check_series_facts(handle.path, experiment, known.facts.series)
    for side in ("source", "target"):
        codec, facts = getattr(known.codecs, side), getattr(known.facts, side)
        if (codec.size, codec.features) != (facts.vocabulary, facts.features):
            raise ArtifactError(
                f"{handle.path} has {codec.size} ids and {codec.features} features of the {side} in its codecs, and "
                f"{facts.vocabulary} and {facts.features} in its facts; they must be the same, make the bundle again"
            )
    return known


def load_bundle(handle: Handle, store: Store) -> Bundle:
    """Checks a bundle's files and makes it ready to predict.

    Raises:
        ArtifactError: it is missing, altered, of another format, lies outside the store, or holds a graph that is not
            ours.
    """
    folder = checked_folder(handle, store)
    facts = handle.facts_as(BundleFacts)
    return Bundle(load_engine(folder, facts, read_experiment(handle)), read_codecs(folder), facts)


def load_engine(folder: Path, facts: BundleFacts, experiment: Experiment) -> Engine:
    """The engine of a bundle whose files were checked, or are being made.

    Raises:
        ArtifactError: a graph is not one that this project writes, or the runtime refuses it.
    """
    graphs = _read_graphs(folder, facts, experiment)
    try:
        return Engine(facts.architecture(experiment.model, experiment.training.forecast_quantiles), *graphs)
    except Exception as error:  # the runtime's errors have no other class in common
        raise ArtifactError(
            f"{folder} holds graphs that ONNX Runtime refuses ({error}); make the bundle again"
        ) from error


def _read_graphs(folder: Path, facts: BundleFacts, experiment: Experiment) -> list[bytes]:
    """The two graphs of a bundle, which may be run.

    Raises:
        ArtifactError: one of them is not one that this project writes.
    """
    # Reading facts loads no ONNX.
    from tasks.seq2seq.inference.graphs.encoder import encoder_graph  # noqa: PLC0415
    from tasks.seq2seq.inference.graphs.graph_check import check_graph  # noqa: PLC0415
    from tasks.seq2seq.inference.graphs.step import step_graph  # noqa: PLC0415
    from tasks.seq2seq.inference.graphs.weight_shapes import Zeros, make_weights  # noqa: PLC0415

    architecture = facts.architecture(experiment.model, experiment.training.forecast_quantiles)
    zeros = make_weights(architecture, Zeros())
    graphs, likes = [], (encoder_graph(architecture, zeros), step_graph(architecture, zeros))
    for name, like in zip(GRAPHS, likes, strict=True):
        try:
            graphs.append((folder / name).read_bytes())
        except OSError as error:
            raise ArtifactError(f"{folder / name} cannot be read: {error.strerror}") from error
        check_graph(graphs[-1], like, folder / name)
    return graphs


def load_graphs(folder: Path) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The two graphs of a bundle that was checked, to be written into another one."""
    import onnx  # noqa: PLC0415 - few need it

    encoder, step = (onnx.load_model(folder / name, load_external_data=False) for name in GRAPHS)
    return encoder, step


def checked_folder(handle: Handle, store: Store) -> Path:
    check_format(handle)
    folder = store.open(BUNDLE, handle.digest).path
    if not folder.resolve().is_relative_to(store.root.resolve()):
        raise ArtifactError(f"{folder} leads out of the store {store.root}; import the bundle instead")
    return folder


def check_format(handle: Handle) -> None:
    """Refuses a bundle of an older format, which has no graphs.

    Raises:
        ArtifactError: with what to do.
    """
    if handle.format_version < format_version(BUNDLE):
        raise ArtifactError(
            f"{handle.path} is a bundle of format {handle.format_version}, this version of the project predicts by "
            f"format {format_version(BUNDLE)}; run its experiment again, which makes the bundle anew, and its training "
            f"only where that has changed, or keep its weights with: python -m flows.import_bundle {handle.path}, "
            f"where TensorFlow is installed"
        )
