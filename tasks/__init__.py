"""The steps, and all that they are made of. TensorFlow, which some import, keeps its notices to itself after this."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it would tell of the processor and of graphics cards
