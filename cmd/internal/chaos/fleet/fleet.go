package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says what to run.
type Config struct {
	// Binary is the program; it is run as "Binary serve ...".
	Binary string
	// Dir is an existing folder for data and logs.
	Dir string
	// SecretFile holds the cluster secret.
	SecretFile string
	// Members is how many are started; at least 1.
	Members int
	// Alone leaves out the cluster port; Members is 1 then.
	Alone bool
	// Namespaces gives each member a network namespace of its own. Needs root.
	Namespaces bool
	// Disk is the size of a file system in memory for each member's data, in
	// bytes; 0 uses folders in Dir. Needs root.
	Disk int64
	// Image is Disk as an ext4 file system in a file of this many bytes, for
	// PowerCut. Needs root and util-linux.
	Image int64
	// Args are further arguments for each member.
	Args []string
	// Patience bounds what is waited for: a port, a ready member, an orderly
	// end. 30 s when zero.
	Patience time.Duration
}

const defaultPatience = 30 * time.Second

// Fleet is a running cluster. Its methods are for one goroutine. Members are
// named by their index, from 0.
type Fleet struct {
	cfg     Config
	net     network
	members []*member
	boots   int // how often the power was cut
}

// member is what outlives the processes of one member.
type member struct {
	name, dir string
	// http and cluster are HOST:PORT of the latest process, kept for the next.
	http, cluster string
	mounted       bool
	log           *os.File
	process       *process // nil before the first and after the end
	frozen        bool
}

// Start runs the members and waits until all are ready. After an error nothing
// is left running.
func Start(ctx context.Context, cfg Config) (*Fleet, error) {
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.Members < 1 || cfg.Alone && cfg.Members > 1 {
		return nil, fmt.Errorf("fleet: %d members is no number to start", cfg.Members)
	}
	f := &Fleet{cfg: cfg, net: loopback{}}
	if err := f.start(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Fleet) start(ctx context.Context) error {
	if f.cfg.Namespaces {
		// What was made before an error is kept, for Close.
		n, err := newNamespaces(ctx)
		f.net = n
		if err != nil {
			return err
		}
	}
	for range f.cfg.Members {
		if err := f.add(ctx, f.cfg.Members); err != nil {
			return err
		}
	}
	return f.Ready(ctx, f.everyone()...)
}

// Add starts one more member, which joins the others, and waits until it is
// ready.
func (f *Fleet) Add(ctx context.Context) error {
	if err := f.add(ctx, 1); err != nil {
		return err
	}
	return f.Ready(ctx, len(f.members)-1)
}

func (f *Fleet) add(ctx context.Context, expect int) error {
	i := len(f.members)
	m := &member{name: "m" + strconv.Itoa(i)}
	m.dir = filepath.Join(f.cfg.Dir, m.name)
	f.members = append(f.members, m)
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	err := f.disk(ctx, m)
	if err != nil {
		return err
	}
	if m.log, err = os.OpenFile(f.LogFile(i), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	host, err := f.net.host(ctx, i)
	if err != nil {
		return err
	}
	m.http, m.cluster = host+":0", host+":0"
	return f.launch(ctx, i, expect)
}

// launch starts a process for a member and waits until it has its ports.
func (f *Fleet) launch(ctx context.Context, i, expect int) error {
	m := f.members[i]
	if m.process != nil {
		return fmt.Errorf("fleet: %s runs already", m.name)
	}
	args := []string{"serve", "--name", m.name, "--data", m.data(), "--secret", f.cfg.SecretFile, "--http", m.http}
	if !f.cfg.Alone {
		args = append(args, "--cluster", m.cluster, "--expect", strconv.Itoa(expect))
		if seeds := f.seeds(i); len(seeds) > 0 {
			args = append(args, "--join", strings.Join(seeds, ","))
		}
	}
	program, args := f.booted(f.cfg.Binary, append(args, f.cfg.Args...))
	p, err := launch(f.net.command(i, program, args), m.log)
	if err != nil {
		return fmt.Errorf("fleet: start %s: %w", m.name, err)
	}
	m.process, m.frozen = p, false
	said, err := p.await(ctx, p.listening, f.cfg.Patience)
	if err != nil {
		if p.ended() {
			m.process = nil
		}
		return fmt.Errorf("fleet: %s does not listen: %w\n%s", m.name, err, f.Tail(i))
	}
	m.http, m.cluster = said.HTTP, said.Cluster
	return nil
}

func (m *member) data() string { return filepath.Join(m.dir, "data") }

// seeds are the cluster addresses of the others, as far as they are known.
func (f *Fleet) seeds(of int) []string {
	var seeds []string
	for i, m := range f.members {
		if i != of && m.cluster != "" && !strings.HasSuffix(m.cluster, ":0") {
			seeds = append(seeds, m.cluster)
		}
	}
	return seeds
}

func (f *Fleet) everyone() []int {
	all := make([]int, len(f.members))
	for i := range all {
		all[i] = i
	}
	return all
}

// Len is how many members there are, running or not.
func (f *Fleet) Len() int { return len(f.members) }

// Name is what a member is called in its own listings.
func (f *Fleet) Name(i int) string { return f.members[i].name }

// Base is the URL at which a member serves clients. It stays the same over
// restarts.
func (f *Fleet) Base(i int) string { return "http://" + f.members[i].http + "/am" }

// Address is the HOST:PORT that a member shows other members.
func (f *Fleet) Address(i int) string { return f.members[i].cluster }

// Running reports whether a member has a process that has not ended.
func (f *Fleet) Running(i int) bool {
	return f.members[i].process != nil && !f.members[i].process.ended()
}

// Ready waits until members have said that they are.
func (f *Fleet) Ready(ctx context.Context, members ...int) error {
	for _, i := range members {
		m := f.members[i]
		if m.process == nil {
			return fmt.Errorf("fleet: %s does not run", m.name)
		}
		if _, err := m.process.await(ctx, m.process.ready, f.cfg.Patience); err != nil {
			return fmt.Errorf("fleet: %s is not ready: %w\n%s", m.name, err, f.Tail(i))
		}
	}
	return nil
}

// Kill ends a member with signal 9. One that ended before is no error.
func (f *Fleet) Kill(i int) error {
	m := f.members[i]
	if m.process == nil {
		return nil
	}
	if err := m.process.kill(f.cfg.Patience); err != nil {
		return fmt.Errorf("fleet: kill %s: %w", m.name, err)
	}
	m.process = nil
	return nil
}

// Terminate asks a member to end in order, and demands that it does so with
// exit code 0.
func (f *Fleet) Terminate(i int) error {
	m := f.members[i]
	if m.process == nil {
		return fmt.Errorf("fleet: %s does not run", m.name)
	}
	if err := m.process.terminate(f.cfg.Patience); err != nil {
		return fmt.Errorf("fleet: terminate %s: %w\n%s", m.name, err, f.Tail(i))
	}
	m.process = nil
	return nil
}

// Freeze stops a member's process where it stands, with SIGSTOP, and returns
// when it does stand.
func (f *Fleet) Freeze(i int) error {
	if err := f.signal(i, syscall.SIGSTOP, true); err != nil {
		return err
	}
	if err := f.members[i].process.stopped(f.cfg.Patience); err != nil {
		return fmt.Errorf("fleet: freeze %s: %w", f.members[i].name, err)
	}
	return nil
}

// Thaw lets a frozen member go on. One that is not frozen is no error.
func (f *Fleet) Thaw(i int) error {
	if !f.members[i].frozen {
		return nil
	}
	return f.signal(i, syscall.SIGCONT, false)
}

func (f *Fleet) signal(i int, s syscall.Signal, frozen bool) error {
	m := f.members[i]
	if m.process == nil {
		return fmt.Errorf("fleet: %s does not run", m.name)
	}
	if err := m.process.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("fleet: send %v to %s: %w", s, m.name, err)
	}
	m.frozen = frozen
	return nil
}

// Restart starts a member that ended, with the folder and the addresses it had.
// It waits for its ports; Ready waits until it serves. A member that refuses to
// start is an error, and may be replaced.
func (f *Fleet) Restart(ctx context.Context, i int) error { return f.launch(ctx, i, f.cfg.Members) }

// Move is Restart at another cluster address.
func (f *Fleet) Move(ctx context.Context, i int) error {
	host, err := f.net.host(ctx, i)
	if err != nil {
		return err
	}
	f.members[i].cluster = host + ":0"
	return f.launch(ctx, i, f.cfg.Members)
}

// Replace is Restart with an empty folder: for the cluster it is a new member.
func (f *Fleet) Replace(ctx context.Context, i int) error {
	m := f.members[i]
	if m.process != nil {
		return fmt.Errorf("fleet: %s runs", m.name)
	}
	if err := os.RemoveAll(m.data()); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	// With seeds and no folder, 1 founds no cluster: it waits to be let in.
	return f.launch(ctx, i, 1)
}

// Cut lets all packets from one member to another vanish. It needs namespaces.
func (f *Fleet) Cut(ctx context.Context, from, to int) error { return f.net.cut(ctx, from, to) }

// Heal undoes all cuts.
func (f *Fleet) Heal(ctx context.Context) error { return f.net.heal(ctx) }

// LogFile is where a member's log is kept.
func (f *Fleet) LogFile(i int) string { return filepath.Join(f.cfg.Dir, f.members[i].name+".log") }

// tailBytes is how much of a log is shown with an error.
const tailBytes = 4 << 10

// Tail is the end of a member's log.
func (f *Fleet) Tail(i int) string {
	text, err := os.ReadFile(f.LogFile(i))
	if err != nil {
		return err.Error()
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
	}
	return string(text)
}

// Close ends all processes and removes what was made outside Dir: namespaces,
// the bridge, mounts. Folders and logs stay. It may be called twice.
func (f *Fleet) Close() error {
	var errs []error
	for i, m := range f.members {
		errs = append(errs, f.Kill(i))
		if m.log != nil {
			errs = append(errs, m.log.Close())
			m.log = nil
		}
		errs = append(errs, m.unmount())
	}
	return errors.Join(append(errs, f.net.close())...)
}
