"""A limit of the address space that nothing can run under is said at once."""

import resource
import subprocess
import sys
import time

import pytest

from flows._cli.checkout import ROOT
from flows._cli.limits import too_little_memory


def test_without_a_limit_nothing_is_refused():
    assert too_little_memory(10**9) is None


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["train_and_eval", "batch_predict", "nightly", "generate_datasets"])
def test_a_command_that_cannot_run_says_which_limit_is_in_the_way(name, tmp_path):
    limit = 1500 * 2**20
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", f"flows.{name}", "--store", tmp_path / "store"],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("refused: this process may have 1,500 MiB of address space (ulimit -v, RLIMIT_AS)")
    assert ended.stderr.count("\n") == 1
    assert time.monotonic() - began < 30
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_a_training_under_a_limit_that_tensorflow_does_not_fit_in_says_so(start_process, tmp_path):
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({3 * 2**30}, {3 * 2**30}))"
    code = (
        f"{limit}; import sys; from flows._cli.start import start; sys.exit(start('train_and_eval', needs_server=True))"
    )
    process = start_process("-c", code, "--store", tmp_path / "store")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "failed: this process may have 3,072 MiB of address space" in said
    assert "Traceback" not in said
