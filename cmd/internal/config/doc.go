// Package config is the process configuration: one struct with a default for
// every value, a strict decoder, and one check that reports all faults at once.
//
// A value comes from the lowest of these layers that names it, the later ones
// winning: default, --dev, file, environment, flag. Load remembers which layer
// it was, so that "sojourn config show" can say where each value comes from and
// a fault can name the line to mend. The package reads no file and no
// environment itself: the caller hands both in.
//
// Secrets are never values of the file. The file names files that hold them.
package config
