#!/bin/sh
# A CI job: is the learning rate that this project has pinned still right? Fails where it is not.
#
#     sh examples/ci/check_learning_rate.sh 0.3 [OVERRIDE ...]
#
# Exit codes of `lrfind verify --lr`: 0 still right, 4 no longer, 2 something cannot be used as given,
# 3 no rate can be suggested to compare it with.
lr=${1:?give the pinned learning rate}
shift
out=$(mktemp -d)
lrfind verify --lr "$lr" device=cpu hydra.run.dir="$out" "$@"
code=$?
case $code in
    0) echo "learning rate $lr: still right" ;;
    4) echo "learning rate $lr: no longer right; pictures and numbers are in $out" >&2 ;;
    *) echo "learning rate $lr: could not be checked (exit code $code)" >&2 ;;
esac
exit $code
