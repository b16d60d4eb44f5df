"""The domain: sequences, models, decoding and metrics, without files and without Prefect.

The tutorial's names can be imported from here; they load TensorFlow when they are first used.
"""

from typing import Any

TUTORIAL_NAMES = ("define_models", "generate_sequence", "get_dataset", "one_hot_decode", "predict_sequence")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's __getattr__ gives whatever is there
    if name in TUTORIAL_NAMES:
        import os  # noqa: PLC0415 - as below

        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it would tell of the processor and of graphics cards
        from tasks.seq2seq import tutorial  # noqa: PLC0415 - importing the domain must not load TensorFlow

        return getattr(tutorial, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
