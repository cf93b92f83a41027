"""20,000 damaged files: each is read as a valid image, or refused in one line; nothing else is written."""

import time

import numpy as np
import pytest
from fuzz_images import LIMIT, damaged, sources

from minicnn import images
from minicnn.errors import InputError

COUNT, SLOW = 20_000, 10.0  # files; seconds for one file


def test_sources_are_read(tmp_path):
    files = sources()
    assert len(files) > 40
    for kind, data in files.items():
        (tmp_path / "image").write_bytes(data)
        if kind in ("tiff float", "spider"):
            with pytest.raises(InputError, match="float pixels have no fixed range"):
                images.load_image(tmp_path / "image")
        else:
            image = images.load_image(tmp_path / "image")
            assert image.dtype == np.uint8 and image.shape in ((12, 10, 3), (10, 12, 3)), kind


def test_damaged_files(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(images.geometry, "MAX_PIXELS", LIMIT)
    files, rng, path = sources(), np.random.default_rng(17), tmp_path / "image"
    capfd.readouterr()  # Pillow may write while it makes the files
    read = refused = 0
    for _ in range(COUNT):
        kind, data = damaged(files, rng)
        path.write_bytes(data)
        start = time.perf_counter()
        try:
            image = images.load_image(path)
        except InputError as problem:
            line = str(problem)
            assert line.startswith(f"{path}: ") and line.isprintable() and len(line) < 600, (kind, line)
            refused += 1
        else:
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and min(image.shape) >= 2, kind
            read += 1
        assert time.perf_counter() - start < SLOW, kind
    assert capfd.readouterr() == ("", "")
    assert read > COUNT // 10 and refused > COUNT // 10
    with capfd.disabled():
        print(f"\n{COUNT:,} damaged image files of {len(files)} kinds: {read:,} read, {refused:,} refused")
