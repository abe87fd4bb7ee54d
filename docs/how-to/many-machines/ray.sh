#!/bin/bash
# bash ray.sh NODE...: starts Ray here and on other machines by ssh, trains, and stops it. All of them have the same
# virtual environment at the same path, and share this folder.
set -eu
here=$(hostname -I | cut -d' ' -f1)
ray="$VIRTUAL_ENV/bin/ray"
export RAY_USAGE_STATS_ENABLED=0
stop() { "$ray" stop; for node in "$@"; do ssh "$node" "$ray" stop; done; }
trap 'stop "$@"' EXIT
"$ray" start --head --node-ip-address="$here" --port=6379 --include-dashboard=false
for node in "$@"; do ssh "$node" RAY_USAGE_STATS_ENABLED=0 "$ray" start --address="$here:6379"; done
kerasmlsp chargen train --data plays.txt --run plays --ray "$here:6379" --workers $(($# + 1))
