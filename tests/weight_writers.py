"""Write arrays in every format of weights, with the libraries that usually write it."""

import io
import pickle
import struct
import tarfile
import zipfile
import zlib

import h5py
import numpy as np
import scipy.io


def write_npz(path, arrays, save=np.savez):
    """Write with numpy.savez or savez_compressed."""
    with open(path, "wb") as file:
        save(file, **arrays)


def tensors(arrays):
    """Return an OrderedDict {name: torch tensor}, like a state_dict."""
    from collections import OrderedDict

    import torch

    return OrderedDict((name, torch.from_numpy(array)) for name, array in arrays.items())


def write_pth_zip(path, arrays):
    """Write with torch.save."""
    import torch

    torch.save(tensors(arrays), path)


def write_pth_deflated(path, arrays):
    """Write with torch.save, then pack again with compression, as zip programs do."""
    buffer = io.BytesIO()
    write_pth_zip(buffer, arrays)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))


def write_pth_stream(path, arrays):
    """Write with torch.save in its format before version 1.6."""
    import torch

    torch.save(tensors(arrays), path, _use_new_zipfile_serialization=False)


def write_pth_tar(path, arrays):
    """Write float32 arrays in torch.save's format before 0.1.10, by hand: no available torch writes it."""
    count = pickle.dumps(len(arrays), 2)
    storages, tensors = [count], [count]
    for key, array in enumerate(arrays.values()):
        storages += [pickled_key(key, "cpu", "FloatStorage"), struct.pack("<q", array.size), array.tobytes()]
        strides = [stride // array.itemsize for stride in array.strides]
        tensors += [pickled_key(1000 + key, key, "FloatTensor"),
                    struct.pack(f"<iI{2 * array.ndim}qq", array.ndim, 0, *array.shape, *strides, 0)]
    storages.append(pickle.dumps([], 2))  # no partial storages
    state = io.BytesIO()
    TarPickler(state, 2).dump({name: ByKey(1000 + key) for key, name in enumerate(arrays)})
    sys_info = {"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    members = {"sys_info": pickle.dumps(sys_info, 2), "pickle": state.getvalue(), "tensors": b"".join(tensors),
               "storages": b"".join(storages)}
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def pickled_key(key, value, torch_type):
    """Return the pickle of (key, value, a type of torch such as FloatStorage); torch is not needed."""
    parts = [pickle.dumps(part, 2)[2:-1] for part in (key, value)]  # without PROTO and STOP
    return b"\x80\x02" + b"".join(parts) + f"ctorch\n{torch_type}\n".encode() + b"\x87."  # TUPLE3


class ByKey:
    """Represents the tensor of a key in a pickle."""

    def __init__(self, key):
        self.key = key


class TarPickler(pickle.Pickler):
    """Writes each tensor as its key."""

    def persistent_id(self, value):
        return value.key if isinstance(value, ByKey) else None


def write_safetensors(path, arrays):
    """Write with the safetensors library."""
    from safetensors.numpy import save_file

    save_file(arrays, path)


def write_onnx(path, arrays):
    """Write with the onnx library: a graph that has only initializers."""
    import onnx

    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = onnx.helper.make_graph([], "weights", [], [], initializers)
    onnx.save(onnx.helper.make_model(graph, producer_name="test"), path)


def write_caffemodel(path, arrays, kind="layer"):
    """Write {"conv1.weight": …, …} with the protobuf library. kind : "layers" (before July 2014) or "layer"."""
    net = caffe_messages()["NetParameter"](name="net")
    layers = {}
    for name, array in arrays.items():
        layers.setdefault(name.rpartition(".")[0], []).append(array)
    for name, blobs in layers.items():
        layer = getattr(net, kind).add(name=name, bottom=["data"], top=[name])
        for array in blobs:
            fill_blob(layer.blobs.add(), array, legacy=kind == "layers")
    with open(path, "wb") as file:
        file.write(net.SerializeToString())


def fill_blob(blob, array, legacy=False):
    """Fill a BlobProto in Caffe's form before (legacy) or after July 2014."""
    if legacy:
        blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
    else:
        blob.shape.dim.extend(array.shape)
    if array.dtype == np.float64:
        blob.double_data.extend(array.ravel().tolist())
    else:  # as bytes, because extending by a long list takes minutes
        blob.MergeFromString(b"\x2a" + varint(array.nbytes) + array.astype("<f4").tobytes())


def varint(value):
    """Return the bytes of a varint."""
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def write_keras(path, arrays, model=False):
    """Write {"conv1/kernel": …, …} as Keras does. model : like model.save instead of save_weights."""
    layers = {}
    for name, array in arrays.items():
        layers.setdefault(name.rpartition("/")[0], []).append((name, array))
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if model else file
        root.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, weights in layers.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [f"{name}:0".encode() for name, _ in weights]
            for name, array in weights:
                group[f"{name}:0"] = array


def write_matconvnet(path, arrays, compress=False):
    """Write {"conv1_1.filters": …, "conv1_1.biases": …} with scipy.io.savemat."""
    layers = {}
    for name, array in arrays.items():
        layers.setdefault(name.rpartition(".")[0], []).append(array)
    cells = np.empty((1, len(layers)), object)
    for i, (layer, (filters, biases)) in enumerate(layers.items()):
        weights = np.empty((1, 2), object)
        weights[0] = [filters, biases.reshape(1, -1)]
        cells[0, i] = {"name": layer, "type": "conv", "weights": weights, "pad": np.ones((1, 4)), "stride": 1.0}
    scipy.io.savemat(path, {"layers": cells, "meta": {"classes": 1000.0}}, do_compression=compress)


def write_matconvnet_packed(path, arrays):
    """Write a compressed file at compression level 0: a higher level takes a minute a gigabyte."""
    write_matconvnet(path, arrays)
    with open(path, "rb") as file:
        header, tag = file.read(128), file.read(8)
        layers = tag + file.read(struct.unpack("<I", tag[4:])[0])
    packed = zlib.compress(layers, 0)
    with open(path, "wb") as file:
        file.writelines([header, struct.pack("<II", 15, len(packed)), packed])


CAFFE = {  # message -> {field: (number, type)} of caffe.proto; a star means repeated, numbers packed
    "BlobShape": {"dim": (1, "int64*")},
    "BlobProto": {"num": (1, "int32"), "channels": (2, "int32"), "height": (3, "int32"), "width": (4, "int32"),
                  "data": (5, "float*"), "diff": (6, "float*"), "shape": (7, "BlobShape"),
                  "double_data": (8, "double*"), "double_diff": (9, "double*"), "raw_data": (12, "bytes")},
    "V0LayerParameter": {"name": (1, "string"), "blobs": (50, "BlobProto*")},
    "V1LayerParameter": {"layer": (1, "V0LayerParameter"), "bottom": (2, "string*"), "top": (3, "string*"),
                         "name": (4, "string"), "type": (5, "int32"), "blobs": (6, "BlobProto*")},
    "LayerParameter": {"name": (1, "string"), "type": (2, "string"), "bottom": (3, "string*"), "top": (4, "string*"),
                       "blobs": (7, "BlobProto*")},
    "NetState": {"level": (2, "int32")},
    "NetParameter": {"name": (1, "string"), "layers": (2, "V1LayerParameter*"), "input": (3, "string*"),
                     "input_dim": (4, "int32*unpacked"), "force_backward": (5, "bool"), "state": (6, "NetState"),
                     "debug_info": (7, "bool"), "input_shape": (8, "BlobShape*"), "layer": (100, "LayerParameter*")},
}


def caffe_messages():
    """Return {"NetParameter": its class, …}, made by the protobuf library."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, message_fields in CAFFE.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in message_fields.items():
            kind, star, packing = kind.partition("*")
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if star else field.LABEL_OPTIONAL
            if kind in CAFFE:
                field.type, field.type_name = field.TYPE_MESSAGE, f".caffe.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
                if star and kind != "string":
                    field.options.packed = packing != "unpacked"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{name}")) for name in CAFFE}
