"""replacing() writes a file completely or not at all; free_path() returns a name that does not exist."""

import errno
import os

import pytest

from minicnn.errors import InputError
from minicnn.files import TEMPORARY, free_path, remove_leftovers, replacing, replacing_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def error_line(path, overwrite=False):
    """Return the error line of replacing() for `path`, without the path. The block must not run."""
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
def test_an_exception_keeps_the_old_file_and_leaves_no_temporary_file(tmp_path, exception, written):
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
    # os.access is replaced because root may write everywhere
    monkeypatch.setattr(os, "access", lambda folder, mode: not (folder == tmp_path and mode == os.W_OK))
    assert "no permission" in error_line(tmp_path / "a.txt")


def test_a_name_that_is_too_long_is_refused_at_once(tmp_path):
    line = error_line(tmp_path / ("a" * 300 + ".txt"), overwrite=True)
    assert line == "cannot be written (File name too long); give another name"


def test_a_zero_byte_in_the_name_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\\x00b: cannot be written \(embedded null"), replacing(tmp_path / "a\0b"):
        pass


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "there is no folder" in error_line(tmp_path / "file" / "a.txt")


def test_a_failed_move_is_one_line_and_removes_the_temporary_file(tmp_path, monkeypatch):
    def fail(old, new):
        raise PermissionError(errno.EACCES, "another program has it open")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError) as refusal:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("new")
    assert str(refusal.value) == (f"{tmp_path / 'a.txt'}: cannot be written (another program has it open); "
                                  "give another name")
    assert names(tmp_path) == []


def test_a_refusal_to_overwrite_says_how_to_allow_it(tmp_path):
    (tmp_path / "a.txt").touch()
    assert "--overwrite" in error_line(tmp_path / "a.txt") and "overwrite=True" in error_line(tmp_path / "a.txt")


needs_links = pytest.mark.skipif(os.name != "posix", reason="links need a privilege on Windows")


@needs_links
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_and_stays(tmp_path, there):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "file.dat", tmp_path / "link.txt"
    link.symlink_to("folder/file.dat")
    if there:
        target.write_text("old")
    assert "already exists" in error_line(link)
    with replacing(link, overwrite=True) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".txt"  # writers may choose the format by it
        temporary.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    assert names(tmp_path) == ["folder", "link.txt"] and names(target.parent) == ["file.dat"]


@needs_links
def test_links_without_a_file_are_refused(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    assert "not an ordinary file" in error_line(tmp_path / "circle", overwrite=True)
    (tmp_path / "gone").symlink_to("missing/a.txt")
    assert f"there is no folder {tmp_path / 'missing'}" in error_line(tmp_path / "gone", overwrite=True)
    (tmp_path / "to folder").symlink_to(".")
    assert "this is a folder" in error_line(tmp_path / "to folder", overwrite=True)


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


def test_free_path_takes_the_first_free_number(tmp_path):
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


def test_a_folder_is_replaced_whole(tmp_path):
    with replacing_folder(tmp_path / "tiles") as new:
        (new / "a.txt").write_text("old")
        assert not (tmp_path / "tiles").exists()
    with replacing_folder(tmp_path / "tiles", overwrite=True) as new:
        (new / "b.txt").write_text("new")
    assert names(tmp_path) == ["tiles"] and names(tmp_path / "tiles") == ["b.txt"]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, OSError(errno.ENOSPC, "full"), ValueError])
def test_a_folder_stays_as_it_was_if_the_block_fails(tmp_path, problem):
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "a.txt").write_text("old")
    expected = InputError if isinstance(problem, OSError) else problem
    with pytest.raises(expected):
        with replacing_folder(tmp_path / "tiles", overwrite=True) as new:
            (new / "b.txt").write_text("half")
            raise problem
    assert names(tmp_path) == ["tiles"] and names(tmp_path / "tiles") == ["a.txt"]


def test_a_folder_takes_the_place_of_no_file_no_link_and_no_other_folder(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name, overwrite in (("file", True), ("folder", False), ("link", True)):
        with pytest.raises(InputError, match=f"{name}: already exists"):
            with replacing_folder(tmp_path / name, overwrite):
                pytest.fail("the block ran")
    assert names(tmp_path) == ["file", "folder", "link"]


def test_folders_that_a_killed_program_left_are_removed(tmp_path):
    (tmp_path / f"{TEMPORARY}1234" / "tiles").mkdir(parents=True)
    (tmp_path / f"{TEMPORARY}1234" / "tiles" / "0.jpg").touch()
    (tmp_path / "kept").mkdir()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["kept"]
