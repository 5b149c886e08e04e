# shellcheck shell=bash disable=SC2207
# Made from --help; UPDATE_MAN=1 cargo test -p handover-tests --test manuals writes it anew.
_handover() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words
    case $prev in
        --config | -f) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --runtime-dir | --state-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    esac
    case ${COMP_WORDS[1]} in
        run) words='-h --help -f --config -i --config-id --runtime-dir --state-dir' ;;
        status) words='-h --help --json -f --config --runtime-dir' ;;
        check) words='-h --help -f --config -i --config-id --deny --host --portable --json --runtime-dir' ;;
        explain) words='-h --help -f --config -i --config-id --json --runtime-dir' ;;
        fmt) words='-h --help -f --config --check --write --runtime-dir' ;;
        events) words='-h --help --json -f --config --runtime-dir' ;;
        history) words='-h --help -n --count --since --json --state-dir --runtime-dir' ;;
        drain) words='-h --help --all --force --runtime-dir' ;;
        undrain) words='-h --help --all --runtime-dir' ;;
        reload) words='-h --help --plan --json -f --config --runtime-dir' ;;
        simulate) words='-h --help --fail --crash --partition --pause --at --every-single-failure --only-on-master -i --config-id --json' ;;
        lab) words='-h --help' ;;
        *) words='run status check explain fmt events history drain undrain reload simulate lab -h --help -V --version' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    if [[ $cur != -* ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _handover handover
_checkerd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words
    case $prev in
        --config | -f) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --runtime-dir | --state-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    esac
    case ${COMP_WORDS[1]} in
        run) words='-h --help -f --config -i --config-id --runtime-dir' ;;
        watch) words='-h --help --runtime-dir --once' ;;
        *) words='run watch -h --help --stdout -f --config -i --config-id --runtime-dir --state-dir -V --version' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    if [[ $cur != -* ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _checkerd checkerd
