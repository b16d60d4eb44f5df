"""Files from and to an object store through workers that share nothing else with the run."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.prediction.batch_check import check_batch
from tasks.prediction.batch_model import find_model
from tasks.prediction.divided import predict_span
from tasks.seq2seq.errors import SettingsError
from tasks.storage.files.places import place_of
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import predict, settings_of
from tests.helpers.clusters import OwnCluster, wait_for_workers
from tests.helpers.in_object_stores import servers, url_of
from tests.helpers.meanwhile import once
from tests.tasks.prediction.test_divided import joined, planned

pytestmark = [pytest.mark.seconds, pytest.mark.timeout(600)]
server = servers()
N = 4_000
ASKED = {"model": "integers", "chunk_rows": 100}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture
def place(request):
    """A folder of the bucket of this test's own, with a large and a small file to predict."""
    return url_of(request.node.name.partition("[")[0])


@pytest.fixture
def inbox(place, tmp_path):
    source, _ = integer_pairs(N)
    source[::9] = [[]] * len(source[::9])  # which no row may be
    for name, n in (("large", N), ("small", 30)):
        pq.write_table(pa.table({"source": source[:n]}), tmp_path / f"{name}.parquet", row_group_size=500)
        place_of(f"{place}/in").put(f"{name}.parquet", tmp_path / f"{name}.parquet")
    return f"{place}/in"


@pytest.fixture
def elsewhere(tmp_path):
    """A cluster whose workers have a cache of their own."""
    here = os.environ["SEQ2SEQ_CACHE"]
    os.environ["SEQ2SEQ_CACHE"] = str(tmp_path / "cache-of-workers")
    try:
        cluster = OwnCluster()
    finally:
        os.environ["SEQ2SEQ_CACHE"] = here
    with cluster:
        yield cluster


def contents(url):
    """The digests of what is written, except for what tells of the run."""
    place = place_of(url)
    names = [entry.name for entry in place.entries() if not entry.name.startswith("_")]
    return {name: place.read(name).content for name in names}


def settings_at(cluster, **asked):
    return {"runner_kind": {"kind": "dask", "address": cluster.address}, **ASKED, **asked}


def has_spans(url):
    """Whether a span has been sent."""
    return any(entry.name.endswith(".end.part") for entry in place_of(url).entries(".work"))


def test_workers_that_share_no_disk_give_the_bytes_of_one_machine_though_one_is_killed(store, place, inbox, elsewhere):
    here = predict(store, inbox, output=f"{place}/here", **ASKED)
    with once(lambda: has_spans(f"{place}/there"), elsewhere.workers[0].kill) as done:
        there = predict(store, inbox, output=f"{place}/there", **settings_at(elsewhere))
    assert done
    assert {name: job.reason for name, job in here.items()} == {name: job.reason for name, job in there.items()}
    assert there["large.parquet"].account.rejected == len(range(0, N, 9))
    assert contents(f"{place}/here") == contents(f"{place}/there")
    assert not list(place_of(f"{place}/there").entries(".work"))


def test_a_span_that_was_sent_is_not_predicted_again(store, place, inbox):
    job, model, settings = remote_job(store, place, inbox)
    first, n_first = predict_span(job, 0, model, settings, store)
    again, n_again = predict_span(job, 0, model, settings, store)
    assert first == again
    assert (n_first, n_again) == (0, len(first.rows))


@pytest.mark.parametrize("which", ["end", "rejects"])
def test_a_span_whose_end_or_rejects_were_altered_is_predicted_again(store, place, inbox, which):
    job, model, settings = remote_job(store, place, inbox)
    first, _ = predict_span(job, 0, model, settings, store)
    alter(settings, f"000000.{which}.part")
    again, n_resumed = predict_span(job, 0, model, settings, store)
    assert again == first
    assert n_resumed == 0
    assert predict_span(job, 0, model, settings, store)[1] == len(first.rows)


def alter(settings, name):
    """Flips a bit of a file of a span in the object store."""
    away = place_of(settings.output)
    name = next(entry.name for entry in away.entries(".work") if entry.name.endswith(name))
    content = bytearray(away.read(name).content)
    content[len(content) // 2] ^= 1
    away.swap(name, bytes(content), away.look(name).stamp)


def test_a_span_that_was_altered_on_the_way_fails_the_file_and_the_next_run_makes_it_anew(store, place, inbox):
    job, model, settings = remote_job(store, place, inbox)
    for number in range(len(job.division.spans)):
        predict_span(job, number, model, settings, store)
    alter(settings, "000000-000000.part")
    done = joined(store, job, model, settings)
    assert done.action == "fail"
    assert "its digest does not fit" in done.reason
    assert not list(place_of(settings.output).entries(".work"))


def test_a_span_that_nobody_sent_fails_the_file(store, place, inbox):
    job, model, settings = remote_job(store, place, inbox)
    for number in range(1, len(job.division.spans)):
        predict_span(job, number, model, settings, store)
    assert "is missing" in joined(store, job, model, settings).reason


def remote_job(store, place, inbox):
    """The job of the large file, for workers of another machine."""
    job, _, settings = planned(store, f"{inbox}/large.parquet", f"{place}/out", chunk_rows=100)
    runner = settings.runner.model_copy(update={"kind": "dask", "address": "tcp://127.0.0.1:1"})
    settings = settings.model_copy(update={"runner": runner})
    return job, find_model(settings, Store(store)), settings


def test_workers_that_cannot_reach_the_object_store_are_refused_with_what_they_lack(store, place, inbox):
    address = os.environ["AWS_ENDPOINT_URL"]
    os.environ["AWS_ENDPOINT_URL"] = "no address"
    try:
        cluster = OwnCluster(n=1)
    finally:
        os.environ["AWS_ENDPOINT_URL"] = address
    with cluster:
        wait_for_workers(cluster, 1)
        settings = settings_of(inbox, output=f"{place}/out", model="integers", kind=settings_at(cluster)["runner_kind"])
        with pytest.raises(SettingsError, match="the Dask cluster cannot do this work") as refused:
            check_batch(settings, Store(store))
    lines = str(refused.value).splitlines()
    assert sum(line.startswith("tcp://127.0.0.1:") for line in lines) == 3  # the probe, and two inputs
    assert "AWS_ENDPOINT_URL is 'no address'" in lines[1]
    assert "its environment is what counts there" in lines[1]
    assert not list(place_of(f"{place}/out").entries())


def test_workers_that_reach_it_are_accepted(store, place, inbox, elsewhere):
    wait_for_workers(elsewhere, 2)
    settings = settings_of(inbox, output=f"{place}/out", model="integers", kind=settings_at(elsewhere)["runner_kind"])
    check_batch(settings, Store(store))
    assert not list(place_of(f"{place}/out").entries())
