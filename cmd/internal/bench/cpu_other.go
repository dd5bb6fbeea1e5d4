//go:build !linux

package bench

import (
	"errors"
	"time"
)

// cpuTime is known on Linux only.
func cpuTime(int) (time.Duration, error) {
	return 0, errors.New("read CPU time of a process: only Linux tells")
}
