#!/usr/bin/env bash
# Test in several processes: one a GPU, or on CPUs where there is no GPU.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/launch.sh
source "$here/launch.sh"

usage() {
    cat <<'END'
usage: [NAME=VALUE ...] dist_test.sh CONFIG CHECKPOINT GPUS [ARGUMENTS of test.py ...]

  CONFIG       config file of the model
  CHECKPOINT   checkpoint file or URL
  GPUS         processes on this machine, one a GPU; without GPUs they run on the CPU

  environment, with its defaults:
    PORT           a free port, or 29500 where NNODES is above 1
    NNODES=1       machines; start this on each of them
    NODE_RANK      number of this machine, from 0; needed where NNODES is above 1
    MASTER_ADDR    address of machine 0; needed where NNODES is above 1
    PYTHON         the clone's .venv/bin/python, else python
END
}

need_arguments 3 "$@"
config=$1 checkpoint=$2 gpus=$3
shift 3
launch_with_torchrun "$gpus" "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
