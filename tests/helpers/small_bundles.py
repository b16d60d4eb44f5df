"""Bundles without models: all that a store and the commands for it look at, made in a moment."""

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.bundle import BundleFacts
from tasks.storage.artifacts.dataset import SideFacts, write_codecs
from tasks.storage.files.atomic import write_json
from tasks.storage.store.making import Made, StepInputs

SIDE = SideFacts(encoding="integers", vocabulary=7, length=3)
FACTS = BundleFacts(units=8, parameters=1, source=SIDE, target=SIDE, masked=False, relative=False)
VOCABULARY = Vocabulary.identity(6)


def make(store, kind="bundle", seed=1, made_from=None, experiment=None):
    """An artifact with the files of a bundle; another seed makes another one."""

    def write(folder):
        write_json(folder / "bundle.json", {"experiment": experiment or Experiment(seed=seed).model_dump(mode="json")})
        write_codecs(folder, Codecs(VOCABULARY, VOCABULARY))
        return Made(FACTS.model_dump() | {"units": 8 + seed})

    return store.make(StepInputs(kind, {"seed": seed}, made_from or {}, {}, {}), write)
