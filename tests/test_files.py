"""What replacing() writes appears complete or not at all, and free_path() names no existing file."""

import os

import pytest

from minicnn.errors import InputError
from minicnn.files import free_path, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def error_line(path, overwrite=False):
    """The one line, after the path, by which replacing() refuses `path` before the block runs."""
    with pytest.raises(InputError) as refusal:
        with replacing(path, overwrite):
            pytest.fail("the block ran")
    line = str(refusal.value)
    assert "\n" not in line and line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def test_new_file_appears_when_the_block_succeeds(tmp_path):
    target = tmp_path / "new.txt"
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert names(tmp_path) == ["new.txt"]
    assert target.read_text() == "new"


def test_temporary_lies_beside_the_target_with_its_suffix(tmp_path):
    with replacing(str(tmp_path / "picture.PNG")) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".PNG"
        temporary.touch()


def test_two_writers_have_two_temporary_files(tmp_path):
    target = tmp_path / "a.txt"
    with replacing(target, overwrite=True) as one:
        with replacing(target, overwrite=True) as two:
            one.write_text("one")
            two.write_text("two")
        assert target.read_text() == "two"
    assert target.read_text() == "one"  # the outer block ends last


def test_overwrite_replaces_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target, overwrite=True) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("written", [True, False])
def test_exception_leaves_the_old_file_and_no_other(tmp_path, exception, written):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(exception):
        with replacing(target, overwrite=True) as temporary:
            if written:
                temporary.write_text("half")
            raise exception
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_existing_file_is_refused(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    assert "already exists" in error_line(target)
    assert target.read_text() == "old"


def test_file_that_appears_during_the_block_is_kept(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(InputError, match="already exists"):
        with replacing(target) as temporary:
            temporary.write_text("mine")
            target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert names(tmp_path) == ["a.txt"]


def test_missing_folder_is_refused(tmp_path):
    assert "there is no folder" in error_line(tmp_path / "missing" / "a.txt")
    assert names(tmp_path) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_as_target_is_refused(tmp_path, overwrite):
    assert error_line(tmp_path, overwrite).startswith("this is a folder; ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_special_file_is_refused_even_to_overwrite(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in error_line(tmp_path / "pipe", overwrite=True)
    assert names(tmp_path) == ["pipe"]


def test_read_only_folder_is_refused(tmp_path, monkeypatch):
    # os.access is replaced, since root may write anywhere
    monkeypatch.setattr(os, "access", lambda folder, mode: not (folder == tmp_path and mode == os.W_OK))
    assert "no permission" in error_line(tmp_path / "a.txt")


def test_failed_move_is_one_line_and_cleans_up(tmp_path):
    target = tmp_path / ("a" * 300 + ".txt")  # longer than file systems allow, the temporary name is not
    with pytest.raises(InputError) as refusal:
        with replacing(target) as temporary:
            temporary.write_text("new")
    assert "\n" not in str(refusal.value) and str(refusal.value).startswith(f"{target}: cannot be written")
    assert names(tmp_path) == []


def test_relative_path_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replacing("a.txt") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX systems have permission bits")
def test_permissions_are_those_of_an_ordinary_new_file(tmp_path):
    (tmp_path / "ordinary.txt").touch()
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "ordinary.txt").stat().st_mode


def test_free_path_counts_up_to_the_first_gap(tmp_path):
    cat = tmp_path / "cat.png"
    assert free_path(cat) == cat
    cat.touch()
    assert free_path(str(cat)) == tmp_path / "cat-2.png"
    (tmp_path / "cat-2.png").touch()
    (tmp_path / "cat-4.png").touch()
    assert free_path(cat) == tmp_path / "cat-3.png"


def test_free_path_numbers_folders_too(tmp_path):
    (tmp_path / "gallery").mkdir()
    assert free_path(tmp_path / "gallery") == tmp_path / "gallery-2"
