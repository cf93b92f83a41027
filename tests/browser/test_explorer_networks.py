"""The explorer and its static edition with networks of photos: the shipped one, and SqueezeNet 1.1 where it is at hand.

Nothing names the network: it is the one that `minicnn explore` takes by itself.
"""

import os
import re
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from explorer_page import (
    ROOT,
    complete,
    end_server,
    expected_maps,
    maps_on,
    png,
    require_usable,
    shown,
    start_server,
)

pytest.importorskip("starlette", reason="the extra [explore] is not installed")

from demos.explorer import settings, static, tiles  # noqa: E402  # needs starlette
from demos.explorer.app import PAGE, TEMPLATES  # noqa: E402
from demos.explorer.networks import Networks  # noqa: E402
from demos.explorer.photos import offered_photos  # noqa: E402
from demos.explorer.state import Explorer  # noqa: E402
from demos.shared.claim import release_claims  # noqa: E402
from demos.shared.portrait import portrait_for  # noqa: E402
from minicnn import load_model  # noqa: E402
from minicnn.datasets.shapes import draw_shape  # noqa: E402


class Place(NamedTuple):
    """A network's name, a cache folder with its weights, and a folder with ten pictures."""

    name: str
    cache: str
    pictures: str


@pytest.fixture(scope="module", params=["photos", "squeezenet1_1"])
def place(request, tmp_path_factory):
    """The Place of each network."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param != "photos":
        data = os.environ.get("MINICNN_TEST_DATA") or pytest.skip("MINICNN_TEST_DATA is not set: no real weights")
        subprocess.run([sys.executable, "-m", "weights_converter", f"{data}/weights/squeezenet1_1.npz"], check=True,
                       cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")})
    (folder / "pictures").mkdir()
    for label in range(10):
        picture, _ = draw_shape(label, np.random.default_rng(label))
        (folder / "pictures" / f"{label}.png").write_bytes(png(picture))
    return Place(request.param, str(folder / "cache"), str(folder / "pictures"))


@pytest.fixture(scope="module")
def live(place):
    """The address of a running explorer."""
    process, address = start_server(0, ("--photos", place.pictures), XDG_CACHE_HOME=place.cache)
    yield address
    end_server(process)


def record_colours(recorder, *_):
    """In place of record_tiles, without the small pictures of all channels: those take minutes."""
    recorder.keep("colours", {}, tiles.overlay_colours())


@pytest.fixture(scope="module")
def edition(place, tmp_path_factory):
    """The address of a static edition of one photo, with the pictures of one channel of each stage."""
    out = tmp_path_factory.mktemp("static") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", place.cache)
        for module, name, value in ((settings, "SYNTHESIS_STEPS", 4), (settings, "STRIDE", 32),
                                    (static, "MOST_PHOTOS", 1), (static, "STRONGEST", 1), (static, "CLASSES", 2),
                                    (static, "STYLES", ()), (static, "default_layers", lambda net: []),
                                    (static, "record_tiles", record_colours)):
            patch.setattr(module, name, value)
        networks = Networks(None)
        explorer = Explorer(networks, offered_photos(networks, []))
        assert static.write_static(explorer, out, PAGE, TEMPLATES) < 50_000_000
        explorer.close()
    release_claims()
    return (out / "index.html").as_uri()


def proven(page, view):
    """Wait until the numbers of a view are there. None may fail."""
    page.wait_for_selector(f"{view} .checks li >> nth=1")
    assert page.locator(f"{view} .checks .fail").count() == 0


def require_usable_at_both_widths(page):
    """The page is usable on a phone and on a wide screen, dark and light."""
    for width, scheme in ((400, "dark"), (1400, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)  # for colours that change slowly
        require_usable(page)


def test_the_first_page_shows_the_library_s_maps_and_the_strongest_channel(new_page, place, live):
    page = new_page()
    page.goto(live)
    complete(shown(page))
    name, layer, channel = re.fullmatch(r"#(\w+)/(.+)/(\d+)", page.evaluate("location.hash")).groups()
    assert name == place.name == page.locator("#network").input_value()
    model = load_model(f"{place.cache}/minicnn/{name}.h5" if name != "photos" else name)
    expected = expected_maps(layer, model, portrait_for(name))
    assert np.abs(maps_on(page)[:len(expected)].astype(int) - expected).max() <= 1
    assert page.locator("#channel-title").inner_text() == f"{layer}, channel {channel}"
    page.wait_for_selector("#hover .terms li >> nth=3")
    page.wait_for_selector("#channel .patches figure >> nth=8")
    proven(page, "#channel")
    page.click("#channel summary")
    page.wait_for_selector(f"#channel pre:has-text(\"load_model('{name}')\")")
    require_usable_at_both_widths(page)


def test_a_class_is_found_and_another_one_is_painted_into_the_photo(new_page, place, live):
    page = new_page()
    page.goto(live)
    shown(page)
    page.click("#classes a >> nth=0")
    page.wait_for_selector("#class-view .five figure:not(.waiting) >> nth=4")
    page.wait_for_selector("#class-view .five .note:has-text('instead of')")
    proven(page, "#class-view")
    page.click("#class-view button:text-is('Start')")
    page.wait_for_selector("#class-view [role=status]:has-text('Fooled after')")
    proven(page, "#class-view .halves > section:first-child")
    assert page.locator("#class-view svg polyline").count() == 1
    require_usable_at_both_widths(page)


def test_a_dream_can_be_stopped_and_saved(new_page, place, live):
    page = new_page()
    page.goto(f"{live}#{place.name}/dream")
    shown(page)
    page.click("#dream-view button:text-is('Dream')")
    page.wait_for_selector("#dream-view .controls .note:text-matches('^Step')")
    page.click("#dream-view button:text-is('Stop')")
    with page.expect_download() as saved:
        page.click("#dream-view >> text=Save")
    assert saved.value.suggested_filename.startswith(f"{place.name}_dream_")
    require_usable_at_both_widths(page)


def test_the_static_edition_opens_every_layer_by_its_link(new_page, place, edition):
    page = new_page()
    page.goto(edition)
    complete(shown(page))
    proven(page, "#channel")
    assert page.locator("#classes li").count() == 5 and page.locator("#network").input_value() == place.name
    for layer, channels in page.evaluate("MINICNN_DATA.answers['network?'].layers.map((x) => [x.name, x.channels])"):
        page.goto(f"{edition}#{place.name}/{layer}/{channels - 1}")
        shown(page, f"#{place.name}/{layer}/{channels - 1}")
        page.wait_for_selector("#channel .note:has-text('Maximum')")
        assert page.locator("#channel-title").inner_text() == f"{layer}, channel {channels - 1}"
        assert page.locator("#message").is_hidden()
    page.click("#classes a >> nth=0")
    page.wait_for_selector("#class-view .five figure:not(.waiting) >> nth=4")
    proven(page, "#class-view")
    require_usable_at_both_widths(page)
