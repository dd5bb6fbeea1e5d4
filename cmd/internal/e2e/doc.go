// Package e2e holds tests of the whole and nothing else: who may import whom,
// what pure packages may not do, and runs of real processes.
package e2e
