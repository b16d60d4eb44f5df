"""Mixed precision: a training model that computes in 16 bits and keeps its weights in 32.

Source: P. Micikevicius et al., "Mixed precision training" (2018).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import keras
import tensorflow as tf

# What computes fast: the CUDA compute capability from which on, and the flags of processors, one of which is enough.
_FAST: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "mixed_bfloat16": ((8, 0), ("avx512_bf16", "amx_bf16")),
    "mixed_float16": ((7, 0), ("avx512_fp16", "amx_fp16")),
}


@contextlib.contextmanager
def layers_of(precision: str) -> Iterator[None]:
    """Layers that are made inside have this dtype policy; those made before and after have their own."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def why_slow(precision: str, capabilities: Collection[tuple[int, int]], cpu_flags: Collection[str]) -> str | None:
    """What a machine lacks to be fast in this precision; None where it is, or may be.

    Args:
        precision: Keras' name of the dtype policy.
        capabilities: CUDA's, of each GPU.
        cpu_flags: those of the processor.
    """
    if precision not in _FAST:
        return None
    least, flags = _FAST[precision]
    if capabilities:
        lacking = min(capabilities) < least
        return f"a GPU of compute capability {least[0]}.{least[1]} or more" if lacking else None
    return None if set(flags) & set(cpu_flags) else f"a GPU, or a processor with {' or '.join(flags)}"


def gpu_capabilities() -> list[tuple[int, int]]:
    """CUDA's compute capability of each GPU that TensorFlow sees."""
    details = (tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU"))
    return [detail.get("compute_capability", (0, 0)) for detail in details]
