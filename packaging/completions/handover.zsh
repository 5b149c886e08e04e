#compdef handover checkerd
# Made from --help; UPDATE_MAN=1 cargo test -p handover-tests --test manuals writes it anew.
case $service in
handover)
    case ${words[2]} in
    run)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' {-f,--config}'[the configuration file (default\: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)]:file:_files' {-i,--config-id}'[the name that @NAME lines of the configuration are for (default\: the host'\''s, up to the first dot)]:id: ' '--runtime-dir[where the sockets are made (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/' '--state-dir[what is remembered across restarts (default\: $STATE_DIRECTORY, else /var/lib/handover)]:directory:_files -/'
        ;;
    status)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '--json[as one JSON object]' {-f,--config}'[accepted by all programs; not needed here]:file:_files' '--runtime-dir[where the sockets are (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/'
        ;;
    check)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' {-f,--config}'[the configuration file (default\: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)]:file:_files' {-i,--config-id}'[the name that @NAME lines of the configuration are for (default\: the host'\''s, up to the first dot)]:id: ' '--deny[what is to count as an error besides errors\: warnings]:what: ' '--host[look also at this machine\: interfaces, addresses, scripts and their users, the firewall]' '--portable[tell also each word that is Handover'\''s own and that keepalived doesn'\''t know]' '--json[on standard output, one object of JSON for each diagnostic]' '--runtime-dir[accepted by all programs; not needed here]:directory:_files -/' '*:file:_files'
        ;;
    explain)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' {-f,--config}'[the configuration file (default\: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)]:file:_files' {-i,--config-id}'[the name that @NAME lines of the configuration are for (default\: the host'\''s, up to the first dot)]:id: ' '--json[an instance as one JSON object]' '--runtime-dir[accepted by all programs; not needed here]:directory:_files -/' '*:name: '
        ;;
    fmt)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' {-f,--config}'[the configuration file (default\: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)]:file:_files' '--check[print nothing; status 1 if the file isn'\''t in normal form]' '--write[replace the file, if it isn'\''t in normal form; mode and owner stay, and a symbolic link is followed]' '--runtime-dir[accepted by all programs; not needed here]:directory:_files -/' '*:file:_files'
        ;;
    events)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '--json[as JSON Lines, just as vrrp-core sends them]' {-f,--config}'[accepted by all programs; not needed here]:file:_files' '--runtime-dir[where the sockets are (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/'
        ;;
    history)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' {-n,--count}'[how many entries, the newest (default\: 40; all with --since or --json)]:count: ' '--since[no older ones\: a time in UTC, or how long ago, such as 90min]:time: ' '--json[as JSON Lines, just as they are in the file]' '--state-dir[where the file is (default\: where notifierd says, else $STATE_DIRECTORY, else /var/lib/handover)]:directory:_files -/' '--runtime-dir[where the sockets are (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/' '*:name: '
        ;;
    drain)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '--all[every instance]' '--force[also if no other router has been heard that could take over\: backups are silent, so look at its status first]' '--runtime-dir[where the sockets are (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/' '*:instance: '
        ;;
    undrain)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '--all[every instance]' '--runtime-dir[where the sockets are (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/' '*:instance: '
        ;;
    reload)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '--plan[only say what would change]' '--json[as one JSON object]' {-f,--config}'[accepted by all programs; the daemons read the file that they were started with]:file:_files' '--runtime-dir[where the sockets are (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/'
        ;;
    simulate)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '--fail[let a check fail on a node, for good]:check@node: ' '--crash[let a node lose power]:node: ' '--partition[cut a node off from all others]:node: ' '--pause[let a node stand still for a time (a virtual machine that is migrated)]:node time: ' '--at[when the failure named just before happens\: 5s, 500ms, 2m (default\: 0s)]:time: ' '--every-single-failure[try every check, link, crash and cut, each alone, and say for each whether the address moves]' '--only-on-master[what this check looks for runs only on the master\: hooks start it for MASTER and stop it otherwise, so the check passes only there, and fall or rise intervals late. It begins stopped everywhere]:check: ' {-i,--config-id}'[the name that @NAME lines of the configurations are for (default\: the host'\''s, up to the first dot)]:id: ' '--json[as one JSON object]' '*:file:_files'
        ;;
    lab)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '*:dir:_files -/'
        ;;
    *)
        _arguments -s '(- *)'{-h,--help}'[help]' {-V,--version}'[print the version and exit]' '1:command:(run status check explain fmt events history drain undrain reload simulate lab)'
        ;;
    esac
    ;;
checkerd)
    case ${words[2]} in
    run)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' {-f,--config}'[the configuration file (default\: as the daemon'\''s)]:file:_files' {-i,--config-id}'[the name that @NAME lines of the configuration are for (default\: the host'\''s)]:id: ' '--runtime-dir[where the socket of a checkerd is whose place is taken (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/' '*:name: '
        ;;
    watch)
        shift words
        (( CURRENT-- ))
        _arguments -s '(- *)'{-h,--help}'[help]' '--runtime-dir[where the socket is (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/' '--once[show them once and end]'
        ;;
    *)
        _arguments -s '(- *)'{-h,--help}'[help]' '--stdout[verdicts on standard output as well, as JSON Lines]' {-f,--config}'[the configuration file (default\: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)]:file:_files' {-i,--config-id}'[the name that @NAME lines of the configuration are for (default\: the host'\''s, up to the first dot)]:id: ' '--runtime-dir[where the sockets are (default\: $RUNTIME_DIRECTORY, else /run/handover)]:directory:_files -/' '--state-dir[what is remembered across restarts (default\: $STATE_DIRECTORY, else /var/lib/handover)]:directory:_files -/' {-V,--version}'[print the version and exit]' '1:command:(run watch)'
        ;;
    esac
    ;;
esac
