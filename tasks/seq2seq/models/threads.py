"""How TensorFlow shares the cores, and whether it must give the same bits each time, for the whole process."""

from __future__ import annotations

import tensorflow as tf

from tasks.seq2seq.cpu import available_cores

# Below this width a matrix product is too small to share between threads: one thread an operation, and
# operations side by side, trains 1.1 to 1.3 times as fast; above it, the opposite.
SIDE_BY_SIDE_UNITS = 256


def set_up_threads(units: int) -> None:
    """Tells TensorFlow how to share the cores; it obeys once, before its first operation."""
    cores = available_cores()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1 if units <= SIDE_BY_SIDE_UNITS else cores)
        tf.config.threading.set_inter_op_parallelism_threads(cores)
    except RuntimeError:  # TensorFlow is at work already, as in a notebook: it keeps its threads
        return


def set_up_determinism() -> None:
    """Tells TensorFlow to choose operations that give the same bits each time; it holds for the whole process."""
    tf.config.experimental.enable_op_determinism()
