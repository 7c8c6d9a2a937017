#!/usr/bin/env bash
# What takes too long for every run of the Go binding's tests: staticcheck, the checks for which Go's standard library is
# compiled anew, long fuzzing, and the benchmark beside Go's own crypto.
#
#   scripts/go.sh
#
# It takes some ten minutes. The last line is `N passed, N failed`.

source "$(dirname "$0")/lib.sh"
need gcc libc6-dev
need_go
build_library
cd bindings/go

STATICCHECK=v0.8.2
checked() {
    GOBIN=$ROOT/target/tools/go go install "honnef.co/go/tools/cmd/staticcheck@$STATICCHECK" &&
        "$ROOT/target/tools/go/staticcheck" -tags keycask_dev ./... && cd sqltest && "$ROOT/target/tools/go/staticcheck" -tags keycask_dev ./...
}
check "staticcheck has no complaint" checked
check "tests pass with GOEXPERIMENT=cgocheck2" env GOEXPERIMENT=cgocheck2 go test -count=1 -tags keycask_dev ./...
check "tests pass with checkptr=2" go test -count=1 -tags keycask_dev -gcflags=all=-d=checkptr=2 ./...
for target in FuzzDecrypt FuzzOpen; do
    check "$target finds nothing in two minutes" go test -tags keycask_dev -run '^$' -fuzz "^${target}\$" -fuzztime 2m .
done
go test -tags keycask_dev -run '^$' -bench . -count 5 . | tee "$ROOT/target/go-bench.txt"
totals
