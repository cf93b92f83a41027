"""Shared by the tests of the converter: known sources, and small files."""

import zipfile
from io import BytesIO

import numpy as np
import pytest

from minicnn.models import build_network
from minicnn.models.weights import named_arrays
from weights_converter.formats.stored import StoredArray
from weights_converter.sources import SOURCES


def source_of(name, publisher):
    return next(source for source in SOURCES if (source.name, source.publisher) == (name, publisher))


def source_id(source):
    return f"{source.name}-{source.publisher}"


def source_arrays(source, net):
    """{source name: array} of a network, for sources with minicnn's layouts."""
    ours = named_arrays(net)
    return {name: ours[target.key] for name, target in source.names.items() if target.key in ours}


def announced(source):
    """The StoredArrays of a complete file of `source`, without values."""
    ours = named_arrays(build_network(source.architecture, **source.options))
    shapes = {name: target.layout.source_shape(ours[target.key].shape) for name, target in source.names.items()}
    shapes |= {name: array.shape for name, array in source.constants.items()}
    return [StoredArray(name, shape, np.dtype(np.float32), None) for name, shape in shapes.items()]


TRUNK = ("--features-only", "--network", "vgg16")


def npz_bytes(arrays):
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def zip_bytes(**members):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy_header(shape, descr="<f4"):
    buffer = BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def bfloat16_file(folder):
    """Write a safetensors file with filters in bfloat16, which NumPy lacks; return its path."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.ones(8, 3, 3, 3, dtype=torch.bfloat16)}, folder / "a.safetensors")
    return folder / "a.safetensors"
