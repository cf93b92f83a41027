"""The bytes of a pickle, read with limits on their number and on the number of steps."""

import struct
from typing import Any

from minicnn.errors import InputError

from .stored import SourceFile

PICKLE_LIMIT = 2**24  # bytes of one pickle; VGG-19's state_dict takes 5,000
STEP_LIMIT = 300_000  # opcodes of one pickle; a tensor takes about 40


class PickleStream:
    """Reads the parts of one pickle, and refuses one that would fill the memory or never end."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.bytes_left = PICKLE_LIMIT
        self.steps_left = STEP_LIMIT

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > self.bytes_left:
            raise InputError(f"its pickle has more than {PICKLE_LIMIT:,} bytes, or damaged lengths")
        self.bytes_left -= count
        data = self.file.read(count)
        if len(data) < count:
            raise InputError("its pickle ends too early: the file is truncated or damaged")
        return data

    def line(self) -> str:
        """Return the next line, a part of a name."""
        line = self.file.readline(200)
        self.bytes_left -= len(line)
        if not line.endswith(b"\n"):
            raise InputError("its pickle has a name of more than 200 bytes; the file is damaged")
        return line[:-1].decode("utf-8")

    def number(self, packing: str) -> Any:
        """Return the next number, an int or a float in a format of the struct module."""
        return struct.unpack(packing, self.read(struct.calcsize(packing)))[0]

    def count_steps(self, count: int) -> None:
        """Count steps. Raises InputError after STEP_LIMIT of them."""
        self.steps_left -= count
        if self.steps_left < 0:
            raise InputError(f"its pickle takes more than {STEP_LIMIT:,} steps, which no weights do; save the "
                             "state_dict alone")
