# bash completion for sprat: made from `sprat help` by dist/pages: what is changed here is lost

_sprat() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="share get node add rm ls status pause resume peers dht ping find demo key doctor help" options=
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$word")
        return
    fi
    case $before in
    -l | --listen | -b | --bootstrap | --up | --down | --network | -n | --nodes)
        COMPREPLY=()
        return
        ;;
    --key | --config | -o | --output)
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    -d | --dir | --share-dir)
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    esac
    case ${COMP_WORDS[1]} in
    share)
        options="-l --listen -b --bootstrap -d --dir --up --down --limit-lan --network --key --no-lan --config -q --quiet -v --verbose -h --help"
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    get)
        options="-l --listen -b --bootstrap -d --dir -o --output --seed --up --down --limit-lan --network --key --no-lan --json --config -q --quiet -v --verbose -h --help"
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    node)
        options="-l --listen -b --bootstrap -d --dir --share-dir --up --down --limit-lan --network --key --no-lan --config -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    add)
        options="-d --dir -o --output --json -q --quiet -v --verbose -h --help"
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    rm)
        options="-d --dir -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    ls)
        options="-d --dir --json -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    status)
        options="-d --dir --json -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    pause)
        options="-d --dir -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    resume)
        options="-d --dir -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    peers)
        options="-d --dir --json -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    dht)
        options="-d --dir --json -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    ping)
        options="-d --dir --json -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    find)
        options="-d --dir --json -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    demo)
        options="-n --nodes -q --quiet -v --verbose -h --help"
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    key)
        options="-q --quiet -v --verbose -h --help"
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    doctor)
        options="-l --listen -b --bootstrap -d --dir --network --key --json --config -q --quiet -v --verbose -h --help"
        COMPREPLY=()
        ;;
    help)
        options="-q --quiet -v --verbose -h --help"
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
        ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    fi
}
complete -F _sprat sprat
