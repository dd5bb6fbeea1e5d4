package bench

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what a process has used of all processors since its start, with
// the threads that have ended, as the scheduler counts it in nanoseconds. The
// clock's number is made of the pid as clock_getcpuclockid(3) does.
func cpuTime(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of the whole process
	var ts unix.Timespec
	clock := int32(^pid<<3 | schedClock) //nolint:gosec // a pid has 22 bits at most
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}
