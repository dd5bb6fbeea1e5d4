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

// Line is what a server prints on stdout, as JSON: "listening" when its ports are
// bound, "ready" when it serves.
type Line struct {
	Event    string          `json:"event"`
	HTTP     string          `json:"http"`
	Cluster  string          `json:"cluster,omitempty"`
	Journey  string          `json:"journey,omitempty"`
	User     string          `json:"user,omitempty"`
	Password identity.Secret `json:"password,omitempty"`
}

// Child is a server process that this one started.
type Child struct {
	Line // the last one that was awaited
	PID  int

	command string
	said    chan Line // closed at the end of its output
	stop    context.CancelFunc
	done    chan error
}

const (
	// stopTime is how long a child may take to end in order before it is killed.
	stopTime = 10 * time.Second
	// linesKept is how many lines of a child wait to be awaited.
	linesKept = 16
)

// Launch starts a program that ends with ctx, and with Close.
func Launch(ctx context.Context, stderr io.Writer, program string, args ...string) (*Child, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the caller starts this very binary
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	cmd.Stderr = stderr
	c := &Child{command: program + " " + args[0], said: make(chan Line, linesKept), stop: cancel, done: make(chan error, 1)}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", c.command, err)
	}
	c.PID = cmd.Process.Pid
	go func() {
		c.listen(out)
		c.done <- cmd.Wait()
	}()
	return c, nil
}

// listen reads all that the child prints, so that printing never blocks it.
func (c *Child) listen(out io.Reader) {
	defer close(c.said)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var l Line
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue
		}
		select {
		case c.said <- l:
		default: // nobody waits for so many
		}
	}
}

// Await returns when the child has printed the line of an event, which is c.Line
// from then on. It is used by one goroutine.
func (c *Child) Await(ctx context.Context, event string) error {
	for {
		select {
		case l, more := <-c.said:
			switch {
			case !more:
				return fmt.Errorf("start %s: it ended without the line %q", c.command, event)
			case l.Event == event:
				c.Line = l
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("start %s: no line %q: %w", c.command, event, context.Cause(ctx))
		}
	}
}

// Spawn starts a program as Launch does and awaits its line "ready".
func Spawn(ctx context.Context, stderr io.Writer, program string, args ...string) (*Child, error) {
	c, err := Launch(ctx, stderr, program, args...)
	if err != nil {
		return nil, err
	}
	if err := c.Await(ctx, "ready"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
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
