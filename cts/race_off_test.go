//go:build !race

package cts

// manySessions is what a start is measured with.
const manySessions = 100_000
