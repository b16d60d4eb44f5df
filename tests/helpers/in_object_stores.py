"""A server of objects for a file of tests, and what its tests ask of it."""

import pytest

from tests.helpers.object_stores import BUCKET, environment, object_store

KINDS = ("moto", pytest.param("seaweedfs", marks=pytest.mark.slow))


def servers():
    """A fixture for a file of tests: the environment of a server of each kind, with a cache of the file's own."""

    @pytest.fixture(scope="module", params=KINDS, autouse=True)
    def server(request, tmp_path_factory):
        with object_store(request.param) as address, pytest.MonkeyPatch.context() as patch:
            for name, value in environment(address).items():
                patch.setenv(name, value)
            patch.setenv("SEQ2SEQ_CACHE", str(tmp_path_factory.mktemp("cache")))
            yield address

    return server


def url_of(name):
    """A folder in the bucket."""
    return f"s3://{BUCKET}/{name}"
