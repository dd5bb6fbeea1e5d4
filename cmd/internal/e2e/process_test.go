package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/cmd/internal/secret"
	"sojourn/http/client"
)

// full asks for the long forms: as many sessions, journeys and rounds as the
// promises name. Without it the same code runs with fewer.
var full = flag.Bool("full", false, "run the long forms of the tests with real processes")

// pick is the size of a test: of its long form, of the gate, of -short.
func pick(long, gate, short int) int {
	switch {
	case *full:
		return long
	case testing.Short():
		return short
	}
	return gate
}

// workshop is the folder of what is made once for all tests: the binary.
var workshop string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if workshop, err = os.MkdirTemp("", "sojourn-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(workshop); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// build makes the binary as it is shipped, when the first test needs it.
var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(workshop, "sojourn")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, module+"/cmd/sojourn")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
})

// Times that bound the tests. None of them is waited for when all is well.
const (
	readyLimit = 30 * time.Second // from exec to the ready line
	stopLimit  = 30 * time.Second // from SIGTERM to the end: more than a drain
	tick       = 2 * time.Millisecond
)

// place is where a member keeps what it knows; it outlives the processes.
type place struct {
	dir, data, secretFile string
	operator              client.OperatorToken
	seed                  readyLine // what the first, seeding process said
	binary                string    // the program; empty is the one that build makes
}

// program is the program that members of the place run.
func (p *place) program(t *testing.T) string {
	t.Helper()
	if p.binary != "" {
		return p.binary
	}
	binary, err := build()
	must(t, err)
	return binary
}

// newPlace makes a data folder with the journeys of --dev and the user demo.
func newPlace(t *testing.T) *place {
	t.Helper()
	return newPlaceIn(t, t.TempDir())
}

func newPlaceIn(t *testing.T, dir string) *place {
	t.Helper()
	return newPlaceOf(t, dir, "")
}

// newPlaceOf is newPlace for another program.
func newPlaceOf(t *testing.T, dir, binary string) *place {
	t.Helper()
	p := &place{dir: dir, data: filepath.Join(dir, "data"), secretFile: filepath.Join(dir, "secret"), binary: binary}
	text, err := secret.Generate(rand.Reader)
	must(t, err)
	must(t, os.WriteFile(p.secretFile, []byte(text), 0o600))
	master, err := secret.Parse([]byte(text))
	must(t, err)
	p.operator = client.OperatorToken(master.OperatorToken().Reveal())
	seeding := p.start(t, "--dev")
	p.seed = seeding.readyLine
	seeding.terminate(t)
	return p
}

// readyLine is what a member prints when it serves.
type readyLine struct {
	Event, Name, HTTP, Cluster, Realm, Journey, User, Password string
}

// member is one process.
type member struct {
	readyLine
	place *place
	cmd   *exec.Cmd
	// took is the time from exec to the ready line.
	took time.Duration
	log  *transcript
	// gone is closed when the process has ended and all it said was read.
	gone chan struct{}
	err  error // of Wait, once gone
}

// start runs a member on the place and waits until it is ready. It is killed at
// the end of the test unless it ended before.
func (p *place) start(t *testing.T, args ...string) *member {
	t.Helper()
	m, err := p.try(t, args...)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return m
}

// try is start for a member that may refuse.
func (p *place) try(t *testing.T, args ...string) (*member, error) {
	t.Helper()
	begun := time.Now()
	m, said := p.launch(t, args...)
	var err error
	select {
	case err = <-said:
	case <-time.After(readyLimit):
		m.kill(t)
		return nil, fmt.Errorf("not ready within %v:\n%s", readyLimit, m.log)
	}
	if err != nil {
		m.wait(t, stopLimit)
		return m, fmt.Errorf("%w: %s", err, m.log)
	}
	m.took = time.Since(begun)
	return m, nil
}

// launch runs a member, ready or not. said gets the end of waiting for its ready
// line.
func (p *place) launch(t *testing.T, args ...string) (m *member, said <-chan error) {
	t.Helper()
	m = &member{place: p, log: &transcript{also: t.Output()}, gone: make(chan struct{})}
	m.cmd = exec.Command(p.program(t), append([]string{
		"serve", "--name", "one", "--data", p.data, "--secret", p.secretFile, "--http", "127.0.0.1:0",
		"--set", "limits.minFreeDisk=64MiB",
	}, args...)...)
	m.cmd.Env = environment()
	m.cmd.Dir = p.dir
	m.cmd.Stderr = m.log
	// A group of its own, so that a signal to the tests is none to the members;
	// and no member outlives the tests, however they end.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := m.cmd.StdoutPipe()
	must(t, err)
	must(t, m.cmd.Start())
	t.Cleanup(func() {
		if !m.ended() {
			m.kill(t)
		}
	})
	lines := make(chan string)
	go func() {
		defer close(lines)
		for out := bufio.NewScanner(stdout); out.Scan(); {
			m.log.line(out.Bytes())
			lines <- out.Text()
		}
	}()
	waited := make(chan error, 1)
	go func() {
		waited <- m.await(lines)
		for range lines { // there should be none; TestNoSecretInLogs reads them
		}
		m.err = m.cmd.Wait()
		close(m.gone)
	}()
	return m, waited
}

// await reads up to the ready line. Nothing but the listening line may come
// before it.
func (m *member) await(lines <-chan string) error {
	for line := range lines {
		var said readyLine
		err := json.Unmarshal([]byte(line), &said)
		switch {
		case err == nil && said.Event == "ready":
			m.readyLine = said
			return nil
		case err != nil || said.Event != "listening":
			return fmt.Errorf("instead of a ready line it said %q", line)
		}
	}
	return errors.New("it ended without a ready line")
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

func (m *member) pid() int     { return m.cmd.Process.Pid }
func (m *member) base() string { return "http://" + m.HTTP + "/am" }

func (m *member) ended() bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}

// kill ends the process with signal 9 and waits until it is gone.
func (m *member) kill(t *testing.T) {
	t.Helper()
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	m.wait(t, stopLimit)
}

func (m *member) signal(t *testing.T, s os.Signal) {
	t.Helper()
	must(t, m.cmd.Process.Signal(s))
}

// terminate asks the process to end in order, and demands that it does.
func (m *member) terminate(t *testing.T) {
	t.Helper()
	m.signal(t, syscall.SIGTERM)
	m.wait(t, stopLimit)
	if code := m.code(); code != 0 {
		t.Fatalf("after SIGTERM: exit code %d\n%s", code, m.log)
	}
}

func (m *member) wait(t *testing.T, limit time.Duration) {
	t.Helper()
	select {
	case <-m.gone:
	case <-time.After(limit):
		_ = m.cmd.Process.Signal(syscall.SIGQUIT) // it says where it is
		select {
		case <-m.gone:
		case <-time.After(limit):
			_ = m.cmd.Process.Kill()
		}
		t.Fatalf("process %d did not end within %v", m.pid(), limit)
	}
}

// code is the exit code of a process that ended; -1 if a signal ended it.
func (m *member) code() int { return m.cmd.ProcessState.ExitCode() }

// client returns a client with connections of its own.
func (m *member) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Base: m.base(), Operator: m.place.operator})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// run runs another command of the binary and returns what it said on its two
// streams. It fails the test unless the exit code is the wanted one.
func (p *place) run(t *testing.T, code int, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := p.command(t, stdin, args...)
	if got != code {
		t.Fatalf("sojourn %q: exit code %d, want %d\n%s%s", args, got, code, stdout, stderr)
	}
	return stdout, stderr
}

// command is run for any exit code.
func (p *place) command(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.program(t), args...)
	cmd.Env, cmd.Dir = environment(), p.dir
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("sojourn %q: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// transcript keeps what a process says.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	also io.Writer
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	return w.also.Write(b)
}

func (w *transcript) line(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	w.text.WriteByte('\n')
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	look := time.NewTicker(tick)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-end.C:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// importJourneys stores journeys of testdata with the command line: in the top
// level realm, or in one that flags name.
func (m *member) importJourneys(t *testing.T, file string, flags ...string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", file))
	must(t, err)
	args := append([]string{"journeys", "import", "--server", m.base(), "--secret", m.place.secretFile}, flags...)
	m.place.run(t, 0, "", append(args, path)...)
}
