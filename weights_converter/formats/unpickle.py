"""Pickles read without running anything: plain values, and those names that the caller knows beforehand.

A checkpoint has the settings and results of its training beside the weights, of whatever classes it used: there
every other name is a Placeholder, which only remembers the name.
"""

import pickle  # for the names of its opcodes only
import struct
from collections import OrderedDict

from minicnn.errors import InputError
from weights_converter.formats.stored import shown

PICKLE_LIMIT = 2**24  # bytes of one pickle; that of VGG-19's weights has 5,000
STEP_LIMIT = 300_000  # opcodes of one pickle; a tensor takes about 40
NAME_LIMIT = 1000  # different names of one pickle that are not known

# The modules whose names somebody puts into a pickle to do harm. Nothing of them would run here, but elsewhere it
# would, so the file is refused. The list need not be complete: what is not in it is not run here either.
ATTACKS = {
    "os", "posix", "nt", "subprocess", "_posixsubprocess", "commands", "popen2", "pty", "sys", "builtins",
    "__builtin__", "shutil", "socket", "_socket", "ssl", "asyncio", "multiprocessing", "signal", "urllib",
    "urllib2", "http", "httplib", "ftplib", "smtplib", "telnetlib", "webbrowser", "importlib", "imp", "pkgutil",
    "zipimport", "runpy", "code", "codeop", "types", "marshal", "pickle", "_pickle", "cPickle", "cloudpickle",
    "dill", "shelve", "ctypes", "_ctypes", "cffi", "operator", "_operator", "io", "_io", "linecache", "pydoc",
    "timeit", "cProfile", "bdb", "pdb", "doctest", "idlelib", "distutils", "pip",
}
HARMLESS = {  # names in modules of ATTACKS that checkpoints do have
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in (
        "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "long", "object", "range",
        "set", "slice", "str", "tuple", "unicode", "xrange")),
    "types.SimpleNamespace", "operator.attrgetter", "operator.itemgetter",
}

PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")
VALUES = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
TEXTS = {  # opcode -> how the length before the text is packed
    pickle.SHORT_BINUNICODE: "<B", pickle.BINUNICODE: "<I", pickle.BINUNICODE8: "<Q",
}
PYTHON_2_TEXTS = {pickle.SHORT_BINSTRING: "<B", pickle.BINSTRING: "<I"}
BYTES = {pickle.SHORT_BINBYTES: "<B", pickle.BINBYTES: "<I", pickle.BINBYTES8: "<Q", pickle.BYTEARRAY8: "<Q"}


def unpickle(stream, known=None, persistent_load=None, strict=True):
    """The object that is pickled at the position of `stream`, which is left right behind the pickle.

    known : what stands for the names that the pickle may ask for, {"torch.FloatStorage": ...}; those of them
    that are functions or classes it may call. persistent_load : function from a persistent id to its object.
    strict : whether any other name raises InputError; if not, only those of ATTACKS do, and for the rest stand
    Placeholders. No name is ever imported, and no other one called. Opcodes that no weights need raise InputError.
    """
    return PickleMachine(stream, known or {}, persistent_load, strict).run()


class Placeholder:
    """What stands for a name that is not known, for what is made by calling it, and for keys that are no names."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


class PickleMachine:
    """A pickle is a program for this machine with a stack and a memo; each opcode is one step."""

    def __init__(self, stream, known, persistent_load, strict):
        self.stream = stream
        self.known = {**known, "collections.OrderedDict": OrderedDict}
        self.persistent_load = persistent_load
        self.strict = strict
        self.placeholders = {}  # one for each name, however often the pickle asks for it
        self.stack = []
        self.stacks_below = []  # one for each mark: what was on the stack then
        self.memo = {}
        self.bytes_left = PICKLE_LIMIT
        self.steps_left = STEP_LIMIT

    def run(self):
        """Take one step after another; the object that is on the stack at the end."""
        if self.read(1) != pickle.PROTO or self.read(1) not in PROTOCOLS:
            raise InputError("its pickle is not of protocol 2 to 5, which torch.save writes")
        while (opcode := self.read(1)) != pickle.STOP:
            self.count_steps(1)
            self.step(opcode)
        return self.stack.pop()

    def step(self, opcode):
        """Do what the opcode says."""
        stack = self.stack
        if opcode in VALUES:
            stack.append(VALUES[opcode])
        elif opcode in NUMBERS:
            stack.append(self.number(NUMBERS[opcode]))
        elif opcode in TEXTS:
            stack.append(self.read(self.number(TEXTS[opcode])).decode("utf-8"))
        elif opcode in BYTES:
            stack.append(self.read(self.number(BYTES[opcode])))
        elif opcode in PYTHON_2_TEXTS:
            stack.append(text_or_bytes(self.read(self.number(PYTHON_2_TEXTS[opcode]))))
        elif opcode in TUPLES:
            items = [stack.pop() for _ in range(TUPLES[opcode])]
            stack.append(tuple(reversed(items)))
        else:
            self.seldom_step(opcode)

    def seldom_step(self, opcode):
        """The opcodes with a meaning of their own."""
        match opcode:
            case pickle.LONG1:
                self.stack.append(int.from_bytes(self.read(self.number("<B")), "little", signed=True))
            case pickle.EMPTY_LIST:
                self.stack.append([])
            case pickle.EMPTY_DICT:
                self.stack.append({})
            case pickle.MARK:
                self.stacks_below.append(self.stack)
                self.stack = []
            case pickle.TUPLE:
                items = self.pop_to_mark()
                self.stack.append(tuple(items))
            case pickle.APPEND:
                item = self.stack.pop()
                self.top(list).append(item)
            case pickle.APPENDS:
                items = self.pop_to_mark()
                self.top(list).extend(items)
            case pickle.SETITEM:
                value, key = self.stack.pop(), self.stack.pop()
                self.top(dict)[self.checked_key(key)] = value
            case pickle.SETITEMS:
                items = self.pop_to_mark()
                for key, value in zip(items[::2], items[1::2], strict=True):
                    self.top(dict)[self.checked_key(key)] = value
            case pickle.EMPTY_SET if not self.strict:  # sets are in no state_dict
                self.stack.append(self.placeholder("set"))
            case pickle.ADDITEMS if not self.strict:
                self.pop_to_mark()
                self.only_placeholder(self.stack[-1])
            case pickle.FROZENSET if not self.strict:
                self.pop_to_mark()
                self.stack.append(self.placeholder("frozenset"))
            case pickle.MEMOIZE:
                self.memo[len(self.memo)] = self.stack[-1]
            case pickle.BINPUT:
                self.memo[self.number("<B")] = self.stack[-1]
            case pickle.LONG_BINPUT:
                self.memo[self.number("<I")] = self.stack[-1]
            case pickle.BINGET:
                self.stack.append(self.memo[self.number("<B")])
            case pickle.LONG_BINGET:
                self.stack.append(self.memo[self.number("<I")])
            case pickle.GLOBAL:
                self.stack.append(self.named(self.line(), self.line()))
            case pickle.STACK_GLOBAL:
                name, module = self.stack.pop(), self.stack.pop()
                self.stack.append(self.named(module, name))
            case pickle.BINPERSID if self.persistent_load:
                self.stack.append(self.persistent_load(self.stack.pop()))
            case pickle.REDUCE | pickle.NEWOBJ:
                arguments, function = self.stack.pop(), self.stack.pop()
                self.stack.append(self.call(function, arguments))
            case pickle.NEWOBJ_EX if not self.strict:
                self.stack[-3:] = [self.only_placeholder(self.stack[-3])]
            case pickle.OBJ if not self.strict:  # OBJ and INST are for the classes of Python 2
                items = self.pop_to_mark()
                self.stack.append(self.only_placeholder(items[0]))
            case pickle.INST:
                found = self.named(self.line(), self.line())
                self.pop_to_mark()
                self.stack.append(self.only_placeholder(found))
            case pickle.BUILD:
                self.build(self.stack.pop())
            case pickle.FRAME:  # says how many bytes belong together, which does not matter here
                self.read(8)
            case _:
                raise refused_opcode(opcode)

    def read(self, count):
        """The next bytes of the pickle."""
        if count > self.bytes_left:
            raise InputError(f"its pickle has more than {PICKLE_LIMIT:,} bytes, or damaged lengths")
        self.bytes_left -= count
        data = self.stream.read(count)
        if len(data) < count:
            raise InputError("its pickle ends too early: the file is truncated or damaged")
        return data

    def line(self):
        """The next line of the pickle, a part of a name."""
        line = self.stream.readline(200)
        self.bytes_left -= len(line)
        if not line.endswith(b"\n"):
            raise InputError("its pickle has a name of more than 200 bytes")
        return line[:-1].decode("utf-8")

    def number(self, packing):
        """The next number of the pickle."""
        return struct.unpack(packing, self.read(struct.calcsize(packing)))[0]

    def count_steps(self, count):
        """Refuse a pickle that would take for ever, or fill the memory."""
        self.steps_left -= count
        if self.steps_left < 0:
            raise InputError(f"its pickle takes more than {STEP_LIMIT:,} steps, which no weights do")

    def pop_to_mark(self):
        """Everything on the stack above the last mark."""
        items, self.stack = self.stack, self.stacks_below.pop()
        return items

    def top(self, kind):
        """What is on top of the stack, which must be a list or a dict; what a Placeholder is given is dropped."""
        if isinstance(self.stack[-1], Placeholder):
            return kind()
        if not isinstance(self.stack[-1], kind):
            raise InputError("its pickle is damaged: it adds items to what is no list and no dict")
        return self.stack[-1]

    def named(self, module, name):
        """What stands for the name: a look-up in a fixed table, never an import."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise InputError("its pickle is damaged: it asks for a name that is no text")
        module, name = module[:200], name[:200]
        whole = f"{module}.{name}"
        if whole in self.known:
            return self.known[whole]
        if is_attack(module, name):
            raise InputError(f"it asks for {shown(whole)}, which no checkpoint needs: it is not safe "
                             "to load elsewhere either")
        if self.strict:
            raise InputError(f"it asks for {shown(whole)}, which is no weight: save the state_dict alone")
        return self.placeholder(whole)

    def placeholder(self, name):
        """The Placeholder of that name."""
        if name not in self.placeholders:
            if len(self.placeholders) == NAME_LIMIT:
                raise InputError(f"its pickle asks for more than {NAME_LIMIT:,} names: save the state_dict alone")
            self.placeholders[name] = Placeholder(shown(name))
        return self.placeholders[name]

    def only_placeholder(self, found):
        """`found`, a Placeholder, for what is made by calling it; InputError for anything else."""
        if not isinstance(found, Placeholder):
            raise InputError("its pickle calls in an old or unusual way what is no class of its own")
        return found

    def call(self, function, arguments):
        """The result of a function that the caller knows; nothing else is called, and a Placeholder stays one."""
        if isinstance(function, Placeholder):
            return function
        if not callable(function) or type(arguments) is not tuple or len(arguments) > 10:
            raise InputError("its pickle is damaged: it calls what is no function")
        if function is OrderedDict:
            return self.ordered_dict(*arguments)
        return function(*arguments)

    def ordered_dict(self, pairs=()):
        """An OrderedDict; Python 2 gives its items as a list of lists, Python 3 adds them later."""
        if isinstance(pairs, Placeholder):
            return pairs
        self.count_steps(len(pairs))
        return OrderedDict((self.checked_key(key), value) for key, value in pairs)

    def build(self, state):
        """Give the object on top of the stack its state; an OrderedDict's, PyTorch's _metadata, is not needed."""
        target = self.stack[-1]
        if type(target) is OrderedDict or isinstance(target, Placeholder):
            return
        if not hasattr(target, "set_state"):
            raise InputError("its pickle gives a state to what has none: save the state_dict alone")
        target.set_state(state)

    def checked_key(self, key):
        """The key of a dict, or a Placeholder for such as no state_dict has: tuples could take for ever to hash."""
        if isinstance(key, str) and len(key) <= 1000 or isinstance(key, int) and abs(key) < 2**60:
            return key
        if self.strict:
            raise InputError("its pickle has a dict with keys that are no names and no numbers")
        return self.placeholder(f"a key of type {type(key).__name__}")


def is_attack(module, name):
    """Whether no checkpoint can need the name, and somebody put it there to have it run."""
    parts = name.split(".")
    inner = len(parts) > 1 and any(part in ATTACKS or part.startswith("__") for part in parts)
    return inner or module.partition(".")[0] in ATTACKS and f"{module}.{name}" not in HARMLESS


def text_or_bytes(data):
    """A str of Python 2, which can be either."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def refused_opcode(opcode):
    """The InputError for an opcode."""
    return InputError(f"its pickle has the opcode {opcode!r}, which no weights need: save the state_dict alone")
