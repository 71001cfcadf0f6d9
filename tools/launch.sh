# What the four starters (dist_*.sh and slurm_*.sh) share. Sourced by them, not run.
# shellcheck shell=bash

tools=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname -- "$tools")

# From a clone, the tools take the package that is beside them.
if [ -d "$root/bgremoval_mm" ]; then
    export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
fi

# Both end the starter: help that was asked for goes to stdout, what is wrong to stderr.
show_help() {
    usage
    exit 0
}

fail() {
    usage >&2
    printf '\n%s: error: %s\n' "$(basename -- "$0")" "$1" >&2
    exit 2
}

# Usage: need_arguments NUMBER "$@"
need_arguments() {
    local needed=$1 argument
    shift
    for argument in "$@"; do
        case $argument in -h | --help) show_help ;; esac
    done
    [ $# -ge "$needed" ] || fail "$needed arguments are needed, but got $#"
}

# Usage: need_count NAME VALUE
need_count() {
    [[ $2 =~ ^[1-9][0-9]*$ ]] || fail "$1 must be a number from 1 on, but got '$2'"
}

# The interpreter: PYTHON, else the one that `make setup` made, else the one on the PATH.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v -- "$PYTHON" || fail "PYTHON names '$PYTHON', which is no program"
    elif [ -x "$root/.venv/bin/python" ]; then
        printf '%s\n' "$root/.venv/bin/python"
    else
        command -v python || fail 'there is no python on the PATH: set PYTHON=/path/to/python'
    fi
}

# Usage: launch_with_torchrun GPUS SCRIPT [ARGUMENTS]
launch_with_torchrun() {
    local gpus=$1 nodes=${NNODES:-1} python where
    shift
    need_count GPUS "$gpus"
    need_count NNODES "$nodes"
    if [ "$nodes" -gt 1 ] && { [ -z "${MASTER_ADDR:-}" ] || [ -z "${NODE_RANK:-}" ]; }; then
        fail "NNODES=$nodes needs NODE_RANK (0 on the first machine) and MASTER_ADDR (the first machine's address)"
    fi
    if [ "$nodes" -eq 1 ] && [ -z "${PORT:-}" ]; then
        where=(--standalone) # finds a free port
    else
        where=(
            --nnodes="$nodes"
            --node-rank="${NODE_RANK:-0}"
            --master-addr="${MASTER_ADDR:-127.0.0.1}"
            --master-port="${PORT:-29500}"
        )
    fi
    python=$(find_python)
    # This is torchrun, without its script, whose first line may name another Python.
    exec "$python" -m torch.distributed.run "${where[@]}" --nproc-per-node="$gpus" "$@"
}

# Usage: launch_with_srun PARTITION JOB_NAME SCRIPT [ARGUMENTS]
launch_with_srun() {
    local partition=$1 job_name=$2 gpus=${GPUS:-8} per_node extra python
    shift 2
    need_count GPUS "$gpus"
    per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    need_count GPUS_PER_NODE "$per_node"
    need_count CPUS_PER_TASK "${CPUS_PER_TASK:-5}"
    read -r -d '' -a extra <<<"${SRUN_ARGS:-}" || true # ends at the end of the text, with status 1
    python=$(find_python)
    command -v srun >/dev/null || fail 'there is no srun on the PATH: is this a Slurm machine?'
    # A number by chance, so that two jobs of one machine do not meet at mmengine's 29500.
    export MASTER_PORT=${MASTER_PORT:-${PORT:-$((10000 + RANDOM % 20000))}}
    exec srun \
        --partition="$partition" \
        --job-name="$job_name" \
        --gres=gpu:"$per_node" \
        --ntasks="$gpus" \
        --ntasks-per-node="$per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        "${extra[@]}" \
        "$python" -u "$@"
}
