"""The list of published files."""

from hashlib import sha256
from pathlib import Path

import pytest

from weights_converter.fetching.download import host_of
from weights_converter.sources import SOURCES
from weights_converter.sources.published import PUBLISHED, published_as


@pytest.mark.parametrize("published", PUBLISHED.values(), ids=PUBLISHED)
def test_every_entry_is_valid(published):
    assert PUBLISHED[published.name] is published
    assert host_of(published.url) and published.url.startswith("https://")
    assert len(published.sha256) in (8, 64) and set(published.sha256) <= set("0123456789abcdef")
    assert published.size is None or 500_000 < published.size < 600_000_000
    assert any(published.network == source.name for source in SOURCES)
    digest = published.file_name.removesuffix(".pth")[-8:]
    assert published.sha256.startswith(digest) or not published.file_name.endswith(".pth")
    assert Path(published.file_name).name == published.file_name  # it contains no folder


def test_published_as():
    assert published_as("b66bff10" + 56 * "0").name == "squeezenet1_0"
    assert published_as(PUBLISHED["squeezenet1_0_caffe"].sha256).name == "squeezenet1_0_caffe"
    assert published_as(64 * "0") is None


def test_the_compressed_squeezenet_is_the_published_one(test_data):
    published = PUBLISHED["squeezenet1_0_caffe"]
    path = test_data / "weights" / published.file_name
    assert path.stat().st_size == published.size
    assert published_as(sha256(path.read_bytes()).hexdigest()) is published
