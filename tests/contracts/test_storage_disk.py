"""What becomes of the SQLite store when its disk fails, and that it comes back by itself."""

import json
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import NOW, a_switch
from tests.disks import a_small_disk
from webhook.durability.port import Store
from webhook.errors import StoreOutageError
from webhook.storage import open_store

REPOSITORY = Path(__file__).parents[2]


def run(folder: Path, trouble: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.storage_on_bad_disk", str(folder), trouble],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with a_small_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="andon-disk-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = open_store(f"sqlite:///{tmp_path}/andon.db")
    yield one
    one.close()


def test_a_full_disk_is_an_outage_and_heals(small_disk: Path):
    seen = run(small_disk, "disk_full")

    assert (seen["write"], seen["again"]) == ("full", "full")
    assert (seen["after"], seen["trips"], seen["sequence"]) == (None, 20, 2)


def test_a_file_that_may_not_grow_is_an_outage_and_heals(open_folder: Path):
    seen = run(open_folder, "file_too_large")

    assert seen["write"] is not None
    assert seen["again"] is not None
    assert (seen["after"], seen["trips"], seen["sequence"]) == (None, 20, 2)


def test_a_read_only_folder_is_an_outage_and_heals(open_folder: Path):
    seen = run(open_folder, "read_only")

    assert (seen["write"], seen["again"], seen["ping"]) == ("read_only", "read_only", "read_only")
    assert (seen["after"], seen["trips"], seen["sequence"]) == (None, 20, 2)


def test_a_database_that_was_deleted_is_an_outage_and_not_a_hole_that_swallows_writes(store: Store, tmp_path: Path):
    with store.begin() as transaction:
        transaction.put_switch(a_switch())
    aside = tmp_path / "aside.db"
    (tmp_path / "andon.db").rename(aside)

    with pytest.raises(StoreOutageError) as caught, store.begin():
        pass
    assert caught.value.reason == "connection"

    aside.rename(tmp_path / "andon.db")
    with store.view() as transaction:
        assert transaction.switches() == (a_switch(),)


def test_a_database_that_was_replaced_is_opened_anew(store: Store, tmp_path: Path):
    other = open_store(f"sqlite:///{tmp_path}/restored.db")
    with other.begin() as transaction:
        transaction.append("restored", "me", {}, NOW)
    other.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"andon.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "restored.db").rename(tmp_path / "andon.db")

    with store.begin() as transaction:
        assert [record.kind for record in transaction.records()] == ["restored"]


def test_a_file_that_is_no_database_is_an_outage_that_says_so(tmp_path: Path):
    (tmp_path / "andon.db").write_bytes(b"this is not a database" * 100)

    with pytest.raises(StoreOutageError) as caught:
        open_store(f"sqlite:///{tmp_path}/andon.db")
    assert caught.value.reason == "corrupt"


def test_a_folder_that_cannot_be_made_is_an_outage(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreOutageError):
        open_store(f"sqlite:///{tmp_path}/file/andon.db")


def test_only_its_owner_can_read_the_database(store: Store, tmp_path: Path):
    with store.begin() as transaction:
        transaction.append("one", "me", {}, NOW)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"andon.db": 0o600, "andon.db-wal": 0o600, "andon.db-shm": 0o600}
