#!/bin/sh
# For Compose: makes the secrets that are missing, then copies to each service those it may read, and no others.
#
#   sh bin/hand_out_secrets.sh SECRETS_DIR TARGET_DIR
#
# TARGET_DIR/<service> is a volume that only that service mounts. A file there belongs to the user of the service and is
# 0400: Compose itself ignores the owner and mode of a secret that comes from a file, and mounts of single files would
# have to exist before the first `docker compose up`.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
from=$1
to=$2

sh "$here/secrets.sh" "$from"
# Files that root made here belong to whoever owns the checkout, so that `make secrets` and `make token` can go on.
owner=$(stat -c '%u:%g' "$here")
find "$from" -user 0 -exec chown "$owner" {} +

# hand_out SERVICE UID PATTERN...
hand_out() {
    service=$1
    uid=$2
    shift 2
    fresh=" "
    for pattern in "$@"; do
        for file in "$from"/$pattern; do
            [ -f "$file" ] || continue
            name=$(basename "$file")
            cp "$file" "$to/$service/.$name.tmp"
            chown "$uid:$uid" "$to/$service/.$name.tmp"
            chmod 0400 "$to/$service/.$name.tmp"
            mv -f "$to/$service/.$name.tmp" "$to/$service/$name"
            fresh="$fresh$name "
        done
    done
    # What was taken away from secrets/ is taken away from the service.
    for file in "$to/$service"/*; do
        [ -f "$file" ] || continue
        case $fresh in *" $(basename "$file") "*) ;; *) rm -f "$file" ;; esac
    done
    chown "$uid:$uid" "$to/$service"
    chmod 0500 "$to/$service"
}

# The kill keys (venue_*) go to the webhook and to nobody else.
hand_out webhook 10001 'venue_*' 'notifier_*' 'engine_*_token' operators.json alertmanager_token engine_token pagerduty_routing_key postgresql_password slack_webhook_url
hand_out alertmanager 65534 alertmanager_token pagerduty_routing_key slack_webhook_url
hand_out engine 10001 engine_accounts.json engine_token events_token sandbox_admin_token
hand_out venue 10001 sandbox_accounts.json sandbox_admin_token
hand_out trading-exporter 10001 'reader_*' events_token exporter_admin_token
hand_out grafana 472 grafana_admin_password
