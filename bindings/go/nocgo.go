//go:build !cgo

package keycask

// keycask is a C library. Without cgo there is nothing to call, and this, all that is left of the package, does not compile.
const _ int = "keycask needs cgo: set CGO_ENABLED=1, and have a C compiler in PATH (gcc) and libkeycask installed"
