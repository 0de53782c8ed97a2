"""What only a folder can suffer: links, odd files, full disks, missing rights, two processes."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medallion_assets.errors import NotFound, StorageError, StoreUnavailable
from medallion_assets.stores.local import LocalStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(StorageError) as caught:
        work()
    return caught.value.code


def test_the_root_is_created_by_the_first_write_with_all_its_parents(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a" / "b" / "c")
    assert list(store.list("")) == []
    with pytest.raises(NotFound):
        store.get("x")
    assert not (tmp_path / "a").exists()
    store.put("x", b"1")
    assert (tmp_path / "a/b/c/x").read_bytes() == b"1"


def test_url_is_an_absolute_path(store: LocalStore, root: Path) -> None:
    assert store.url("a/b") == str(root / "a" / "b")


def test_every_file_and_every_folder_on_the_way_is_synced(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    store.put_if_absent("a/b/x", b"1")
    assert [s if not s.startswith(".tmp-") else "<new file>" for s in synced] == [
        root.parent.name,  # holds the new root
        "lake",  # holds a
        "a",  # holds b
        "<new file>",
        "b",  # holds x
    ]


def test_a_link_below_the_root_is_never_followed(store: LocalStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put("in/x", b"1")
    (root / "dir").symlink_to(outside)
    (root / "in" / "file").symlink_to(outside / "secret")
    (root / "in" / "dangling").symlink_to(outside / "new")
    for path in ("dir/secret", "in/file", "in/dangling"):
        assert code_of(lambda p=path: store.get(p)) == "STO-002"  # type: ignore[misc]
        assert code_of(lambda p=path: store.info(p)) == "STO-002"  # type: ignore[misc]
    assert code_of(lambda: store.put("dir/new", b"2")) == "STO-002"
    assert code_of(lambda: store.put_if_absent("dir/new", b"2")) == "STO-002"
    assert code_of(lambda: store.delete("dir/secret")) == "STO-002"
    assert code_of(lambda: store.list("dir")) == "STO-002"
    assert code_of(lambda: store.put_if_absent("in/dangling", b"2")) == "STO-004"
    store.put("in/file", b"mine")  # replaces the link, not what it points to
    assert [o.path for o in store.list("")] == ["in/file", "in/x"]
    assert {p.name: p.read_bytes() for p in outside.iterdir()} == {"secret": b"secret"}


def test_a_root_that_is_a_link_is_the_owners_wish(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    LocalStore(tmp_path / "link").put("x", b"1")
    assert (tmp_path / "real" / "x").read_bytes() == b"1"


def test_odd_files_are_refused_without_hanging(store: LocalStore, root: Path) -> None:
    store.put("x", b"1")
    os.mkfifo(root / "fifo")
    assert code_of(lambda: store.get("fifo")) == "STO-002"
    assert code_of(lambda: store.put("x/y", b"")) == "STO-002"
    assert [o.path for o in store.list("")] == ["x"]


def test_files_being_written_are_not_listed(store: LocalStore, root: Path) -> None:
    store.put("a/x", b"1")
    (root / "a" / ".tmp-left-by-a-kill").write_bytes(b"half")
    assert [o.path for o in store.list("")] == ["a/x"]


@pytest.mark.parametrize("write", ["put", "put_if_absent"])
def test_no_temporary_file_is_left_behind(store: LocalStore, root: Path, write: str) -> None:
    getattr(store, write)("x", b"1")
    with pytest.raises(StorageError):
        store.put_if_absent("x", b"2")
    assert [p.name for p in root.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "STO-005"),
        (errno.EFBIG, "STO-005"),
        (errno.EDQUOT, "STO-006"),
        (errno.EROFS, "STO-007"),
        (errno.EACCES, "STO-008"),
        (errno.EIO, "STO-009"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_a_failing_system_call_names_the_path_and_the_cause(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, call: str
) -> None:
    store.put("a/old", b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as m:
        m.setattr(os, call, fail)
        with pytest.raises(StorageError) as caught:
            store.put_if_absent("a/new", b"data")
        assert caught.value.code == code
        assert str(root / "a" / "new") in str(caught.value)
        assert os.strerror(number) in str(caught.value)
    assert os.listdir(root / "a") == ["old"]  # noqa: PTH208 - names are what is compared


@pytest.fixture
def small_files() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
def test_a_real_short_write_is_an_error_and_leaves_nothing(store: LocalStore, root: Path) -> None:
    store.put("small", b"1" * 10_000)
    assert code_of(lambda: store.put("big", b"1" * 10_001)) == "STO-005"
    assert [p.name for p in root.iterdir()] == ["small"]


def test_a_name_that_the_file_system_refuses(store: LocalStore) -> None:
    assert code_of(lambda: store.put("x" * 300, b"")) == "STO-009"


@pytest.mark.parametrize("write", ["put", "put_if_absent", "delete"])
def test_a_folder_that_cannot_be_synced_is_an_unknown_outcome(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    store.put("a/old", b"")
    real = os.fsync

    def fsync(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().name == "a":
            raise OSError(errno.EIO, "broken")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreUnavailable) as caught:
        store.delete("a/old") if write == "delete" else getattr(store, write)("a/new", b"1")
    assert caught.value.code == "STO-010"


def test_a_file_system_without_links_is_refused(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StorageError) as caught:
        store.put_if_absent("a/x", b"1")
    assert caught.value.code == "STO-011"
    assert "hard links" in str(caught.value)
    store.put("a/y", b"1")  # what needs no link still works
    assert [o.path for o in store.list("a")] == ["a/y"]


CREATE = """
import sys
from pathlib import Path
from medallion_assets.errors import AlreadyExists
from medallion_assets.stores.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for n in range(50):
    try:
        store.put_if_absent(f"deep/er/{n}", sys.argv[2].encode())
    except AlreadyExists:
        pass
    else:
        print(n)
"""


def test_of_racing_processes_one_creates_each_object(root: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, str(root), str(i)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for i in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    won = [{int(n) for n in writer.communicate()[0].split()} for writer in writers]
    assert sorted(n for w in won for n in w) == list(range(50))
    store = LocalStore(root)
    assert all(store.get(f"deep/er/{n}") == str(i).encode() for i, w in enumerate(won) for n in w)


AS_NOBODY = """
import os, sys
from pathlib import Path
from medallion_assets.errors import StorageError
from medallion_assets.stores.local import LocalStore
os.setgid(65534); os.setuid(65534)
store = LocalStore(Path(sys.argv[1]))
for work in (lambda: store.put("a/new", b""), lambda: store.put_if_absent("b/new", b""), lambda: store.get("a/x"),
             lambda: store.delete("a/x"), lambda: list(store.list("a"))):
    try:
        work()
        print("done")
    except StorageError as error:
        print(error.code)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_missing_rights_are_named(store: LocalStore, root: Path) -> None:
    store.put("a/x", b"1")
    for folder in (root, *root.parents[:3]):
        folder.chmod(0o755)
    (root / "a").chmod(0o700)
    run = subprocess.run([sys.executable, "-c", AS_NOBODY, str(root)], capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in run.stderr or "Permission" in run.stderr:
        pytest.skip("the interpreter or the package cannot be read by other users")
    assert run.stdout.split() == ["STO-008"] * 5, run.stderr
    assert store.get("a/x") == b"1"
