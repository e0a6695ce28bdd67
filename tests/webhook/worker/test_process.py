"""Whose end is seen at once, and whose is not: a lease must never be taken from a process that lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import until
from webhook.worker.process import announce, is_gone, new_holder, retire

ME = new_holder()


def named(pid: int) -> str:
    """As a process of this id in this place would be named."""
    place = ME.split("/")[0]
    return f"{place}/{pid}/00000000"


def test_a_process_that_ended_is_gone_and_so_is_one_that_nobody_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not is_gone(named(process.pid), ME)
        process.kill()
        until(lambda: is_gone(named(process.pid), ME))
        assert process.returncode is None, "a zombie"
    assert is_gone(named(process.pid), ME)


def test_an_earlier_life_under_the_same_id_is_gone_and_a_second_service_in_this_process_is_not() -> None:
    other = new_holder()
    assert is_gone(other, ME)
    announce(other)
    assert not is_gone(other, ME)
    retire(other)
    assert not is_gone(ME, ME)


@pytest.mark.parametrize("holder", ["elsewhere/{pid}/00000000", "", "{place}/x/00000000", "{place}~/{pid}/00000000"])
def test_nothing_is_known_of_a_process_elsewhere(holder: str) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert not is_gone(holder.format(pid=ended.pid, place=ME.split("/")[0]), ME)


def test_a_place_is_more_than_the_name_of_a_host() -> None:
    """Two hosts may share one, and so may containers that do not share their process ids."""
    place = ME.split("/")[0]
    assert Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:12] in place
    assert str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]") in place
    assert f"/{os.getpid()}/" in ME
