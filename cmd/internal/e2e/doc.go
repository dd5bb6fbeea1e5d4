// Package e2e holds tests of the whole and nothing else: who may import whom,
// what pure packages may not do, and runs of real processes.
//
// The processes run the binary as it is shipped, on loopback, with ports from
// the kernel and a data folder that outlives them. What a test was told by the
// API is what it holds the next process to. "go test ./cmd/internal/e2e -full
// -timeout 20m" runs the sizes that the promises name instead of smaller ones.
// The tests of a full disk mount a file system of their own, as root only.
package e2e
