// Package register is the core of replicated journeys: a register per journey
// that a majority of its replicas holds.
//
// The package is pure.
package register
