"""Names for the kinds of arrays that the domain passes around."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]
Integers = NDArray[np.int64]
