"""What runs. Prefect, which is imported after this, keeps its notices to itself, whoever imports a flow."""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")  # at a terminal Prefect would tell its makers of a new user
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")  # where Python calls a flow
