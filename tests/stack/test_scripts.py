"""The shell scripts parse with the shell that they name."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path
    for folder in ("bin", ".ci", "tests/compose")
    for path in (ROOT / folder).iterdir()
    if path.is_file() and path.read_bytes().startswith(b"#!")
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.relative_to(ROOT).as_posix())
def test_a_script_parses_stops_at_a_fault_and_can_be_run(script):
    first, *_ = script.read_text().splitlines()
    shell = "bash" if first.endswith("bash") else "sh"
    subprocess.run([shell, "-n", str(script)], check=True, timeout=30)
    assert "\nset -eu" in script.read_text()
    if shell == "bash":
        assert script.stat().st_mode & 0o111, "chmod +x"
