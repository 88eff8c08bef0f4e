#!/bin/bash
# build_fuzzers.sh OUT SOURCE...: links each SOURCE that ends in _fuzz.cc with all others into a
# libFuzzer program OUT/NAME, with ASan and UBSan.
set -euo pipefail
out=$1
shift
flags="-std=c++17 -O1 -g1 -iquote . -fno-omit-frame-pointer -Wno-deprecated-declarations
  -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all"
libraries=$(pkg-config --libs absl_status absl_statusor absl_strings absl_str_format absl_time \
  absl_flat_hash_map absl_flat_hash_set re2 libcrypto)
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for source in "$@"; do
  case $source in *.cc) echo "$source" ;; esac
done | xargs -P "$(nproc)" -I{} sh -c \
  'clang++ '"$(echo $flags)"' -c "$1" -o "$2/$(echo "$1" | tr / -).o"' _ {} "$objects"
shared=$(ls "$objects"/*.o | grep -v '_fuzz\.cc\.o$')
for target in "$objects"/*_fuzz.cc.o; do
  name=$(basename "$target" .cc.o)
  clang++ -fsanitize=address,undefined,fuzzer "$target" $shared $libraries -o "$out/${name##*-}"
done
