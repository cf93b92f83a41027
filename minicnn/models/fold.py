"""Folding batch normalizations into the convolutions before them: fewer layers, the same results."""

from minicnn.backend import get_array_module
from minicnn.layers import BatchNorm2D, Conv2D
from minicnn.network import Network, Node


def fold_norms(net: Network) -> Network:
    """Return a network without the BatchNorm2D layers that follow a convolution; its convolutions are new ones.

    The result equals that of `net` outside training, where a normalization is one factor and one shift per channel:
    gamma (x - mean) / sqrt(var + eps) + beta, so w becomes factor * w, and b becomes factor * (b - mean) + beta.
    A normalization stays if another layer also reads its convolution, or if another node shares its convolution.

    >>> len(fold_norms(minicnn.models.photos(batch_norm=True)).nodes) == len(minicnn.models.photos().nodes)
    True
    """
    readers: dict[str, list[Node]] = {}
    for node in net.nodes:
        for source in node.inputs:
            readers.setdefault(source, []).append(node)
    uses = [id(node.layer) for node in net.nodes]
    nodes, renamed = [], {}  # renamed: {a normalization that is gone: the convolution that replaces it}
    for name, layer, inputs in net.nodes:
        after = readers.get(name, [])
        if name in renamed:
            continue
        if (type(layer) is Conv2D and uses.count(id(layer)) == 1 and len(after) == 1
                and isinstance(after[0].layer, BatchNorm2D)):
            renamed[after[0].name] = name
            layer = folded(layer, after[0].layer)
        nodes.append(Node(name, layer, tuple(renamed.get(source, source) for source in inputs)))
    return net._sibling(nodes)


def folded(convolution: Conv2D, norm: BatchNorm2D) -> Conv2D:
    """Return one convolution that computes the convolution and its normalization by the running averages."""
    w, b = convolution.params["w"], convolution.params.get("b", 0)
    gamma, beta, mean, var = norm.params["gamma"], norm.params["beta"], norm.buffers["mean"], norm.buffers["var"]
    factor = gamma / get_array_module(var).sqrt(var + norm.eps)  # (F,)
    F, C, KH, KW = w.shape
    out = Conv2D(C * convolution.groups, F, KH, convolution.stride, convolution.pad, convolution.groups)
    out.params = {"w": (factor[:, None, None, None] * w).astype(w.dtype),
                  "b": (factor * (b - mean) + beta).astype(w.dtype)}
    return out
