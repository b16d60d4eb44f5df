"""What is measured: each function runs one program and gives its numbers by name.

Times are in seconds, memory in MiB, rates in sequences or pairs a second, accuracies in [0, 1].
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from architectures import SHAPES
from processes import MeasurementError, Processes, Running

Result = dict[str, Any]

HERE = Path(__file__).parent
SEEDS = range(5)
SHORT_REPEATS = 3
SERVER_START_SECONDS = 180.0
STREAM_PAIRS, FEW_PAIRS = 100_000_000, 1_000_000
SMALL_FILE, LARGE_FILE, HUGE_FILE = 100_000, 1_000_000, 10_000_000  # pairs, or rows to predict
BEAM_FILE = 400_000


@dataclass(frozen=True)
class Place:
    """Where one round works: `folder` is new, with a PREFECT_HOME and an artifact store of its own."""

    processes: Processes
    folder: Path

    @property
    def home(self) -> Path:
        """The round's PREFECT_HOME; its database is migrated once `virgin` was measured."""
        return self.folder / "prefect"

    @property
    def store(self) -> Path:
        """The store that `main` fills and the reruns find."""
        return self.folder / "store"


def gemm(place: Place) -> Result:
    """The machine's limit."""
    return place.processes.result("gemm_anchor.py")


def torch(place: Place) -> Result:
    """PyTorch's rates."""
    return _with_best(place.processes.result("torch_anchor.py"))


def tutorial(place: Place) -> Result:
    """The tutorial's times and memory."""
    return place.processes.result("tutorial_anchor.py")


def decode(place: Place) -> Result:
    """Our decoding rate, all cores."""
    return place.processes.result("decode.py")


def our_inference(place: Place) -> Result:
    """The cost of a row of ours in each case, on one thread."""
    return _by_case(place.processes.result("our_inference.py"))


def torch_inference(place: Place) -> Result:
    """The same of PyTorch."""
    return _by_case(place.processes.result("torch_inference.py"))


def generate(place: Place) -> Result:
    """Our dataset of 100,000 pairs."""
    return place.processes.result("generate.py", "--folder", str(place.folder))


def virgin(place: Place) -> Result:
    """The main job with a PREFECT_HOME that does not exist yet, and a new store."""
    return _made(_run_job(place, place.folder / "first-store"))


def main(place: Place) -> Result:
    """The main job with the PREFECT_HOME that `virgin` left, and a new store."""
    return _made(_run_job(place, place.store))


def rerun(place: Place) -> Result:
    """The main job once more on the store that `main` left."""
    return _cached(_run_job(place, place.store))


def rerun_on_server(place: Place) -> Result:
    """The same against a server that is up, the median of `SHORT_REPEATS`."""
    with prefect_server(place) as url:
        runs = [
            _cached(_run_job(place, place.store, environment={"PREFECT_API_URL": url})) for _ in range(SHORT_REPEATS)
        ]
    return {"seconds": statistics.median(run["seconds"] for run in runs), "runs": runs}


def stream(place: Place) -> Result:
    """100,000,000 pairs streamed to disk, and the memory that 1,000,000 take."""
    few, many = (
        place.processes.result("generate.py", "--samples", str(pairs), "--repeats", "1", "--folder", str(place.folder))
        for pairs in (FEW_PAIRS, STREAM_PAIRS)
    )
    return {**many, "few_peak_rss_mib": few["peak_rss_mib"], "few_pairs_per_s": few["pairs_per_s"]}


def own_data(place: Place) -> Result:
    """1,000,000 pairs read and encoded on one core: text of 20 characters a side, and lists in the brackets of a CSV."""
    words = ("own_data.py", "--pairs", str(LARGE_FILE), "--folder", str(place.folder))
    text, lists = place.processes.result(*words), place.processes.result(*words, "--lists")
    return {**text, "lists_per_s": lists["pairs_per_s"], "lists_peak_rss_mib": lists["peak_rss_mib"]}


def large(place: Place) -> Result:
    """10,000,000 text pairs read and trained on, and the memory and rate of fewer."""
    small, few, many = (
        place.processes.result(
            "own_data.py", "--pairs", str(pairs), "--characters", "8", "--train", "--folder", str(place.folder)
        )
        for pairs in (SMALL_FILE, LARGE_FILE, HUGE_FILE)
    )
    return {
        **many,
        "few_peak_rss_mib": few["peak_rss_mib"],
        "small_train_sequences_per_s": small["train_sequences_per_s"],
    }


def predict(place: Place) -> Result:
    """1,000,000 rows through `batch_predict`, Parquet to Parquet, greedy, with the model that `main` promoted."""
    return _run_batch(place, LARGE_FILE)


def predict_beam(place: Place) -> Result:
    """Fewer rows by beam search of width 5."""
    return _run_batch(place, BEAM_FILE, "--decoding.method", "beam", "--decoding.beam_width", "5")


def predict_one(place: Place) -> Result:
    """One sequence at a time through `load_predictor`."""
    return place.processes.result("predict_one.py", "--store", str(place.store))


def predict_large(place: Place) -> Result:
    """10,000,000 rows through `batch_predict`, and the memory that 1,000,000 take."""
    _run_job(place, place.store)
    few, many = (_run_batch(place, rows) for rows in (LARGE_FILE, HUGE_FILE))
    return {**many, **{f"few_{name}": value for name, value in few.items()}}


def torch_shape(name: str, place: Place) -> Result:
    """PyTorch's rates of one architecture, `PROBLEM_train` and `PROBLEM_decode`."""
    rates = place.processes.result("torch_architectures.py", name)
    return {f"{problem}_{what}": of[what] for problem, of in rates.items() for what in of}


def our_shape(name: str, place: Place) -> Result:
    """Ours, likewise."""
    rates = {what: place.processes.result("our_architectures.py", what, name) for what in ("train", "decode")}
    return {f"{problem}_{what}": rate for what, of in rates.items() for problem, rate in of.items()}


def accuracy(place: Place) -> Result:
    """The default run with 10,000 fresh samples for each seed; `worst` is the lowest accuracy."""
    shares = [
        _run_job(place, place.folder / f"seed-{seed}", "--seed", str(seed), "--evaluation.n_samples", "10000")[
            "sequence_accuracy"
        ]
        for seed in SEEDS
    ]
    return {"worst": min(shares), "by_seed": shares}


def _run_batch(place: Place, rows: int, *flags: str) -> Result:
    file, output, summary = (place.folder / name for name in ("rows.parquet", "predictions", "summary.json"))
    place.processes.seconds([sys.executable, str(HERE / "rows.py"), str(file), "--rows", str(rows)], {})
    command = [sys.executable, "-m", "flows.batch_predict", str(file), "--output", str(output)]
    command += ["--store", str(place.store), "--summary", str(summary)]
    seconds = place.processes.seconds([*command, *flags], {"PREFECT_HOME": str(place.home)})
    content = json.loads(summary.read_text(encoding="utf-8"))
    shutil.rmtree(output)
    if content["predicted"] != rows:
        raise MeasurementError(f"expected {rows} predictions, got {content['predicted']}")
    numbers = {name: value for name, value in content.items() if isinstance(value, int | float)}
    return {"seconds": seconds, **numbers}


# In the order of a round: what is compared stands side by side.
IN_EACH_ROUND: dict[str, Callable[[Place], Result]] = {
    "virgin": virgin,
    "gemm": gemm,
    "decode": decode,
    "torch": torch,
    "our_inference": our_inference,
    "torch_inference": torch_inference,
    "main": main,
    "tutorial": tutorial,
    "predict": predict,
    "predict_beam": predict_beam,
    "predict_one": predict_one,
    "generate": generate,
    "own_data": own_data,
    "rerun": rerun,
    "rerun_on_server": rerun_on_server,
    **{
        f"{side}_{name}": partial(measure, name)
        for name in SHAPES
        for side, measure in (("torch", torch_shape), ("our", our_shape))
    },
}
ONCE: dict[str, Callable[[Place], Result]] = {
    "stream": stream,
    "large": large,
    "predict_large": predict_large,
    "accuracy": accuracy,
}
MADE_BEFORE = {
    "main": "virgin",
    **dict.fromkeys(("rerun", "rerun_on_server", "predict", "predict_beam", "predict_one"), "main"),
}


@contextlib.contextmanager
def prefect_server(place: Place) -> Iterator[str]:
    """A Prefect server on loopback with a PREFECT_HOME of its own, up when the block begins; gives its API's URL."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "PREFECT_HOME": str(place.folder / "server"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    with place.processes.running(command, environment) as run:
        _wait_until_up(run, url)
        yield url


def _run_job(place: Place, store: Path, *flags: str, environment: dict[str, str] | None = None) -> Result:
    summary = place.folder / "summary.json"
    command = [sys.executable, "-m", "flows.train_and_eval", "--store", str(store), "--summary", str(summary)]
    seconds = place.processes.seconds([*command, *flags], {"PREFECT_HOME": str(place.home), **(environment or {})})
    content = json.loads(summary.read_text(encoding="utf-8"))
    numbers = {name: value for name, value in content.items() if isinstance(value, int | float)}
    return {"seconds": seconds, **numbers, "steps": content["steps"]}


def _made(result: Result) -> Result:
    return _with_every_step(result, cached=False)


def _cached(result: Result) -> Result:
    return _with_every_step(result, cached=True)


def _with_every_step(result: Result, *, cached: bool) -> Result:
    others = [step["name"] for step in result["steps"] if step["cached"] is not cached]
    if others:
        raise MeasurementError(
            f"expected every step {'cached' if cached else 'made'}, but not so: {', '.join(others)} "
            "(the code must not change while it is measured)"
        )
    return result


def _by_case(costs: Result) -> Result:
    """The costs with names of one word, `CASE_cpu_us_per_row`; of the graphs alone `CASE_graphs_...`."""
    flat = {}
    for case, cost in costs.items():
        for name, value in cost.items():
            parts = value.items() if isinstance(value, dict) else [("", value)]
            flat |= {"_".join(filter(None, (case, name, part))): number for part, number in parts}
    return flat


def _with_best(result: Result) -> Result:
    rates = result["decode_sequences_per_s"]
    best = max(rates, key=rates.get)
    return {
        **result,
        "best_decode_sequences_per_s": rates[best],
        "best_decode_batch": int(best),
        "one_decode_sequences_per_s": rates["1"],
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_until_up(run: Running, url: str) -> None:
    until = time.monotonic() + SERVER_START_SECONDS
    while time.monotonic() < until and run.process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - http
            return
        time.sleep(0.1)
    raise MeasurementError(f"the Prefect server did not start:\n{run.last_lines()}")
