#!/bin/sh
# Makes the secrets of the sandbox stack as files, one secret a file, random on every machine: there are no defaults.
#
#   sh bin/secrets.sh [DIR]     DIR is ./secrets unless given
#
# A file that is there is kept, so running this again changes nothing. The folder is 0700 and its files are 0444:
# the folder keeps other users out, and a container's own user can still read the one file mounted into it.
# Only /dev/urandom and POSIX tools are used: the Compose one-shot runs the same script.
set -eu
umask 077

dir=${1:-$(dirname "$0")/../secrets}
accounts='mm trend meanrev'

mkdir -p "$dir"
chmod 0700 "$dir"
cd "$dir"

hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# put NAME: standard input becomes the file, whole or not at all.
put() {
    cat >".$1.tmp"
    chmod 0444 ".$1.tmp"
    mv -f ".$1.tmp" "$1"
}

# once NAME BYTES: a random hexadecimal secret, unless the file is there.
once() {
    [ -s "$1" ] && return 0
    hex "$2" | put "$1"
    echo "made $dir/$1"
}

once alertmanager_token 32
once engine_token 32
once events_token 32
once exporter_admin_token 32
once grafana_admin_password 16
once pagerduty_routing_key 16
once sandbox_admin_token 32

keys_made=
for account in $accounts; do
    # Two keys an account: the engine trades with one, the kill cancels with the other, so that neither one's rate
    # limit, ban or theft is the other's.
    # A third is for reading only: the trading exporter compares the venue with the engine.
    for holder in engine venue reader; do
        for part in api_key secret; do
            [ -s "${holder}_${account}_$part" ] || keys_made=yes
            once "${holder}_${account}_$part" 32
        done
    done
done

# What the sandbox venue knows: every account with its keys.
if [ -n "$keys_made" ] || [ ! -s sandbox_accounts.json ]; then
    {
        printf '{"accounts":['
        comma=
        for account in $accounts; do
            printf '%s\n {"name":"%s","balances":{"USDT":"100000"},"keys":[' "$comma" "$account"
            printf '\n  {"name":"engine","api_key":"%s","secret":"%s"},' "$(cat "engine_${account}_api_key")" "$(cat "engine_${account}_secret")"
            printf '\n  {"name":"killer","api_key":"%s","secret":"%s"},' "$(cat "venue_${account}_api_key")" "$(cat "venue_${account}_secret")"
            printf '\n  {"name":"reader","api_key":"%s","secret":"%s"}]}' "$(cat "reader_${account}_api_key")" "$(cat "reader_${account}_secret")"
            comma=,
        done
        printf '\n]}\n'
    } | put sandbox_accounts.json
    echo "made $dir/sandbox_accounts.json"
fi

# What the sandbox engine knows: its own keys, and not the kill's.
if [ -n "$keys_made" ] || [ ! -s engine_accounts.json ]; then
    {
        printf '{"accounts":['
        comma=
        for account in $accounts; do
            printf '%s\n {"name":"%s","keys":[' "$comma" "$account"
            printf '{"name":"engine","api_key":"%s","secret":"%s"}]}' "$(cat "engine_${account}_api_key")" "$(cat "engine_${account}_secret")"
            comma=,
        done
        printf '\n]}\n'
    } | put engine_accounts.json
    echo "made $dir/engine_accounts.json"
fi

# Operators are added by `make token`; only hashes of their tokens are kept.
if [ ! -s operators.json ]; then
    printf '{"operators": []}\n' | put operators.json
    echo "made $dir/operators.json"
fi
