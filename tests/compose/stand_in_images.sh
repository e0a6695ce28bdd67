#!/usr/bin/env bash
# Stand-ins for the base images that docker-compose.yml and our Dockerfiles name, for a machine that cannot pull:
# one small Debian made by debootstrap, with Debian's Python, Prometheus and Alertmanager in the places and under the
# users of the official images. Grafana is not in Debian: its stand-in only answers /api/health.
#
#   DOCKER_HOST=... tests/compose/stand_in_images.sh WORK_DIR
#
# This is test scaffolding: it copies this machine's CA certificates and pip settings into the base image, so that
# builds work behind a proxy, and it never replaces an image that is already there.
set -euo pipefail
work=${1:?a working directory}
repo=$(cd "$(dirname "$0")/../.." && pwd)
base=andon-stand-in:bookworm
mkdir -p "$work"

# The names our files use, so that a changed pin is stood in for as well.
image_of() { sed -nE "s#^[[:space:]]*image:[[:space:]]*($1:[^[:space:]]+).*#\1#p" "$repo/docker-compose.yml" | head -n 1; }
python_image=$(sed -nE 's/^FROM[[:space:]]+(python:[^[:space:]]+).*/\1/p' "$repo/webhook/Dockerfile" | head -n 1)
prometheus_image=$(image_of prom/prometheus)
alertmanager_image=$(image_of prom/alertmanager)
grafana_image=$(image_of grafana/grafana)

missing() { ! docker image inspect "$1" >/dev/null 2>&1; }

if missing "$base"; then
    if [ ! -e "$work/rootfs/.complete" ]; then
        rm -rf "$work/rootfs"
        debootstrap --variant=minbase \
            --include=python3,python3-pip,python3-venv,ca-certificates,wget,prometheus,prometheus-alertmanager \
            bookworm "$work/rootfs" "${DEBIAN_MIRROR:-$(sed -nE 's/^URIs: *(.*)/\1/p;s/^deb +(http[^ ]+).*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)}" >"$work/debootstrap.log"
        rm -rf "$work"/rootfs/var/cache/apt/archives/*.deb "$work"/rootfs/var/lib/apt/lists/*
        touch "$work/rootfs/.complete"
    fi
    cp /etc/ssl/certs/ca-certificates.crt "$work/rootfs/etc/ssl/certs/ca-certificates.crt"
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nbreak-system-packages = true\n' >"$work/rootfs/etc/pip.conf"
    # pip runs isolated build environments as well; they must not find the Debian machine's own site-packages first.
    ln -sf /usr/bin/python3 "$work/rootfs/usr/local/bin/python"
    ln -sf /usr/bin/python3 "$work/rootfs/usr/local/bin/python3"
    tar -C "$work/rootfs" -c . | docker import - "$base" >/dev/null
fi

# stand_in IMAGE: the Dockerfile is read from standard input.
stand_in() {
    missing "$1" || return 0
    echo "standing in for $1"
    local folder=$work/image
    rm -rf "$folder" && mkdir -p "$folder"
    cat >"$folder/Dockerfile"
    DOCKER_BUILDKIT=0 docker build -q -t "$1" "$folder" >/dev/null
}

stand_in "$python_image" <<DOCKERFILE
FROM $base
CMD ["python3"]
DOCKERFILE

stand_in "$prometheus_image" <<DOCKERFILE
FROM $base
RUN ln -s /usr/bin/prometheus /usr/bin/promtool /bin/ 2>/dev/null || true; \
    mkdir -p /prometheus /etc/prometheus && chown 65534:65534 /prometheus
USER 65534
WORKDIR /prometheus
VOLUME /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
DOCKERFILE

stand_in "$alertmanager_image" <<DOCKERFILE
FROM $base
RUN ln -s /usr/bin/prometheus-alertmanager /usr/bin/alertmanager; \
    mkdir -p /alertmanager /etc/alertmanager && chown 65534:65534 /alertmanager
USER 65534
WORKDIR /alertmanager
VOLUME /alertmanager
ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]
CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
DOCKERFILE

stand_in "$grafana_image" <<DOCKERFILE
FROM $base
RUN mkdir -p /var/lib/grafana /srv/api && echo '{"database": "ok"}' >/srv/api/health && chown 472:0 /var/lib/grafana
USER 472
WORKDIR /srv
ENTRYPOINT ["python3", "-m", "http.server", "3000"]
DOCKERFILE
