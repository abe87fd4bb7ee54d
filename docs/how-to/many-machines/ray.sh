#!/bin/bash
# bash ray.sh NODE...: starts Ray here and on other machines by ssh, trains, and stops it. All of them have the same
# virtual environment at the same path, and share this folder, where a token is kept that Ray asks for since 2.52.
set -eu
here=$(hostname -I | cut -d' ' -f1)
ray="$VIRTUAL_ENV/bin/ray"
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$PWD/ray_token"
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH")
stop() {
    "$ray" stop
    for node in "$@"; do ssh "$node" "$ray" stop; done
    rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap 'stop "$@"' EXIT
"$ray" start --head --node-ip-address="$here" --port=6379 --include-dashboard=false
for node in "$@"; do
    ssh "$node" env RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="'$RAY_AUTH_TOKEN_PATH'" \
        "$ray" start --address="$here:6379"
done
kerasmlsp chargen train --data plays.txt --run plays --ray "$here:6379" --workers $(($# + 1))
