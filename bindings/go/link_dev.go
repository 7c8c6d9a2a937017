//go:build keycask_dev

package keycask

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: -L${SRCDIR}/../../target/release -lkeycask -Wl,-rpath,${SRCDIR}/../../target/release
import "C"
