"""Zip archives, which .npz and PyTorch's newer files are, opened so that a hostile table of contents costs little."""

import zipfile

from minicnn.errors import InputError
from weights_converter.formats.stored import shown

DIRECTORY_LIMIT = 2**21  # bytes of the table of contents; that of a network with 1,000 arrays has 100,000
MEMBER_LIMIT = 10_000
NAME_LIMIT = 1000  # characters of a member's name, which stands in the messages of zipfile


def open_zip(file):
    """The ZipFile of `file`, open for reading bytes; InputError where its table of contents is no weights'.

    zipfile takes as many bytes for that table as the archive announces, in one of several places, and makes an
    object of each 46 of them, however many members are announced. What it can read bounds all of that.
    """
    archive = zipfile.ZipFile(BoundedFile(file))
    names = archive.namelist()
    if len(names) > MEMBER_LIMIT:
        raise InputError(f"it has {len(names):,} members, more than the limit of {MEMBER_LIMIT:,}")
    longest = max(map(len, names), default=0)
    if longest > NAME_LIMIT:
        raise InputError(f"the name of a member is too long, {longest:,} characters")
    return archive


def open_member(archive, member):
    """The member, open for reading; InputError where what stands before its content is damaged."""
    if member.flag_bits & 1:
        raise InputError("it is encrypted: save it without a password")
    try:
        return archive.open(member)
    except zipfile.BadZipFile as problem:  # which may quote 60,000 bytes
        raise InputError(f"{shown(member.filename)} is damaged: {shown(str(problem))}") from None


class BoundedFile:
    """What zipfile needs of a file, up to DIRECTORY_LIMIT bytes at a time; values are read in smaller pieces."""

    def __init__(self, file):
        self.file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count=-1):
        """The next `count` bytes; all that is left where it is negative."""
        if count <= DIRECTORY_LIMIT:
            data = self.file.read(count if count >= 0 else DIRECTORY_LIMIT + 1)
            if len(data) <= DIRECTORY_LIMIT:
                return data
        raise InputError(f"its table of contents has more than {DIRECTORY_LIMIT:,} bytes, which no weights need")
