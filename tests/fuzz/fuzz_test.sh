#!/bin/bash
# fuzz_test.sh PROGRAM CORPUS SECONDS: runs the checked-in corpus, then new inputs for a while. What
# a run finds is written below $TEST_UNDECLARED_OUTPUTS_DIR and becomes a unit test.
set -euo pipefail
program=$1
corpus=$2
seconds=$3
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
# ASan's own memory isn't the program's: what it allocates at a time is what is bounded here.
exec_flags="-timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=64 -max_len=65536 -print_final_stats=1"
cd "${TEST_UNDECLARED_OUTPUTS_DIR:-$found}"
"$OLDPWD/$program" $exec_flags -runs=0 "$OLDPWD/$corpus"
"$OLDPWD/$program" $exec_flags -max_total_time="$seconds" -seed=1 "$found" "$OLDPWD/$corpus"
