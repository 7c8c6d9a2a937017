//go:build race

package keycask_test

const withRaceDetector = true
