#!/usr/bin/env bash
# Installs what a target needs, and nothing when it is there already.
#
#   bin/setup.sh python   .venv with every Python dependency at the versions of constraints.txt
#   bin/setup.sh stack    the binaries of Prometheus and Alertmanager (for a run without Docker, and for tests)
#   bin/setup.sh tests    a PostgreSQL server binary (the storage tests run against a real one)
#
# Debian packages are installed by apt-get when this runs as root. Without root, Prometheus and Alertmanager are
# unpacked from their Debian packages into .cache/debian; where that cannot work, the message says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/.installed
UNPACKED=$PWD/.cache/debian

say() { printf '[setup] %s\n' "$*" >&2; }
fail() { printf '[setup] %s\n' "$@" >&2; exit 1; }
is_root() { [ "$(id -u)" -eq 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

APT_UPDATED=
apt_update() {
    [ -n "$APT_UPDATED" ] && return
    say "apt-get update"
    apt-get update -qq || say "apt-get update failed; going on with the package lists that are there"
    APT_UPDATED=yes
}

# Installs packages without starting the daemons that some of them bring: Andon starts its own, on its own ports.
# A policy of the machine's owner is left as it is.
apt_install() {
    local policy=/usr/sbin/policy-rc.d ours= status=0
    apt_update
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 0755 "$policy"
        ours=yes
    fi
    say "apt-get install $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || status=$?
    [ -z "$ours" ] || rm -f "$policy"
    return "$status"
}

# What this script brought in for its binaries must not come up as a service at the next boot.
never_at_boot() {
    has systemctl || return 0
    systemctl disable "$@" >/dev/null 2>&1 || true
}

usable_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_venvs() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if has "$candidate" && usable_python "$candidate" && can_make_venvs "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

setup_python() {
    local python wanted
    wanted=$(cat pyproject.toml constraints.txt | sha256sum | cut -d' ' -f1)
    if [ -x "$VENV/bin/python" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted $PWD" ]; then
        return
    fi
    if ! python=$(find_python); then
        if is_root && has apt-get; then
            apt_install python3 python3-venv
            python=$(find_python) || fail "The python3 of this distribution is older than 3.11: install a newer one and set PYTHON=/path/to/python."
        else
            fail "Python 3.11 or newer with the venv module is needed." \
                "On Debian or Ubuntu: sudo apt-get install python3 python3-venv. Elsewhere set PYTHON=/path/to/python."
        fi
    fi
    # A virtual environment does not survive being moved, nor a Python that went away.
    if [ -e "$VENV" ] && { ! "$VENV/bin/python" -c '' >/dev/null 2>&1 || [ "$(cut -d' ' -f2- "$STAMP" 2>/dev/null)" != "$PWD" ]; }; then
        rm -rf "$VENV"
    fi
    [ -e "$VENV" ] || { say "making $VENV with $("$python" --version)"; "$python" -m venv "$VENV"; }
    say "installing the Python packages of constraints.txt (once; about a minute)"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
    printf '%s\n' "$wanted $PWD" >"$STAMP"
}

# Unpacks Debian packages without installing them; needs no root.
unpack_packages() {
    has apt-get && has dpkg-deb || return 1
    # Package lists of our own: those of the machine may be missing or old, and only root may renew them.
    local lists=$UNPACKED/apt
    local options=(-o "Dir::State::lists=$lists/lists" -o "Dir::Cache=$lists/cache" -o Debug::NoLocking=1)
    mkdir -p "$UNPACKED/deb" "$lists/lists/partial" "$lists/cache/archives/partial"
    say "not root: unpacking $* into ${UNPACKED#"$PWD"/}"
    # A hook of the machine that only root may run makes this "fail"; what counts is the download.
    apt-get "${options[@]}" update -qq >/dev/null 2>&1 || true
    if [ -n "$(apt-cache "${options[@]}" show promtool 2>/dev/null)" ]; then set -- "$@" promtool; fi
    (cd "$UNPACKED/deb" && apt-get "${options[@]}" download -qq "$@" >/dev/null 2>&1) || return 1
    local package
    for package in "$UNPACKED"/deb/*.deb; do
        dpkg-deb -x "$package" "$UNPACKED"
    done
    rm -rf "$UNPACKED/deb" "$lists"
}

setup_stack() {
    local packages=()
    PATH=$PATH:$UNPACKED/usr/bin
    { has prometheus && has promtool; } || packages+=(prometheus)
    has alertmanager || has prometheus-alertmanager || packages+=(prometheus-alertmanager)
    [ ${#packages[@]} -gt 0 ] || return 0
    if is_root && has apt-get; then
        apt_update
        # From Debian 13 on promtool has a package of its own; amtool stays with Alertmanager.
        if [ -n "$(apt-cache show promtool 2>/dev/null)" ]; then packages+=(promtool); fi
        apt_install "${packages[@]}"
        never_at_boot prometheus.service prometheus-alertmanager.service prometheus-node-exporter.service
    else
        unpack_packages "${packages[@]}" || fail \
            "Prometheus and Alertmanager are needed (prometheus, promtool, alertmanager, amtool on the PATH)." \
            "On Debian or Ubuntu: sudo apt-get install prometheus prometheus-alertmanager." \
            "Elsewhere: the release archives of both projects, or start Docker and run make up again."
    fi
}

has_postgresql() {
    local server
    has postgres && return
    for server in /usr/lib/postgresql/*/bin/postgres; do
        [ -x "$server" ] && return
    done
    return 1
}

setup_tests() {
    has_postgresql && return
    if is_root && has apt-get; then
        apt_install postgresql
        never_at_boot postgresql.service
    else
        say "no PostgreSQL server found: the storage tests will run on SQLite only." \
            "For all of them: sudo apt-get install postgresql"
    fi
}

[ $# -gt 0 ] || fail "usage: bin/setup.sh python|stack|tests ..."
for part in "$@"; do
    case $part in
        python) setup_python ;;
        stack) setup_stack ;;
        tests) setup_tests ;;
        *) fail "unknown part: $part (python, stack, tests)" ;;
    esac
done
