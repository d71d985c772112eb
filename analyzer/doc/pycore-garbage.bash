# Completion of pycore-garbage for bash.
_pycore_garbage() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} name=
    # bash takes = for a word of its own.
    if [[ $cur == = ]]; then
        name=$prev cur=
    elif [[ $prev == = ]]; then
        name=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $name in
    --format) mapfile -t COMPREPLY < <(compgen -W 'text json markdown html dot folded' -- "$cur"); return ;;
    --color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur"); return ;;
    --sysroot|--library-path|--debug-path|--tmpdir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --max-unpacked|--finding|--limit|--max-size|--width|--jobs|--verify|--error-exitcode) return ;;
    esac
    if [[ -z $name && $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-c -o -q -v --core= --output= --graph= --sysroot= --library-path= --debug-path= --debuginfod --tmpdir= --max-unpacked= --force
            --format= --finding= --limit= --max-size= --ascii --color= --width= --values --check --compare= --merge --verify --jobs=
            --error-exitcode= --verbose --quiet --help --usage --version' -- "$cur")
        [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace
        return
    fi
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -F _pycore_garbage pycore-garbage
