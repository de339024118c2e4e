#!/bin/sh
# Checks the CUDA kernel on a machine with nvcc, CMake and a CUDA device; needs no Node. Builds liboverfill-cuda and its test,
# compares every row of the table of types, layouts, maps and rotations with the reference on the device, and then times
# the kernel against a copy within the device (28 layers, 8 heads of 128 values, 16,384 tokens; target: 85% of the copy
# for bytes that move as they are).
#
#   scripts/check/gpu.sh [build folder, default build/gpu-check]
#
# llama.cpp comes from build/llama.cpp, or OVERFILL_LLAMA_SOURCE_DIR, or else the git bundle of node-llama-cpp. Its libraries
# come from the platform package where that is installed (OVERFILL_LLAMA_LIBRARY_DIR), or else are built from the source.
# OVERFILL_CUDA_ARCHITECTURES limits what nvcc builds for; the default is this machine's device.
set -eu

cd "$(dirname "$0")/../.."
root=$PWD
tree=${1:-$root/build/gpu-check}

fail() {
  echo "gpu.sh: $1" >&2
  exit 1
}

command -v cmake >/dev/null || fail "cmake is not in the PATH"
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || fail "nvcc is neither in the PATH nor in /usr/local/cuda"

source=${OVERFILL_LLAMA_SOURCE_DIR:-$root/build/llama.cpp}
if [ ! -e "$source/include/llama.h" ]; then
  bundle=$root/node_modules/node-llama-cpp/llama/gitRelease.bundle
  [ -e "$bundle" ] || fail "no llama.cpp in $source: set OVERFILL_LLAMA_SOURCE_DIR to the source of the version in package.json"
  mkdir -p "$tree"
  source=$tree/llama.cpp
  [ -e "$source/include/llama.h" ] || git clone --quiet "$bundle" "$source"
fi

libraries=${OVERFILL_LLAMA_LIBRARY_DIR:-$root/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64}
if [ -d "$libraries" ]; then mode=prebuilt; else mode=source libraries=; fi

architectures=${OVERFILL_CUDA_ARCHITECTURES:-}
if [ -z "$architectures" ] && command -v nvidia-smi >/dev/null; then
  # "9.0" becomes 90.
  architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | sort -u | tr -d . | tr '\n' ';' | sed 's/;$//')
fi

cmake -S "$root" -B "$tree/cmake" -DCMAKE_BUILD_TYPE=Release -DOVERFILL_TESTS=ON -DOVERFILL_CUDA=ON \
  -DOVERFILL_NVCC="$nvcc" ${architectures:+"-DOVERFILL_CUDA_ARCHITECTURES=$architectures"} \
  -DOVERFILL_LLAMA=$mode -DOVERFILL_LLAMA_SOURCE_DIR="$source" -DOVERFILL_LLAMA_LIBRARY_DIR="$libraries"
cmake --build "$tree/cmake" --parallel "$(nproc)" --target overfill_cuda test_kernel test_kernel_cuda

export OVERFILL_TEST_BACKENDS="$libraries" GGML_NO_BACKTRACE=1
export OVERFILL_CUDA_LIBRARY="$tree/cmake/liboverfill-cuda.so"
echo "== the kernel on the CPU"
"$tree/cmake/native/test/test_kernel"
echo "== the kernel on the device"
OVERFILL_TEST_CUDA=time "$tree/cmake/native/test/test_kernel_cuda"
echo "gpu.sh: every check passed"
