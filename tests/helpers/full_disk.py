"""A disk that is full from some size of a file on, for this process."""

import contextlib
import resource
import signal


@contextlib.contextmanager
def files_of_at_most(n_bytes):
    """Every write beyond that many bytes of a file fails with "File too large"."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
