"""Zip archives (.npz, and .pth since PyTorch 1.6), opened with bounded memory even if the archive is hostile."""

import zipfile
from typing import cast

from minicnn.errors import InputError

from .stored import SourceFile, printable

DIRECTORY_LIMIT = 2**21  # bytes of the table of contents; a network of 1,000 arrays needs 100,000
MEMBER_LIMIT = 10_000
NAME_LIMIT = 1000  # characters of a member's name; zipfile quotes it in its messages


def open_zip(file: SourceFile) -> zipfile.ZipFile:
    """Open the zip archive in `file`.

    zipfile reads as many bytes for the table of contents as the archive announces, and makes an object of every
    46 of them. BoundedFile limits both.

    Raises InputError if the table of contents is larger than weights need.
    """
    archive = zipfile.ZipFile(BoundedFile(file))
    names = archive.namelist()
    if len(names) > MEMBER_LIMIT:
        raise InputError(f"the zip archive has {len(names):,} members, more than the limit of {MEMBER_LIMIT:,}")
    longest = max(map(len, names), default=0)
    if longest > NAME_LIMIT:
        raise InputError(f"the name of a member of the zip archive is too long: {longest:,} characters, the limit is "
                         f"{NAME_LIMIT:,}")
    return archive


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    """Open a member for reading. Raises InputError if it is encrypted or its header is damaged."""
    if member.flag_bits & 1:
        raise InputError("the zip archive is encrypted; save it without a password")
    try:
        return cast(zipfile.ZipExtFile, archive.open(member))
    except zipfile.BadZipFile as problem:  # its message may quote 60,000 bytes
        raise InputError(f"{printable(member.filename)} is damaged: {printable(str(problem))}; download the file "
                         "again") from None


class BoundedFile:
    """The part of a file's interface that zipfile uses; a single read returns at most DIRECTORY_LIMIT bytes.

    Values are read in smaller blocks, so only an oversized table of contents exceeds the limit.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position of the file."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position in the file."""
        return self.file.tell()

    def seekable(self) -> bool:
        """Return True: zipfile asks."""
        return True

    def read(self, count: int | None = -1, /) -> bytes:
        """Read the next `count` bytes; all remaining ones if `count` is negative or None."""
        count = -1 if count is None else count
        if count <= DIRECTORY_LIMIT:
            data = self.file.read(count if count >= 0 else DIRECTORY_LIMIT + 1)
            if len(data) <= DIRECTORY_LIMIT:
                return data
        raise InputError(f"the table of contents of the zip archive has more than {DIRECTORY_LIMIT:,} bytes, which "
                         "no weights need; the file may be damaged")
