"""The caches of a forward pass in which chains of layers ran in step."""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from typing import Any

from minicnn.backend import Array
from minicnn.fast.rows.layer import ChainLayer
from minicnn.network import Network


class ChainedCaches(MutableMapping):
    """The caches of a pass in which chains ran as single nodes.

    For a question about one layer of a chain, the pass runs again, layer by layer.
    net : the network. chained : the same with chains as nodes. x, upto, keep : of the pass. of_chains : its caches.
    """

    def __init__(self, net: Network, chained: Network, x: Array, upto: Any, keep: Sequence[str],
                 of_chains: dict[str, Any]) -> None:
        self.net, self.chained, self.x, self.upto, self.keep = net, chained, x, upto, keep
        self.of_chains = of_chains
        self.of_layers: dict[str, Any] | None = None

    def fit(self, chained: Network, names: Iterable[str]) -> bool:
        """Return whether a backward pass of these chains can use the caches. names : of its ends."""
        if self.of_layers is not None or not chained.positions.keys() >= set(names):
            return False
        return len(chained.nodes) == len(self.chained.nodes) and all(
            node.name == other.name and (node.layer is other.layer or not isinstance(other.layer, ChainLayer) or (
                isinstance(node.layer, ChainLayer) and node.layer.has_form_of(other.layer)))
            for node, other in zip(chained.nodes, self.chained.nodes, strict=True))

    def layers(self) -> dict[str, Any]:
        """Return the caches of the single layers, from another forward pass of the same image."""
        if self.of_layers is None:
            left = list(self)
            caches = Network.forward(self.net, self.x, self.upto, self.keep, self.net.forward_step).caches
            self.of_layers, self.of_chains = {name: caches[name] for name in left}, {}
        return self.of_layers

    def __iter__(self) -> Iterator[str]:
        if self.of_layers is not None:
            return iter(list(self.of_layers))
        first, names = 0, []
        for node in self.chained.nodes:
            last = self.net.positions[node.name] + 1
            names += [each.name for each in self.net.nodes[first:last]] if node.name in self.of_chains else []
            first = last
        return iter(names)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return self.layers()[name]

    def __setitem__(self, name: str, cache: Any) -> None:
        self.layers()[name] = cache

    def __delitem__(self, name: str) -> None:
        del self.layers()[name]
