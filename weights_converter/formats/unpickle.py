"""Pickles read without running any code: only plain values, and the names that the caller provides.

A checkpoint often contains the settings and results of the training too, of any class. Each name that
the caller does not provide becomes a Placeholder, which only remembers the name.
"""

import pickle  # only for the values of its opcodes
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minicnn.errors import InputError

from .pickle_names import is_attack
from .pickle_stream import PickleStream
from .stored import SourceFile, printable

NAME_LIMIT = 1000  # different unknown names in one pickle

PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")
VALUES = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
TEXTS = {  # opcode -> struct format of the length before the text
    pickle.SHORT_BINUNICODE: "<B", pickle.BINUNICODE: "<I", pickle.BINUNICODE8: "<Q",
}
PYTHON_2_TEXTS = {pickle.SHORT_BINSTRING: "<B", pickle.BINSTRING: "<I"}
BYTES = {pickle.SHORT_BINBYTES: "<B", pickle.BINBYTES: "<I", pickle.BINBYTES8: "<Q", pickle.BYTEARRAY8: "<Q"}


def unpickle(file: SourceFile, known: Mapping[str, Any] | None = None,
             persistent_load: Callable[[Any], Any] | None = None, strict: bool = True) -> Any:
    """Return the object that is pickled at the position of `file`, which then stands behind the pickle.

    Parameters
    ----------
    file : open for reading bytes.
    known : the objects for the names that the pickle may use, as {"torch.FloatStorage": …}. The pickle may call
        the functions and classes among them. No name is imported, and nothing else is called.
    persistent_load : function from a persistent id to its object.
    strict : if True, any other name raises InputError. If False, other names become Placeholders, but names
        of attacks (see `is_attack`) still raise InputError.

    Raises InputError if the pickle is damaged, too large, or has an opcode that no weights need.
    """
    return PickleMachine(file, known or {}, persistent_load, strict).run()


class Placeholder:
    """Stands for an unknown name, for the result of calling it, and for a key of a dict that is not a name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class PickleMachine:
    """A pickle is a program for a machine with a stack and a memo. Each opcode is one step of it."""

    def __init__(self, file: SourceFile, known: Mapping[str, Any], persistent_load: Callable[[Any], Any] | None,
                 strict: bool) -> None:
        self.stream = PickleStream(file)
        self.known = {**known, "collections.OrderedDict": OrderedDict}
        self.persistent_load = persistent_load
        self.strict = strict
        self.placeholders: dict[str, Placeholder] = {}  # by name: repeated names share one
        self.stack: list[Any] = []
        self.stacks_below: list[list[Any]] = []  # for each open mark, the stack before it
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Take all steps and return the object that is then on the stack."""
        if self.stream.read(1) != pickle.PROTO or self.stream.read(1) not in PROTOCOLS:
            raise InputError("its pickle does not have protocol 2 to 5, which torch.save writes")
        while (opcode := self.stream.read(1)) != pickle.STOP:
            self.stream.count_steps(1)
            self.step(opcode)
        return self.stack.pop()

    def step(self, opcode: bytes) -> None:
        """Do one step. Opcodes of plain values are handled here, the others by the methods below."""
        stack, stream = self.stack, self.stream
        if opcode in VALUES:
            stack.append(VALUES[opcode])
        elif opcode in NUMBERS:
            stack.append(stream.number(NUMBERS[opcode]))
        elif opcode in TEXTS:
            stack.append(stream.read(stream.number(TEXTS[opcode])).decode("utf-8"))
        elif opcode in BYTES:
            stack.append(stream.read(stream.number(BYTES[opcode])))
        elif opcode in PYTHON_2_TEXTS:
            stack.append(text_or_bytes(stream.read(stream.number(PYTHON_2_TEXTS[opcode]))))
        elif opcode == pickle.LONG1:
            stack.append(int.from_bytes(stream.read(stream.number("<B")), "little", signed=True))
        elif opcode == pickle.FRAME:  # the size of the next block of bytes, which is not needed here
            stream.read(8)
        else:
            self.memo_step(opcode)

    # ---- opcodes, in three groups ------------------------------------------------------------------------------

    def memo_step(self, opcode: bytes) -> None:
        """Do a step that stores an object in the memo or fetches it; hand other opcodes on."""
        match opcode:
            case pickle.MEMOIZE:
                self.memo[len(self.memo)] = self.stack[-1]
            case pickle.BINPUT:
                self.memo[self.stream.number("<B")] = self.stack[-1]
            case pickle.LONG_BINPUT:
                self.memo[self.stream.number("<I")] = self.stack[-1]
            case pickle.BINGET:
                self.stack.append(self.memo[self.stream.number("<B")])
            case pickle.LONG_BINGET:
                self.stack.append(self.memo[self.stream.number("<I")])
            case _:
                self.container_step(opcode)

    def container_step(self, opcode: bytes) -> None:
        """Do a step that builds a tuple, list, dict or set; hand other opcodes on."""
        match opcode:
            case pickle.TUPLE1 | pickle.TUPLE2 | pickle.TUPLE3:
                items = [self.stack.pop() for _ in range(TUPLES[opcode])]
                self.stack.append(tuple(reversed(items)))
            case pickle.MARK:
                self.stacks_below.append(self.stack)
                self.stack = []
            case pickle.TUPLE:
                items = self.pop_to_mark()
                self.stack.append(tuple(items))
            case pickle.EMPTY_LIST:
                self.stack.append([])
            case pickle.APPEND:
                item = self.stack.pop()
                self.top(list).append(item)
            case pickle.APPENDS:
                items = self.pop_to_mark()
                self.top(list).extend(items)
            case pickle.EMPTY_DICT:
                self.stack.append({})
            case pickle.SETITEM:
                value, key = self.stack.pop(), self.stack.pop()
                self.top(dict)[self.require_key(key)] = value
            case pickle.SETITEMS:
                items = self.pop_to_mark()
                for key, value in zip(items[::2], items[1::2], strict=True):
                    self.top(dict)[self.require_key(key)] = value
            case pickle.EMPTY_SET if not self.strict:  # no state_dict has sets
                self.stack.append(self.placeholder("set"))
            case pickle.ADDITEMS if not self.strict:
                self.pop_to_mark()
                self.require_placeholder(self.stack[-1])
            case pickle.FROZENSET if not self.strict:
                self.pop_to_mark()
                self.stack.append(self.placeholder("frozenset"))
            case _:
                self.object_step(opcode)

    def object_step(self, opcode: bytes) -> None:
        """Do a step that looks up a name or makes an object. Raises InputError for all opcodes that are left."""
        match opcode:
            case pickle.GLOBAL:
                self.stack.append(self.look_up(self.stream.line(), self.stream.line()))
            case pickle.STACK_GLOBAL:
                name, module = self.stack.pop(), self.stack.pop()
                self.stack.append(self.look_up(module, name))
            case pickle.BINPERSID if self.persistent_load:
                self.stack.append(self.persistent_load(self.stack.pop()))
            case pickle.REDUCE | pickle.NEWOBJ:
                arguments, function = self.stack.pop(), self.stack.pop()
                self.stack.append(self.call(function, arguments))
            case pickle.NEWOBJ_EX if not self.strict:
                self.stack[-3:] = [self.require_placeholder(self.stack[-3])]
            case pickle.OBJ if not self.strict:  # OBJ and INST make objects of Python 2's classes
                items = self.pop_to_mark()
                self.stack.append(self.require_placeholder(items[0]))
            case pickle.INST:
                found = self.look_up(self.stream.line(), self.stream.line())
                self.pop_to_mark()
                self.stack.append(self.require_placeholder(found))
            case pickle.BUILD:
                self.build(self.stack.pop())
            case _:
                raise InputError(f"its pickle has the opcode {opcode!r}, which no weights need: save the state_dict "
                                 "alone")

    # ---- the stack ---------------------------------------------------------------------------------------------

    def pop_to_mark(self) -> list[Any]:
        """Remove and return all items above the last mark."""
        items, self.stack = self.stack, self.stacks_below.pop()
        return items

    def top(self, kind: type) -> Any:
        """Return the list or dict on top of the stack. For a Placeholder return a new one, which is discarded."""
        if isinstance(self.stack[-1], Placeholder):
            return kind()
        if not isinstance(self.stack[-1], kind):
            raise InputError("its pickle is damaged: it adds items to an object that is not a list or dict")
        return self.stack[-1]

    def require_key(self, key: Any) -> Any:
        """Return the key of a dict if it is a name or number; hashing a nested tuple could take for ever.

        Other keys become a Placeholder. Raises InputError for them if the machine is strict.
        """
        if isinstance(key, str) and len(key) <= 1000 or isinstance(key, int) and abs(key) < 2**60:
            return key
        if self.strict:
            raise InputError("its pickle has a dict whose keys are not names or numbers")
        return self.placeholder(f"a key of type {type(key).__name__}")

    # ---- names and calls ---------------------------------------------------------------------------------------

    def look_up(self, module: Any, name: Any) -> Any:
        """Return the object for a name: from the table of known names, never by an import."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise InputError("its pickle is damaged: it asks for a name that is not a text")
        module, name = module[:200], name[:200]
        whole = f"{module}.{name}"
        if whole in self.known:
            return self.known[whole]
        if is_attack(module, name):
            raise InputError(f"it asks for {printable(whole)}, which no checkpoint needs: it is not safe "
                             "to load elsewhere either")
        if self.strict:
            raise InputError(f"it asks for {printable(whole)}, which is no weight: save the state_dict alone")
        return self.placeholder(whole)

    def placeholder(self, name: str) -> Placeholder:
        """Return the Placeholder of that name."""
        if name not in self.placeholders:
            if len(self.placeholders) == NAME_LIMIT:
                raise InputError(f"its pickle asks for more than {NAME_LIMIT:,} names: save the state_dict alone")
            self.placeholders[name] = Placeholder(printable(name))
        return self.placeholders[name]

    def require_placeholder(self, value: Any) -> Placeholder:
        """Return `value`, a Placeholder, as the result of calling it. Raises InputError for any other value."""
        if not isinstance(value, Placeholder):
            raise InputError("its pickle makes an object in a way that torch.save never uses: save the state_dict "
                             "alone")
        return value

    def call(self, function: Any, arguments: Any) -> Any:
        """Return the result of a known function. A Placeholder is returned itself; nothing else is called."""
        if isinstance(function, Placeholder):
            return function
        if not callable(function) or type(arguments) is not tuple or len(arguments) > 10:
            raise InputError("its pickle is damaged: it calls an object that is not a function")
        if function is OrderedDict:
            return self.ordered_dict(*arguments)
        return function(*arguments)

    def ordered_dict(self, pairs: Any = ()) -> Any:
        """Return an OrderedDict. Python 2 gives its items as a list of pairs; Python 3 adds them later."""
        if isinstance(pairs, Placeholder):
            return pairs
        self.stream.count_steps(len(pairs))
        items: Iterable[tuple[Any, Any]] = pairs
        return OrderedDict((self.require_key(key), value) for key, value in items)

    def build(self, state: Any) -> None:
        """Set the state of the object on top of the stack. An OrderedDict's (PyTorch's _metadata) is ignored."""
        target = self.stack[-1]
        if type(target) is OrderedDict or isinstance(target, Placeholder):
            return
        if not hasattr(target, "set_state"):
            raise InputError("its pickle sets the state of an object that has none: save the state_dict alone")
        target.set_state(state)


def text_or_bytes(data: bytes) -> str | bytes:
    """Decode a str of Python 2, which may be a text or bytes."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data
