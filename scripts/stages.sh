# Sourced by scripts/test and .ci/run: named, timed stages that all run, and a verdict at the end.
# shellcheck shell=bash

stages_passed=0
stages_failed=()
stages_left_out=()

# stage NAME COMMAND…: runs the command without standard input. A failure is kept for the verdict and the next
# stage still runs, so that one run shows everything that is wrong.
# The command is an external one: bash ignores `set -e` inside a function that is called from an `if`.
stage() {
    local name=$1 began=$SECONDS
    shift
    printf '\n==> %s\n' "$name"
    if "$@" </dev/null; then
        stages_passed=$((stages_passed + 1))
        printf '<== %s: passed (%d s)\n' "$name" $((SECONDS - began))
    else
        stages_failed+=("$name")
        printf '<== %s: FAILED (%d s)\n' "$name" $((SECONDS - began))
    fi
}

# leave_out NAME WHY: something that should have run and could not. In CI that is a failure.
leave_out() {
    printf '\n==> %s\n<== %s: LEFT OUT: %s\n' "$1" "$1" "$2"
    if [[ ${CI:-} == true ]]; then
        stages_failed+=("$1 (left out: $2)")
    else
        stages_left_out+=("$1: $2")
    fi
}

# verdict: what failed, what was left out, one line of counts; its status is the run's.
verdict() {
    printf '\n'
    [[ ${#stages_failed[@]} -eq 0 ]] || printf 'FAILED: %s\n' "${stages_failed[@]}"
    [[ ${#stages_left_out[@]} -eq 0 ]] || printf 'LEFT OUT: %s\n' "${stages_left_out[@]}"
    printf 'stages: %d passed, %d failed, %d skipped\n' \
        "$stages_passed" "${#stages_failed[@]}" "${#stages_left_out[@]}"
    [[ ${#stages_failed[@]} -eq 0 ]]
}
