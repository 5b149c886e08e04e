#!/bin/sh
# Called for every change of state: INSTANCE api_vip MASTER 120 (type, name, state, effective priority).
# HAProxy runs only where the address is, so a check of it must count only there: see README.md.
set -eu

case $3 in
    MASTER)             systemctl start haproxy ;;
    BACKUP|FAULT|STOP)  systemctl stop haproxy ;;
    *)                  echo "$2: unknown state $3" >&2; exit 1 ;;
esac
