"""`python -m sandbox NAME`: the catalogue of programs."""

import importlib.util

import pytest

from sandbox.__main__ import PROGRAMS, main


def test_every_program_of_the_catalogue_is_there():
    for module, _ in PROGRAMS.values():
        assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(("argv", "code"), [([], 2), (["--help"], 0), (["nonsense"], 2)])
def test_without_a_known_name_it_says_which_there_are(argv, code, capsys):
    assert main(argv) == code
    said = capsys.readouterr()
    assert all(name in said.out + said.err for name in PROGRAMS)


def test_a_venue_without_accounts_says_what_is_missing(tmp_path, capsys):
    assert main(["venue", "--port", "0", "--accounts", str(tmp_path / "none.json")]) == 2
    assert "make secrets" in capsys.readouterr().err
