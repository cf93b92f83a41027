"""NumPy archives are read bit by bit; no header is run as Python, and no zip archive fills the memory."""

import struct
import zipfile
from io import BytesIO
from time import process_time

import numpy as np
import pytest
from hangs import HANGS
from limited_memory import limited_memory

from minicnn.errors import InputError
from weights_converter.formats.npz import npz_arrays
from weights_converter.formats.pytorch import zip_arrays
from weights_converter.formats.zip_archive import open_zip


def npz(arrays, save=np.savez):
    file = BytesIO()
    save(file, **arrays)
    return file


def npy(header, values=bytes(8), version=1, length=None):
    """Return a .npy file with this header and announced length."""
    packed = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(packed) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + length + packed + values


def header(descr="'<f4'", order="False", shape="(2,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def archive_of(*contents, compression=zipfile.ZIP_DEFLATED):
    file = BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for i, content in enumerate(contents):
            archive.writestr(f"a{i}.npy", content)
    return file


def refusal(file, read=npz_arrays):
    """Return the message: one short line before harm is done, without NumPy's advice to load pickles."""
    start = process_time()
    with pytest.raises(InputError) as caught:
        read(file)
    assert process_time() - start < HANGS
    message = str(caught.value)
    assert message.isprintable() and len(message) < 400 and "pickle=True" not in message
    return message


# ---- files that are read -----------------------------------------------------------------------------------

@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_bit_by_bit(rng, save):
    weight = rng.standard_normal((4, 3, 3, 3), np.float32)
    arrays = {"c": weight, "fortran": np.asfortranarray(weight), "transposed": weight.T, "scalar": np.array(2.5),
              "empty": np.zeros((0, 3)), "one": weight[:1, 0, 0, 0], "big": weight.astype(">f8"),
              "text": np.array("ab"), **{code: (10 * weight).astype(code) for code in "?bBhHiIqQefdFD"}}
    for array in npz_arrays(npz(arrays, save)):
        given, values = arrays[array.name], array.read()
        assert (array.shape, array.dtype) == (values.shape, values.dtype) == (given.shape, given.dtype)
        assert values.tobytes() == given.tobytes() and values.flags.writeable
        assert values.flags.f_contiguous == given.flags.f_contiguous


@pytest.mark.parametrize("text, shape", [
    (header(shape="(2L,)"), (2,)), (header(shape="(2L, 1L)"), (2, 1)), (header(descr="'f4'", shape="(1,2)"), (1, 2)),
    (header(descr="'<f8'", shape="()"), ()), ("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}   ", (2,))])
@pytest.mark.parametrize("version", [1, 2])
def test_headers_of_python_2_and_of_other_writers(text, shape, version):
    (array,) = npz_arrays(archive_of(npy(text, version=version)))
    assert array.shape == array.read().shape == shape


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_is_in_memory_once(save):
    file = npz({"w": np.ones(2**21, np.float32)}, save)
    with limited_memory(2**20):
        (w,) = npz_arrays(file)
    with limited_memory(2**23 + 4 * 2**20):
        assert w.read()[-1] == 1


# ---- hostile headers ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("version, length", [(1, 10_001), (1, 2**16 - 1), (2, 10_001), (2, 2**24), (2, 2**31),
                                             (2, 2**32 - 1)])
def test_a_long_header_is_not_read(version, length):
    bomb = archive_of(npy(" " * min(length, 2**24), version=version, length=length))
    with limited_memory(2**20):
        assert refusal(bomb) == f"a0 has a header of {length:,} bytes, more than the limit of 10,000"


@pytest.mark.parametrize("text", [
    "-" * 9000 + "1",  # raises MemoryError in Python's parser
    "(" * 9000, "1+" * 4000 + "1j", "9" * 9900, "{'descr': " * 900, "'" * 9999, "", "{}", "[]", "None", "\n" * 9999,
    header(descr="[('a', '<f4')]"), header(descr="('<f4', (2,))"), header(descr="'<f4,<f4'"), header(descr="'V'"),
    header(descr="'S0'"), header(order="1"), header(shape="2"), header(shape="[2]"), header(shape="(2.0,)"),
    header(shape="(True,)"), header(shape="(2,"), header() + "x", header()[1:], header().replace("shape", "shap")])
def test_a_header_is_never_run_as_python(text):
    assert refusal(archive_of(npy(text))).startswith("a0 is not a plain array; its header is ")


@pytest.mark.parametrize("shape", ["(3,)", "(-2,)", "(-1, -2)", "(2, -1)", "(4611686018427387904, 4)", "(1, 1)",
                                   "(1" + ", 1" * 32 + ")", "(" + "9" * 20 + ",)", "(" + "9" * 9000 + ",)"])
def test_a_shape_that_does_not_match_the_bytes(shape):
    assert "a0 announces the shape (" in refusal(archive_of(npy(header(shape=shape))))


def test_objects():
    for descr in ("'|O'", "'O'", "'O8'"):
        message = refusal(archive_of(npy(header(descr=descr))))
        assert message == ("a0 holds pickled Python objects, which are never loaded; save it as an array of "
                           "numbers")


@pytest.mark.parametrize("content, message", [
    (b"", "a0 is not a .npy file, or is truncated"), (b"\x93NUMPY", "a0 is not a .npy file, or is truncated"),
    (b"\x93NUMPX\x01\0" + bytes(9), "a0 is not a .npy file, or is truncated"),
    (b"\x93NUMPY\x03\0" + bytes(9), "a0 is a .npy file of version 3.0; only 1.0 and 2.0 can be read"),
    (b"\x93NUMPY\x01\x01" + bytes(9), "a0 is a .npy file of version 1.1; only 1.0 and 2.0 can be read"),
    (npy(header()[:20], b""), "a0 is not a plain array; its header is \"{'descr': '<f4', 'fo\""),
])
def test_other_members(content, message):
    assert refusal(archive_of(content)) == message


def test_a_strange_name_is_printed_in_one_line():
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a\n\x1b[2J" + "b" * 900 + ".npy", b"")
    assert refusal(file).startswith(r"'a\n\x1b[2Jbbb")


# ---- hostile tables of contents ----------------------------------------------------------------------------

def zip_of_entries(count, zip64=False, announced=1, size=None, name=b"", extra=b"", comment=b"", gap=b""):
    """Return a zip archive that has only a table of contents, with these numbers at its end."""
    lengths = len(name), len(extra)
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, *lengths, 0, 0, 0, 0, 0)
    directory = (entry + name + extra) * count
    size = len(directory) if size is None else size
    end = gap
    if zip64:
        end += struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, announced, announced, size, 0)
        end += struct.pack("<4sLQL", b"PK\x06\x07", 0, len(directory) + len(gap), 1)
        size = 2**32 - 1
    end += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, announced % 2**16, announced % 2**16, size, 0, len(comment))
    return BytesIO(directory + end + comment)


MILLION = {"as it is": {}, "in zip64": {"zip64": True}, "truly announced in zip64": {"zip64": True, "announced": 10**6},
           "before a comment": {"comment": b"x" * 60_000}, "named": {"name": b"a.npy"}}


@pytest.mark.parametrize("read", [open_zip, npz_arrays, zip_arrays])
@pytest.mark.parametrize("options", MILLION.values(), ids=MILLION)
def test_a_million_members(read, options):
    file = zip_of_entries(10**6, **options)
    with limited_memory(2**23):
        assert refusal(file, read).startswith("the table of contents of the zip archive has more than 2,097,152 bytes")


def test_as_many_members_as_the_bytes_allow():
    assert refusal(zip_of_entries(2**21 // 46), open_zip) == (
        "the zip archive has 45,590 members, more than the limit of 10,000")
    assert len(open_zip(zip_of_entries(10_000)).infolist()) == 10_000


@pytest.mark.parametrize("size", [2**22, 2**31, 2**40, 2**63, 2**64 - 1])
def test_a_missing_table_of_contents(size):
    file = zip_of_entries(10, zip64=True, size=size)
    with pytest.raises((InputError, zipfile.BadZipFile)), limited_memory(2**23):
        open_zip(file)


def test_entries_with_long_extra_fields():
    start = process_time()
    assert len(open_zip(zip_of_entries(31, extra=b"\0\0\0\0" * 16_000)).infolist()) == 31
    assert process_time() - start < HANGS


def test_a_long_name_in_a_member_header():
    content = bytearray(npz({"a": np.ones(100_000)}).getvalue())
    content[26:28] = struct.pack("<H", 60_000)  # the length of the name in the member's header
    message = refusal(BytesIO(content))
    assert message.startswith("a.npy is damaged: ") and len(message) < 200


@pytest.mark.parametrize("read", [open_zip, npz_arrays, zip_arrays])
def test_a_long_name_in_the_table_of_contents(read):
    assert refusal(zip_of_entries(1, name=b"a" * 60_000), read) == (
        "the name of a member of the zip archive is too long: 60,000 characters, the limit is 1,000")


def test_encrypted_members():
    content = bytearray(npz({"a": np.ones(3)}).getvalue())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(BytesIO(content)) == "the zip archive is encrypted; save it without a password"
