#!/usr/bin/env bash
# Train in several processes: one a GPU, or on CPUs where there is no GPU.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/launch.sh
source "$here/launch.sh"

usage() {
    cat <<'END'
usage: [NAME=VALUE ...] dist_train.sh CONFIG GPUS [ARGUMENTS of train.py ...]

  CONFIG   config file of the training
  GPUS     processes on this machine, one a GPU; without GPUs they run on the CPU

  environment, with its defaults:
    PORT           a free port, or 29500 where NNODES is above 1
    NNODES=1       machines; start this on each of them
    NODE_RANK      number of this machine, from 0; needed where NNODES is above 1
    MASTER_ADDR    address of machine 0; needed where NNODES is above 1
    PYTHON         the clone's .venv/bin/python, else python

The batch size of the config is that of each process, and the learning rate is not scaled.
END
}

need_arguments 2 "$@"
config=$1 gpus=$2
shift 2
launch_with_torchrun "$gpus" "$here/train.py" "$config" --launcher pytorch "$@"
