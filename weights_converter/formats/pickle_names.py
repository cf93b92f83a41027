"""Names in a pickle that no checkpoint needs and that an attacker would use.

Nothing runs them here, because no name is ever imported. Other programs would run them, so such a file is refused.
The list need not be complete: a name that is missing is not run here either.
"""

ATTACK_MODULES = {
    "os", "posix", "nt", "subprocess", "_posixsubprocess", "commands", "popen2", "pty", "sys", "builtins",
    "__builtin__", "shutil", "socket", "_socket", "ssl", "asyncio", "multiprocessing", "signal", "urllib",
    "urllib2", "http", "httplib", "ftplib", "smtplib", "telnetlib", "webbrowser", "importlib", "imp", "pkgutil",
    "zipimport", "runpy", "code", "codeop", "types", "marshal", "pickle", "_pickle", "cPickle", "cloudpickle",
    "dill", "shelve", "ctypes", "_ctypes", "cffi", "operator", "_operator", "io", "_io", "linecache", "pydoc",
    "timeit", "cProfile", "bdb", "pdb", "doctest", "idlelib", "distutils", "pip",
}
HARMLESS = {  # names of these modules that occur in ordinary checkpoints
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in (
        "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "long", "object", "range",
        "set", "slice", "str", "tuple", "unicode", "xrange")),
    "types.SimpleNamespace", "operator.attrgetter", "operator.itemgetter",
}


def is_attack(module: str, name: str) -> bool:
    """Return True if no checkpoint can need the name, so that it must be there to be run."""
    parts = name.split(".")
    inner = len(parts) > 1 and any(part in ATTACK_MODULES or part.startswith("__") for part in parts)
    return inner or module.partition(".")[0] in ATTACK_MODULES and f"{module}.{name}" not in HARMLESS
