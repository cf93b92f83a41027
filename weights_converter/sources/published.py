"""Weights files that can be had on the web: where each is, and how to know that it is the right one."""

from typing import NamedTuple


class Published(NamedTuple):
    """One file on the web, and what it is converted to.

    name : of the converted file. size : in bytes, None where it is not known. sha256 : hexadecimal, all 64
    digits, or the first 8 where only they are known, as in the names of torchvision's files. network : for
    `convert`. features_only : the file holds nothing usable after the features.
    """

    name: str
    url: str
    size: int | None
    sha256: str
    network: str
    features_only: bool = False

    @property
    def file_name(self):
        """What the file is called where it is published."""
        return self.url.rpartition("/")[2]


TORCHVISION = "https://download.pytorch.org/models/"
DEEP_COMPRESSION = "https://github.com/songhan/SqueezeNet-Deep-Compression/raw/master/compressed_SqueezeNet.net"

# Two files have no size and only the beginning of a digest: more is not stated where they are published, and a
# size that was guessed would refuse the right file. Of those two no more bytes are taken than any weights have.
# torchvision puts the first 8 digits of the sha256 into the file's name, and torch.hub checks no more of them:
# enough against damage and mistakes, though not against somebody who makes a file to fit.
FILES = (
    Published("vgg16", TORCHVISION + "vgg16-397923af.pth", 553_433_881,
              "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", "vgg16"),
    Published("vgg16_features", TORCHVISION + "vgg16_features-amdegroot-88682ab5.pth", None, "88682ab5",
              "vgg16_features", features_only=True),
    Published("vgg19", TORCHVISION + "vgg19-dcbb9e9d.pth", 574_673_361,
              "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", "vgg19"),
    Published("squeezenet1_0", TORCHVISION + "squeezenet1_0-b66bff10.pth", None, "b66bff10", "squeezenet1_0"),
    Published("squeezenet1_1", TORCHVISION + "squeezenet1_1-b8a52dc0.pth", 4_958_839,
              "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b", "squeezenet1_1"),
    Published("squeezenet1_0_caffe", DEEP_COMPRESSION, 675_763,
              "e4ab6960ae8cd81505e1c2136921201507e930966c53deaf15862a395b3a3261", "squeezenet1_0_caffe"),
    Published("alexnet", TORCHVISION + "alexnet-owt-7be5be79.pth", 244_408_911,
              "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02", "alexnet"),
    Published("resnet18", TORCHVISION + "resnet18-f37072fd.pth", 46_830_571,
              "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", "resnet18"),
)
PUBLISHED = {published.name: published for published in FILES}


def published_as(sha256):
    """The Published file that has this sha256 (hexadecimal, 64 digits), or None."""
    for published in PUBLISHED.values():
        if sha256.startswith(published.sha256):
            return published
    return None
