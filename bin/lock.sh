#!/usr/bin/env bash
# Writes constraints.txt anew: the newest versions that pyproject.toml allows, resolved in a fresh environment. Run the
# tests afterwards, on the oldest and the newest Python that pyproject.toml names.
set -euo pipefail
cd "$(dirname "$0")/.."
bin/setup.sh python
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
.venv/bin/python -m venv "$fresh/venv"
"$fresh/venv/bin/python" -m pip install --quiet --disable-pip-version-check '.[dev]'
"$fresh/venv/bin/python" -m pip freeze --exclude andon --exclude pip --exclude setuptools | grep -v '^andon' | LC_ALL=C sort -f >"$fresh/constraints.txt"
mv "$fresh/constraints.txt" constraints.txt
git --no-pager diff --stat -- constraints.txt || true
