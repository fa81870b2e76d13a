#!/usr/bin/env bash
# The GPU check, for a machine with CUDA; DATA holds mnist/ and dogbreed/ (folders of classes):
#
#     scripts/gpu_check.sh DATA
#
# Runs the tests marked `gpu`, every command on the digits, MNIST and the dog breeds, in fp32, bf16, fp16, channels_last
# and compiled, and measures (see bench_gpu.py). It goes on after a failure, names each at the end, and then exits
# with 1. All that is printed is kept in LOG (default gpu_check.log).
#
#     DEVICE=cpu scripts/gpu_check.sh DATA
#
# rehearses every line on the CPU with next to nothing to compute: nothing may fail there.
#
# DEVICE=cuda:1 takes another GPU, PARTS="tests commands ranks bench" some of the parts, PYTHON=... another Python.
set -uo pipefail
cd "$(dirname "$0")/.."
data=$(cd "${1:?give the folder that holds mnist/ and dogbreed/}" && pwd)
device=${DEVICE:-cuda:0}
python=${PYTHON:-python}
parts=${PARTS:-tests commands ranks bench}
log=${LOG:-gpu_check.log}
exec > >(tee "$log") 2>&1

runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
failed=()

# A line of the check: its name, the exit codes that are right, and the command.
line() {
    local name=$1 right=$2 began=$SECONDS code=0
    shift 2
    "$@" > "$runs/out" 2>&1 || code=$?
    if [[ " $right " == *" $code "* ]]; then
        echo "ok      $((SECONDS - began)) s, exit $code: $name"
    else
        echo "FAILED  $((SECONDS - began)) s, exit $code, not $right: $name"
        tail -n 40 "$runs/out"
        failed+=("$name")
    fi
}

# A run of lrfind on the device. Whether a rate is found in so few steps is not the question: 3 is right, too.
number=0
lrfind() {
    number=$((number + 1))
    line "lrfind $*" "0 3" "$python" -m lrfind -q "$@" "device=$device" "hydra.run.dir=$runs/$number"
}

if [ "$device" = cpu ]; then
    echo "a rehearsal on the CPU"
    ladder=(range.num_steps=6 range.repeats=1) batch=4 size=32 deep=resnet18 verify=3 length=compare.samples=128 trial=4 measured=--rehearse
    export LRFIND_DEVICE=cpu OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
else
    "$python" -c 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else "no CUDA device is seen by torch")' \
        || exit 1
    "$python" -c 'import torch; print("torch", torch.__version__, "CUDA", torch.version.cuda,
        *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())), sep=", ")'
    ladder=(range.num_steps=60) batch=64 size=224 deep=resnet50 verify=100 length=compare.epochs=1 trial=100 measured=
    export LRFIND_DEVICE=$device
fi

if [[ $parts == *tests* ]]; then
    export LRFIND_DATA=${LRFIND_DATA:-$data}
    if [ "$device" = cpu ]; then
        line "the tests marked gpu" 0 "$python" -m pytest -q -m gpu tests/cli/test_on_gpu.py -k "interrupt or out_ends"
        line "the tests of two GPUs" 0 "$python" -m pytest -q -m gpu tests/cli/test_ranks.py -k "two_gpus and ddp or signal"
    else
        line "the tests marked gpu" 0 "$python" -m pytest -q -m gpu
        grep -E "passed|failed|SKIPPED" "$runs/out"
    fi
fi

mnist=(model=mnist_mlp data=mnist "data.root=$data/mnist")
dogs=("model=$deep" data=dogbreed "data.root=$data/dogbreed" "data.image_size=$size" "batch_size=$batch")
round="refine.segments=[{start: 0.1, stop: 0.3, step: 0.1, iterations: 3}]"

if [[ $parts == *commands* ]]; then
    for task in digits mnist dogs; do
        case $task in
            digits) words=() ;;
            mnist) words=("${mnist[@]}") ;;
            dogs) words=("${dogs[@]}") ;;
        esac
        lrfind "${words[@]}" "${ladder[@]}"
        lrfind "${words[@]}" "${ladder[@]}" range.paired=false precision=bf16
        lrfind "${words[@]}" "${ladder[@]}" precision=fp16
        lrfind refine "${words[@]}" refine.rounds=1 "$round"
        lrfind refine "${words[@]}" refine.rounds=1 "$round" refine.restart=true refine.strategy=sequential
        lrfind verify 0.01 "${words[@]}" "verify.steps=$verify" verify.seeds=2
        if [ "$task" = dogs ] && [ "$device" = cpu ]; then continue; fi # minutes on a CPU, and the same code
        lrfind compare "${words[@]}" "compare.lrs=[0.01,0.03]" "$length" compare.readings=1 compare.seeds=2
        lrfind schedule --try schedule.lr=0.01 "schedule.policy=[step,one_cycle]" "schedule.num_steps=$trial" \
            schedule.readings=2 schedule.seeds=2 "${words[@]}"
    done
    lrfind refine refine.rounds=1 "$round" refine.seeds=3 refine.strategy=stacked
    lrfind refine refine.rounds=1 "$round" refine.restart=true refine.strategy=stacked
    lrfind "${dogs[@]}" "${ladder[@]}" precision=bf16 channels_last=true
    lrfind "${dogs[@]}" "${ladder[@]}" precision=fp16 channels_last=true accumulation_steps=2 clip_grad_norm=1
    if [ "$device" != cpu ]; then # where it takes a compiler and minutes
        lrfind "${ladder[@]}" compile=true
        lrfind "${dogs[@]}" "${ladder[@]}" precision=bf16 channels_last=true compile=true
    fi
fi

if [[ $parts == *ranks* ]]; then
    gpus=$("$python" -c 'import torch; print(torch.cuda.device_count())')
    if [ "$device" != cpu ] && [ "$gpus" -lt 2 ]; then
        echo "left out: several ranks, which need two GPUs; there is $gpus"
    else
        [ "$device" = cpu ] || device=cuda # a GPU for each rank
        for how in ddp fsdp; do
            lrfind ranks=2 "distributed=$how" "${ladder[@]}"
            lrfind ranks=2 "distributed=$how" "${dogs[@]}" "${ladder[@]}" precision=bf16 clip_grad_norm=1
            lrfind verify 0.01 ranks=2 "distributed=$how" "verify.steps=$verify" verify.seeds=2
            lrfind refine ranks=2 "distributed=$how" refine.rounds=1 "$round"
        done
        line "torchrun -m lrfind" "0 1" "$python" -m torch.distributed.run --nproc-per-node 2 --rdzv-backend c10d \
            --rdzv-endpoint localhost:0 -m lrfind -q "${ladder[@]}" "device=$device" "hydra.run.dir=$runs/torchrun"
        line "the record of torchrun's ranks" 0 grep -q '"count": 2' "$runs/torchrun/range.json"
        device=${DEVICE:-cuda:0}
    fi
fi

if [[ $parts == *bench* ]]; then
    for part in throughput rates seeds processes; do
        # shellcheck disable=SC2086 # an empty word is none
        line "bench_gpu.py --only $part" 0 "$python" scripts/bench_gpu.py --photos "$data/dogbreed" \
            --device "$device" --only "$part" $measured
        grep -v USDT "$runs/out"
    done
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo "everything went well"
