#!/bin/sh
# Called for every change of state: INSTANCE api_vip MASTER 120 (type, name, state, effective priority).
# HAProxy itself runs on both nodes all the time: the check asks for it on the one that waits, too. Here belongs
# what only the node with the address may run.
set -eu

case $3 in
    MASTER) echo "$2: this node has the address (priority $4); start what only the master runs" ;;
    BACKUP) echo "$2: the other node has the address (priority $4); stop what only the master runs" ;;
    FAULT)  echo "$2: this node can't have the address (priority $4); stop what only the master runs" ;;
    STOP)   echo "$2: handover ends here; stop what only the master runs" ;;
    *)      echo "$2: unknown state $3" >&2; exit 1 ;;
esac
