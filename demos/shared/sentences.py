"""Sentences with values in them, that the sources write as Python expressions, in another language.

A sentence is found in a source with a field {0}, {1}, … for each value. A finished text is matched with the sentences,
and its values are put into the translation.
"""

import ast
import re
from collections.abc import Collection, Iterator
from functools import cache
from itertools import product

from .language import Translate

Pieces = tuple[str | None, ...]  # texts, and None for each value between them
Scope = tuple[ast.Module, frozenset[str]]  # a module, and the names that are being followed: none goes in circles
SENTENCE = 5                     # words of a text that is translated as a part of a sentence, at least


def forms(node: ast.AST, scope: Scope) -> list[Pieces]:
    """Return the texts that an expression may give.

    A name stands for the texts that the module assigns to it, and a call of its functions for those that they return.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [(node.value,)]
    if isinstance(node, ast.IfExp):
        return [*forms(node.body, scope), *forms(node.orelse, scope)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [("",), *forms(node.left, scope)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return joined(node.left, node.right, scope=scope)
    if isinstance(node, ast.JoinedStr):
        return joined(*node.values, scope=scope)
    if isinstance(node, ast.FormattedValue):
        inner = forms(node.value, scope)  # a short one, such as a name of a colour, is a value
        return [pieces for pieces in inner if words(pieces) >= SENTENCE or pieces == ("",)] + \
            [(None,)] * any(words(pieces) < SENTENCE and pieces != ("",) for pieces in inner)
    if isinstance(node, ast.Name):
        return list(assigned(node.id, scope)) or [(None,)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return list(returned(node.func.id, scope)) or [(None,)]
    return [(None,)]


def words(pieces: Pieces) -> int:
    """Return the number of words of a text."""
    return len(" ".join(piece or "" for piece in pieces).split())


def joined(*nodes: ast.AST, scope: Scope) -> list[Pieces]:
    """Return the texts of several expressions, one after another."""
    return [sum(pieces, ()) for pieces in product(*(forms(node, scope) for node in nodes))]


def assigned(name: str, scope: Scope) -> Iterator[Pieces]:
    """Yield the texts that are assigned to a name anywhere in the module."""
    tree, followed = scope
    for node in ast.walk(tree) if name not in followed else ():
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [name] \
                and isinstance(node.value, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.IfExp)):
            yield from forms(node.value, (tree, followed | {name}))


def returned(name: str, scope: Scope) -> Iterator[Pieces]:
    """Yield the texts that a function of the module returns."""
    tree, followed = scope
    for function in tree.body if name not in followed else ():
        if isinstance(function, ast.FunctionDef) and function.name == name:
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from forms(node.value, (tree, followed | {name}))


def numbered(pieces: Pieces) -> str:
    """Return the text with a numbered field for each value."""
    numbers = iter(range(len(pieces)))
    return "".join(f"{{{next(numbers)}}}" if piece is None else piece for piece in pieces)


def arguments(source: str, places: dict[str, tuple[int, ...]]) -> list[str]:
    """Return the texts that a module's calls of functions may get, with numbered fields, each once.

    places : {name of a function: the places of its arguments}.
    """
    tree = ast.parse(source)
    found = [numbered(pieces) for node in ast.walk(tree)
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
             for place in places.get(node.func.id, ()) if place < len(node.args)
             for pieces in forms(node.args[place], (tree, frozenset()))]
    return list(dict.fromkeys(text for text in found if re.search("[a-z]{2}", re.sub(r"\{\d+\}", "", text))))


def translated(text: str, known: Collection[str], _: Translate) -> str:
    """Return the translation of a text that is one of the known sentences with values, or else the text itself.

    Values that are known sentences or words are translated, too. Sentences that follow the known one stay as they are.
    """
    for sentence in sorted(known, key=len, reverse=True):  # the longest text, so that a value is as short as can be
        if found := values_of(text, sentence):
            *values, more = found
            return _(sentence).format(*(translated(value, known, _) for value in values)) + more
    return text


def values_of(text: str, sentence: str) -> list[str]:
    """Return the values in a text that is a sentence with values, and the sentences after it; [] if it is not."""
    found = pattern_of(sentence).fullmatch(text)
    return [] if found is None else [group or "" for group in found.groups()]


@cache
def pattern_of(sentence: str) -> re.Pattern[str]:
    """Return the pattern of a sentence with values, and of the sentences after it."""
    pattern = re.sub(r"\\\{\d+\\\}", "(.*?)", re.escape(sentence)) + ("( .*)?" if sentence.endswith(".") else "()")
    return re.compile(pattern, re.DOTALL)
