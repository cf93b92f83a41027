"""The explorer's static edition, opened from a folder in a real browser."""

import pytest

pytest.importorskip("starlette", reason="the extra [explore] is not installed")

from demos.explorer import settings, static  # noqa: E402  # needs starlette
from demos.explorer.app import PAGE, TEMPLATES  # noqa: E402
from demos.explorer.networks import Networks  # noqa: E402
from demos.explorer.photos import offered_photos  # noqa: E402
from demos.explorer.state import Explorer  # noqa: E402
from demos.shared.claim import release_claims  # noqa: E402


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """The address of a small edition: one photo, one channel of each stage, no styles."""
    folder = tmp_path_factory.mktemp("static")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(settings, "SYNTHESIS_STEPS", 8)
        for name, value in (("MOST_PHOTOS", 1), ("STRONGEST", 1), ("CLASSES", 2), ("STYLES", ()),
                            ("default_layers", lambda net: ["relu3"])):
            patch.setattr(static, name, value)
        networks = Networks("shapes")
        explorer = Explorer(networks, offered_photos(networks, []))
        static.write_static(explorer, folder / "out", PAGE, TEMPLATES)
        explorer.close()
    release_claims()
    return (folder / "out" / "index.html").as_uri()


def test_the_static_edition_opens_from_a_folder_and_shows_a_channel(new_page, edition):
    page = new_page()
    page.goto(edition)
    page.wait_for_selector("body[data-shown]")
    page.wait_for_selector("#channel .four figure:not(.waiting) >> nth=3")
    page.wait_for_selector("#channel .pair a[download]:visible")
    assert page.locator("#message").is_hidden() and page.locator("#classes li").count() == 5
    assert page.locator("#hover strong").inner_text().startswith("\u2248")
    page.click("#classes a >> nth=0")
    page.wait_for_selector("#class-view .five figure:not(.waiting) >> nth=4")
    page.click("#class-view button:text-is('Start')")
    page.wait_for_selector("#class-view [role=status]:has-text('Fooled after')")
    page.click("#views >> text=Dream")
    page.select_option("#dream-layer", "relu3")
    page.click("#dream-view button:text-is('Dream')")
    page.wait_for_selector("#dream-view .controls .note:text-matches('^Step')")


def test_a_weak_channel_has_its_overlay_a_guided_picture_and_a_small_synthesis(new_page, edition):
    page = new_page()
    page.goto(f"{edition}#shapes/relu3/0")
    page.wait_for_selector("body[data-shown]")
    weakest = page.evaluate("""() => {
      const part = Object.values(MINICNN_DATA.parts).find((one) => one["maps?layer=relu3&photo=p0"]);
      const {maxima} = part["maps?layer=relu3&photo=p0"];
      return maxima.indexOf(Math.min(...maxima.filter((value) => value > 0)));
    }""")
    page.goto(f"{edition}#shapes/relu3/{weakest}")
    page.wait_for_selector("#channel.missing")
    page.wait_for_selector("#channel .pair a[download]:visible")
    assert page.locator("#channel .pair figure:not(.waiting)").count() == 2
    assert page.locator("#channel .four figure:not([hidden]) figcaption").all_inner_texts() == ["Photo", "Guided"]
    note = page.locator("#channel .note >> nth=0").inner_text()
    assert note.endswith("Not recorded here: Gradient, Deconvnet, Patches. This command shows them: "
                         "minicnn explore --model shapes")
    colours = page.evaluate("""async () => {
      const pen = document.createElement("canvas").getContext("2d");
      pen.drawImage(document.querySelector("#channel .pair img"), 0, 0);
      return new Set(pen.getImageData(0, 0, 64, 64).data).size;
    }""")
    assert colours > 50
    page.click("[aria-label='Next channel']")
    page.wait_for_selector(f"#channel-title:has-text('channel {weakest + 1}')")
    assert page.locator("#message").is_hidden()


def test_the_static_edition_says_what_needs_the_explorer(new_page, edition):
    page = new_page(400)
    page.goto(f"{edition}#shapes/pool1/5")
    page.wait_for_selector("#channel-title:text('pool1, channel 5')")
    page.wait_for_selector("#channel.missing")
    assert "minicnn explore" in page.locator("#channel .note >> nth=0").inner_text()
    page.click("#camera")
    page.wait_for_selector("#message:has-text('minicnn explore')")
    page.click("#views >> text=Style")
    page.click("#style-view button:text-is('Paint')")
    page.wait_for_selector("#style-view .controls .note:has-text('minicnn explore')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
