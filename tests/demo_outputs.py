"""Check the files that a demo wrote."""

import json

import numpy as np
from PIL import Image

from demos import gallery


def check_outputs(folder, names):
    """Assert that every picture has its PNG, its array and its run card, and that no temporary file is left."""
    for name in names:
        assert Image.open(folder / f"{name}.png").size[0] > 100
        card = json.loads((folder / f"{name}.json").read_text())
        array = np.load(folder / f"{name}.npy")
        assert list(array.shape) == card["array"]["shape"] and np.isfinite(array).all()
        if name in gallery.WITHOUT_NETWORK:
            assert card["model"] is card["weights_sha256"] is None
        else:
            assert {len(digest) for digest in card["weights_sha256"].split(", ")} == {64}
        assert card["seconds"] >= 0 and card["source"] and card["parameters"]
        assert card["checks"] and all(check["passed"] for check in card["checks"]), card["checks"]
    assert not list(folder.glob(".*"))
