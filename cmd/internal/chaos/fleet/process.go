package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// event is a line that a member prints on stdout.
type event struct {
	Event   string `json:"event"`
	HTTP    string `json:"http"`
	Cluster string `json:"cluster"`
}

// process is one run of a member.
type process struct {
	cmd *exec.Cmd
	// listening and ready are closed when the member says so; said is what it
	// said first, to be read after listening.
	listening, ready chan struct{}
	said             event
	// gone is closed when the process has ended and err is its exit.
	gone chan struct{}
	err  error
}

// launch starts a command; log takes what it writes to stderr.
func launch(cmd *exec.Cmd, log *os.File) (*process, error) {
	p := &process{cmd: cmd, listening: make(chan struct{}), ready: make(chan struct{}), gone: make(chan struct{})}
	cmd.Env = environment()
	cmd.Stderr = log
	// A group of its own, so that a signal to us is none to members; and no
	// member outlives us, however we end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller names the member
	}
	if err := cmd.Start(); err != nil {
		return nil, err //nolint:wrapcheck // the caller names the member
	}
	go func() {
		defer close(p.gone)
		p.listen(stdout)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// listen reads the member's events until its end.
func (p *process) listen(stdout io.Reader) {
	heard, ready := false, false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		if !heard && (e.Event == "listening" || e.Event == "ready") {
			heard, p.said = true, e
			close(p.listening)
		}
		if !ready && e.Event == "ready" {
			ready = true
			close(p.ready)
		}
	}
}

// environment is ours without what would configure a member.
func environment() []string {
	var env []string
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "SOJOURN_") {
			env = append(env, line)
		}
	}
	return env
}

// await waits for a sign of the member.
func (p *process) await(ctx context.Context, sign <-chan struct{}, patience time.Duration) (event, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %v", patience))
	defer cancel()
	select {
	case <-sign:
		return p.said, nil
	case <-ctx.Done():
		return event{}, context.Cause(ctx)
	case <-p.gone:
		return event{}, fmt.Errorf("it ended: %w", p.exit())
	}
}

// exit is how a process that is gone ended.
func (p *process) exit() error {
	if p.err == nil {
		return errors.New("exit code 0")
	}
	return p.err
}

func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

func (p *process) kill(patience time.Duration) error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process %d: %w", p.cmd.Process.Pid, err)
	}
	return p.end(patience)
}

func (p *process) terminate(patience time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("process %d: %w", p.cmd.Process.Pid, err)
	}
	if err := p.end(patience); err != nil {
		return err
	}
	return p.err
}

// end waits until the process is gone.
func (p *process) end(patience time.Duration) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-p.gone:
		return nil
	case <-limit.C:
		return fmt.Errorf("process %d did not end within %v", p.cmd.Process.Pid, patience)
	}
}

// stopped waits until the kernel has stopped all threads of the process.
func (p *process) stopped(patience time.Duration) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			return err //nolint:wrapcheck // the caller names the member
		}
		// The state follows the name, which stands in parentheses.
		if _, state, _ := bytes.Cut(text, []byte(") ")); bytes.HasPrefix(state, []byte("T")) {
			return nil
		}
		select {
		case <-look.C:
		case <-limit.C:
			return fmt.Errorf("process %d runs on after %v", p.cmd.Process.Pid, patience)
		}
	}
}
