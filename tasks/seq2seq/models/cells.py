"""The recurrent cells by their names in the settings, and the size of their state."""

from __future__ import annotations

from keras import layers

CELLS = {"lstm": layers.LSTMCell, "gru": layers.GRUCell}


STATES = {"lstm": 2, "gru": 1}  # tensors of a layer's state
