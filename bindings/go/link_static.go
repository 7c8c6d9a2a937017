//go:build keycask_static && !keycask_dev

package keycask

// #cgo pkg-config: keycask-static
import "C"
