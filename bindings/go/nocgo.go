//go:build !cgo

package keycask

// keycask is a C library. Without cgo there is nothing to call, and the line below does not compile.
var _ = keycask_needs_cgo__set_CGO_ENABLED_1_and_have_a_C_compiler
