// Package daemon puts a member together: it opens the stores, makes the parts
// by plain constructor calls, runs them, and stops them in order. It is the one
// place where all packages meet.
package daemon
