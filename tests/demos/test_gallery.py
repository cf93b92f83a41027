"""The gallery as a user makes it: its pictures, its page, and an interruption."""

import sys
from html.parser import HTMLParser

import pytest
from demo_outputs import check_outputs

from demos import (
    activations,
    embedding_map,
    filters,
    gallery,
    neighbours,
    patches,
    zoom_page,
)
from demos.__main__ import parser as gallery_parser
from demos.__main__ import run as run_gallery
from demos.shared.command import main
from minicnn.models import load_model

pytestmark = pytest.mark.usefixtures("empty_cache")


class Tags(HTMLParser):
    """The tags of a page that are still open, and the pictures it shows."""

    def __init__(self, page):
        super().__init__()
        self.open, self.pictures, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag not in ("img", "meta", "br", "link"):
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_gallery_without_weights_uses_the_shipped_network_and_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_gallery(gallery_parser().parse_args(["--device", "cpu"]))
    said = capsys.readouterr().out
    assert "model: shapes, the small shipped network: there are no pretrained SqueezeNet weights in" in said
    names = gallery.picture_names(load_model("shapes", "cpu"))
    check_outputs(tmp_path / "gallery", names)
    page = Tags((tmp_path / "gallery" / "index.html").read_text(encoding="utf-8"))
    assert page.open == [] and page.pictures == [f"{name}.png" for name in names]
    assert all(link.startswith("https://arxiv.org/abs/") or (tmp_path / "gallery" / link).is_file()
               for link in page.links)


def test_an_interrupted_gallery_keeps_what_is_finished_and_a_valid_page(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt
    monkeypatch.setattr(gallery.occlusion, "pictures", interrupted)
    sys.argv = ["demos", "--out", str(tmp_path / "out"), "--device", "cpu"]
    with pytest.raises(SystemExit) as end:
        main(run_gallery, gallery_parser())
    assert end.value.code == 130 and "interrupted" in capsys.readouterr().err
    finished = [*filters.NAMES, *neighbours.NAMES, *embedding_map.NAMES, *zoom_page.NAMES, *activations.NAMES,
                *patches.NAMES]
    check_outputs(tmp_path / "out", finished)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert Tags(page).open == [] and Tags(page).pictures == [f"{name}.png" for name in finished]
    assert "not finished" in page
