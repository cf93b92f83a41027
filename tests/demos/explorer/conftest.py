"""Fixtures of the explorer's tests: an explorer, and a client that asks it without a socket."""

from importlib.util import find_spec

import pytest

pytest.importorskip("starlette", reason="the extra [explore] is not installed")
if find_spec("httpx2") is None:
    pytest.importorskip("httpx", reason="starlette's test client needs httpx2 or httpx: pip install -e .[test]")

from explorer_client import client_of, make_explorer  # noqa: E402  # it imports starlette


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """An empty cache folder for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def explorer(cache):
    """The explorer of the network `shapes`."""
    made = make_explorer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(explorer):
    """A client of `explorer`."""
    with client_of(explorer) as made:
        yield made


@pytest.fixture
def pid(client):
    """The identifier of the first offered photo in session a."""
    return client.post("/api/photo", params={"s": "a", "id": "p0"}).json()["photo"]
