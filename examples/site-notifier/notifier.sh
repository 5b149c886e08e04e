#!/bin/bash
# A site's own notifier in shell: follows vrrp-core's event feed (docs/events.md) and runs one command for each transition.
#
#     notifier.sh HOOK     runs HOOK INSTANCE|GROUP NAME STATE PRIORITY
#
# The hook has the event on its standard input, and HANDOVER_STATE, _PREVIOUS, _CAUSE and _SEQUENCE in its environment.
# One hook runs at a time, in the order of the events, each for at most $HOOK_LIMIT seconds. Where it stands is remembered,
# so that it goes on after a restart where it was: every transition is told at least once, none out of order. If vrrp-core
# has forgotten what was missed, or is another one, the hook runs for each object that is in another state than told last.
#
# Where $HANDOVER_ALONE is set, there is no notifierd: then it also lets elections begin that wait for startup_script, which it
# doesn't run. It takes no part in preludes, so nothing waits for them.
#
# It needs socat, jq, and flock and timeout. Whoever ends it by force has to end its children, too, as systemd does.
set -u

hook=${1:?"usage: notifier.sh HOOK"}
socket=${HANDOVER_SOCKET:-${RUNTIME_DIRECTORY:-/run/handover}/vrrp-core.sock}
memory=${STATE_DIRECTORY:-/var/lib/handover-site-notifier}/memory
limit=${HOOK_LIMIT:-30}

# One row per thing to do: what, and its fields, none of which can hold a control character.
# shellcheck disable=SC2016  # jq's variables, not ours
rows='
def row: map(tostring | gsub("[[:cntrl:]]"; " ")) | join("\u001f");
def job(kind; name): ["run", kind, name, .to, .from, (.priority // 0), .cause.text, .sequence, (del(.type) | tojson)] | row;
if .type == "event" then job("INSTANCE"; .instance)
elif .type == "group-event" then job("GROUP"; .group)
elif .type == "snapshot" then
    .sequence as $sequence
    | (.instances[], (.groups // [])[]
        | . + {sequence: $sequence, from: "INIT", to: .state, at: .since} | del(.state, .since)
        | if .instance then job("INSTANCE"; .instance) else job("GROUP"; .group) end),
      (["mark", .boot, .sequence] | row)
else empty end'

boot='' sequence=0 stopping=''
declare -A told=()

recall() {
    local what first second
    [ -e "$memory" ] || return 0
    while IFS=$'\037' read -r what first second; do
        case $what in
            mark) boot=$first sequence=$second ;;
            told) told[$first]=$second ;;
        esac
    done <"$memory"
}

# Whole or not at all: a half-written file would be taken for what was told.
remember() {
    local object
    {
        printf 'mark\037%s\037%s\n' "$boot" "$sequence"
        for object in "${!told[@]}"; do
            printf 'told\037%s\037%s\n' "$object" "${told[$object]}"
        done
    } >"$memory.new" && mv "$memory.new" "$memory"
}

request() {
    if [ -n "$boot" ]; then
        printf '{"request":"resume","boot":"%s","after":%s}\n' "$boot" "$sequence"
    else
        echo '{"request":"subscribe"}'
    fi
}

# Who has asked for preludes may say that startup_script is done; who leaves is asked for none.
begin() {
    printf '%s\n' '{"request":"preludes"}' '{"request":"startup-done"}' |
        socat -t 0.3 - "UNIX-CONNECT:$socket" 2>/dev/null |
        jq -r 'select(.type == "error") | "vrrp-core: " + .error' >&2
}

# INIT is no state to act on, and who has heard of a state needn't hear of it again.
run() {
    local kind=$1 name=$2 state=$3 previous=$4 priority=$5 cause=$6 number=$7 event=$8
    [ "$state" = INIT ] || [ "${told["$kind $name"]-}" = "$state" ] && return
    HANDOVER_STATE=$state HANDOVER_PREVIOUS=$previous HANDOVER_CAUSE=$cause HANDOVER_SEQUENCE=$number \
        timeout -k 2 "$limit" "$hook" "$kind" "$name" "$state" "$priority" <<<"$event" 7<&- 9>&- ||
        echo "$hook $kind $name $state: status $?" >&2
    told["$kind $name"]=$state
}

handle() {
    local -a field
    while IFS=$'\037' read -r -u 8 -a field; do
        case ${field[0]} in
            run)
                run "${field[@]:1}" 8<&-
                # Of a snapshot not before its end: what it says counts as a whole.
                [ "$1" = snapshot ] || sequence=${field[7]}
                ;;
            mark) boot=${field[1]} sequence=${field[2]} ;;
        esac
        remember
    done 8< <(jq -r "$rows" <<<"$2" 2>/dev/null)
}

# What vrrp-core said before it ended may still be on its way.
stop() {
    stopping=yes
    sleep 0.3
    [ -z "${socat-}" ] || kill "$socat" 2>/dev/null
}

exec 9>"$memory.lock" || exit 1
flock -n 9 || { echo "another notifier uses $memory" >&2; exit 1; }
recall
complained=
trap stop TERM INT
while [ -z "$stopping" ]; do
    [ -z "${HANDOVER_ALONE-}" ] || begin 9>&-
    if [ -S "$socket" ]; then
        complained=
    elif [ -z "$complained" ]; then
        complained=yes
        echo "there is no socket $socket; tried again until there is" >&2
    fi
    exec 7< <(exec socat -t 1000000000 - "UNIX-CONNECT:$socket" < <(request) 2>/dev/null 9>&-)
    socat=$!
    while IFS= read -r -u 7 line; do
        case $line in
            '{"type":"snapshot"'*) handle snapshot "$line" ;;
            *) handle event "$line" ;;
        esac
    done
    exec 7<&-
    sleep 0.2
done
