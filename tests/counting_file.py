"""What the tests of the readers share: a file that counts what is read of it, and when two arrays are the same."""

from io import BytesIO


class CountingFile(BytesIO):
    """Counts the bytes that are read."""

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
    """Whether both arrays are the same bit by bit."""
    return (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
