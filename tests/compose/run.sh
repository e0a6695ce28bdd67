#!/usr/bin/env bash
# docker-compose.yml for real, on a machine that may not be able to pull images: `make test-compose`.
#
# Starts a Docker daemon of its own where none answers, stands in for base images that are missing
# (stand_in_images.sh), and then, in a fresh copy of the checkout: `docker compose up` by itself, every service healthy;
# no port beyond loopback; the kill keys in one container; `make drill` verified; `make down`; `make up` again.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
work=${ANDON_COMPOSE_WORK:-/tmp/andon-compose}
mkdir -p "$work"

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

daemon=
finish() {
    status=$?
    [ ! -e "$work/checkout" ] || (cd "$work/checkout" && docker compose down --volumes --timeout 5 >/dev/null 2>&1) || true
    if [ -n "$daemon" ]; then kill "$daemon" && wait "$daemon" 2>/dev/null || true; fi
    exit "$status"
}
trap finish EXIT

if ! docker info >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || fail "No Docker engine answers, and only root can start one."
    command -v dockerd >/dev/null || fail "dockerd is missing: apt-get install docker.io iptables"
    say "starting a Docker daemon in $work"
    export DOCKER_HOST=unix://$work/docker.sock
    dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" -H "$DOCKER_HOST" >"$work/dockerd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 60); do docker info >/dev/null 2>&1 && break; sleep 0.5; done
fi
docker info >/dev/null 2>&1 || fail "The Docker daemon did not start; see $work/dockerd.log"
docker compose version >/dev/null 2>&1 || fail \
    "The Compose v2 plugin is missing: install docker-compose-plugin, or Debian 13's docker-compose into ~/.docker/cli-plugins"

say "base images"
"$repo/tests/compose/stand_in_images.sh" "$work"

say "a fresh copy of the checkout"
rm -rf "$work/checkout"
mkdir -p "$work/checkout"
(cd "$repo" && git ls-files -co --exclude-standard -z | tar --null -c -T -) | tar -x -C "$work/checkout"
cd "$work/checkout"
# Ports and a project of its own, so that a stack of the user is left alone.
export COMPOSE_PROJECT_NAME=andon-compose-test ANDON_STACK=docker
for pair in WEBHOOK:8700 PROMETHEUS:9090 ALERTMANAGER:9093 GRAFANA:3000 SYSTEM_EXPORTER:9101 MARKET_DATA_EXPORTER:9102 \
    TRADING_EXPORTER:9103 VENUE:8710 ENGINE:8720 PAGER:8730; do
    export "ANDON_${pair%%:*}_PORT=$((20000 + ${pair#*:}))"
done

say "docker compose up, by itself"
docker compose up --detach --build
lasting=$(docker compose config --services | grep -cvE '^(secrets|check-)')
for _ in $(seq 240); do
    healthy=$(docker compose ps --format '{{.Health}}' | grep -cx healthy || true)
    [ "$healthy" -eq "$lasting" ] && break
    sleep 0.5
done
docker compose ps --all --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'
[ "$healthy" -eq "$lasting" ] || fail "Only $healthy of $lasting services are healthy."

say "published ports"
if docker compose ps --format '{{.Ports}}' | tr ',' '\n' | grep -- '->' | grep -v '127\.0\.0\.1:'; then fail "a port is open beyond loopback"; fi

say "who can read the kill keys, who is root, who can write"
for service in $(docker compose config --services | grep -vE '^(secrets|check-)'); do
    id=$(docker compose ps --quiet "$service")
    seen=$(docker exec "$id" sh -c 'ls /run/secrets 2>/dev/null | tr "\n" " "')
    user=$(docker exec "$id" id -u)
    printf '%-22s uid %-6s %s\n' "$service" "$user" "$seen"
    [ "$user" != 0 ] || fail "$service runs as root"
    case $service in webhook) ;; *) case $seen in *venue_*) fail "$service can read the kill keys" ;; esac ;; esac
    if docker exec "$id" sh -c 'touch /written' 2>/dev/null; then fail "$service can write to its image"; fi
done

say "make drill"
make drill
say "make down"
make down
say "make up"
DETACH=1 make up
say "the halt of the drill outlived the restart"
curl -fsS "http://127.0.0.1:$ANDON_WEBHOOK_PORT/metrics" | grep 'andon_switch_state.*mm-btc.*halted.* 1.0'
make down
say "passed"
