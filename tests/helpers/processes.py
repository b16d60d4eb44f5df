"""What tests of commands as processes wait for."""

import time


def finish(process, seconds=240):
    """The exit code and what was said, without a traceback."""
    said, _ = process.communicate(timeout=seconds)
    assert "Traceback" not in said, said
    return process.returncode, said


def wait_for(condition, seconds=120):
    """Until a condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
