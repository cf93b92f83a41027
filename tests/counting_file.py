"""Shared by the tests of the readers: a file that counts the bytes read, and a comparison of arrays."""

from io import BytesIO


class CountingFile(BytesIO):
    """A BytesIO that counts the bytes that are read."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data

    def readinto(self, buffer):
        size = super().readinto(buffer)
        self.count += size
        return size


def same(ours, theirs):
    """Return True if both arrays have the same type, shape and bits."""
    return (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
