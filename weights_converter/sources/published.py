"""Published weights files: the address of each, and the digest that identifies it."""

from typing import NamedTuple


class Published(NamedTuple):
    """One file on the web, and the network that it is converted to.

    name : of the converted file.
    url : address of the file.
    size : in bytes; None if it is unknown.
    sha256 : hexadecimal; all 64 digits, or the first 8 if only these are known, as in the names of torchvision's files.
    network : argument of `convert`.
    features_only : True if the file has no usable classifier.
    """

    name: str
    url: str
    size: int | None
    sha256: str
    network: str
    features_only: bool = False

    @property
    def file_name(self) -> str:
        """Name of the file at its publisher."""
        return self.url.rpartition("/")[2]


TORCHVISION = "https://download.pytorch.org/models/"
DEEP_COMPRESSION = "https://github.com/songhan/SqueezeNet-Deep-Compression/raw/master/compressed_SqueezeNet.net"

# torchvision puts the first 8 digits of the sha256 into the file's name, and torch.hub verifies only these. They
# detect damage and mistakes, but not a file that was made to fit. For two files nothing more is published, not even
# their size; a guessed size could refuse the right file. The download of these two stops at SIZE_LIMIT.
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


def published_as(sha256: str) -> Published | None:
    """Return the Published file with this sha256 (64 hexadecimal digits), or None."""
    for published in PUBLISHED.values():
        if sha256.startswith(published.sha256):
            return published
    return None
