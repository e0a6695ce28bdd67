"""A fresh copy of this checkout, as somebody has it who just cloned it, with the packages already installed."""

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def fresh_checkout(folder: Path) -> Path:
    """Copy what git knows or would add into *folder*; the virtual environment is this checkout's own."""
    folder.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, timeout=30
    ).stdout
    # A file that was deleted and not yet committed is still listed.
    names = [name for name in listed.decode().split("\0") if name and (ROOT / name).exists()]
    subprocess.run(["cp", "--parents", "--", *names, folder], cwd=ROOT, check=True, timeout=30)
    venv = folder / ".venv"
    venv.mkdir()
    for name in ("bin", "lib"):
        (venv / name).symlink_to(ROOT / ".venv" / name)
    (venv / "pyvenv.cfg").write_text((ROOT / ".venv" / "pyvenv.cfg").read_text())
    wanted = hashlib.sha256((folder / "pyproject.toml").read_bytes() + (folder / "constraints.txt").read_bytes())
    (venv / ".installed").write_text(f"{wanted.hexdigest()} {folder}\n")
    return folder
