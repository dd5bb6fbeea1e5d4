//go:build race

package cts

// manySessions is what a start is measured with; the race detector makes their
// creation slow.
const manySessions = 5_000
