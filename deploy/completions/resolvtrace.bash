# bash completion for resolvtrace(1), made by `make completions`

_resolvtrace() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command="" word words
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        daemon|top|check|explain|who|doctor|demo) command=$word && break ;;
        esac
    done
    case "$command $prev" in
        "daemon --config") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "daemon --socket") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "daemon --state-dir") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        "daemon --web.listen-address") return ;;
        "daemon --web.telemetry-path") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "daemon --web.config.file") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "daemon --log.level") mapfile -t COMPREPLY < <(compgen -W "debug info warning error" -- "$cur"); return ;;
        "daemon --log.format") mapfile -t COMPREPLY < <(compgen -W "logfmt json" -- "$cur"); return ;;
        "top -n"|"top --samples") return ;;
        "top -d"|"top --delay") return ;;
        "top --filter") return ;;
        "top --socket") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "check --print") return ;;
        "check --socket") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "explain --socket") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "who --since") return ;;
        "who --socket") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        "doctor --socket") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    esac
    case $command in
        "") words="daemon top check explain who doctor demo --help --version" ;;
        daemon) words="-h --help --config --socket --state-dir --strict --web.listen-address --web.telemetry-path --web.config.file --log.level --log.format --check-config" ;;
        top) words="-h --help -b --batch -n --samples -d --delay --stale --group --filter --ascii --socket" ;;
        check) words="-h --help --json --openmetrics --nagios --services --print --all --socket" ;;
        explain) words="-h --help --json --socket" ;;
        who) words="-h --help --since --json --socket" ;;
        doctor) words="-h --help --json --socket" ;;
        demo) words="-h --help" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _resolvtrace resolvtrace
