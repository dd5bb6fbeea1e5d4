package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"sojourn/actors/identity"
)

// Ready is the line that a server prints on stdout when it serves.
type Ready struct {
	Event    string          `json:"event"`
	HTTP     string          `json:"http"`
	Journey  string          `json:"journey,omitempty"`
	User     string          `json:"user,omitempty"`
	Password identity.Secret `json:"password,omitempty"`
}

// Child is a server process that this one started.
type Child struct {
	Ready
	PID  int
	stop context.CancelFunc
	done chan error
}

// stopTime is how long a child may take to end in order before it is killed.
const stopTime = 10 * time.Second

// Spawn starts a program and waits until it prints its ready line. The program
// ends with ctx, and with Close.
func Spawn(ctx context.Context, stderr io.Writer, program string, args ...string) (*Child, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the caller starts this very binary
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start %s %s: %w", program, args[0], err)
	}
	c := &Child{PID: cmd.Process.Pid, stop: cancel, done: make(chan error, 1)}
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		ready <- c.await(lines)
		for lines.Scan() { // whatever else it says must not block it
		}
		c.done <- cmd.Wait()
	}()
	if err := <-ready; err != nil {
		return nil, errors.Join(fmt.Errorf("start %s %s: %w", program, args[0], err), c.Close())
	}
	return c, nil
}

// await reads up to the ready line.
func (c *Child) await(lines *bufio.Scanner) error {
	for lines.Scan() {
		var r Ready
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Event == "ready" {
			c.Ready = r
			return nil
		}
	}
	return errors.New("it ended without a ready line")
}

// Close ends the child and waits for it.
func (c *Child) Close() error {
	c.stop()
	var exit *exec.ExitError
	if err := <-c.done; err != nil && !errors.As(err, &exit) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("stop process %d: %w", c.PID, err)
	}
	return nil
}
