"""TensorBoard's event files, read back by TensorBoard itself."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def read_scalars(folder):
    """The values of each scalar that was written, in the order of their steps."""
    events = EventAccumulator(str(folder), {"tensors": 0})
    events.Reload()
    return {
        name: [float(make_ndarray(event.tensor_proto)) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }
