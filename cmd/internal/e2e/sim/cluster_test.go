package sim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/cluster/simnet"
	"sojourn/cmd/internal/config"
	"sojourn/cmd/internal/daemon"
	"sojourn/cmd/internal/secret"
)

const (
	clusterPort = 7000
	httpPort    = 8080
)

// fabric makes a host's network of the simulated one what a member wants.
type fabric struct{ *simnet.Host }

func (f fabric) Listen(addr string) (net.Listener, error) {
	port, err := portOf(addr)
	if err != nil {
		return nil, err
	}
	return f.Host.Listen(port)
}

func (f fabric) ListenPacket(addr string) (net.PacketConn, error) {
	port, err := portOf(addr)
	if err != nil {
		return nil, err
	}
	return f.Packets(port)
}

func portOf(addr string) (int, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// cluster is the members of one run, in one bubble.
type cluster struct {
	t       *testing.T
	network *simnet.Network
	secret  secret.Secret
	dir     string
	begun   time.Time
	members []*member
}

// member is one of them, running or not.
type member struct {
	cluster *cluster
	name    string
	host    *simnet.Host
	running *daemon.Daemon
	stop    context.CancelFunc
	ended   chan error
}

func newCluster(t *testing.T, network *simnet.Network, members int, dir string) *cluster {
	t.Helper()
	text, err := secret.Generate(rand.Reader)
	must(t, err)
	master, err := secret.Parse([]byte(text))
	must(t, err)
	c := &cluster{t: t, network: network, secret: master, dir: dir, begun: time.Now()}
	for i := range members {
		c.members = append(c.members, &member{cluster: c, name: fmt.Sprint("m", i+1)})
	}
	return c
}

// join lists the cluster addresses of all members.
func (c *cluster) join() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, c.network.Host(m.name).Addr(clusterPort))
	}
	return all
}

// bases lists the URLs of all members.
func (c *cluster) bases() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, "http://"+c.network.Host(m.name).Addr(httpPort)+"/am")
	}
	return all
}

// start opens a member and serves until stopped.
func (m *member) start() error {
	c := m.cluster
	m.host = c.network.Host(m.name)
	settings := config.Default()
	settings.Name, settings.Data = m.name, filepath.Join(c.dir, m.name)
	settings.HTTP.Addr = m.host.Addr(httpPort)
	settings.Cluster.Addr, settings.Cluster.Join, settings.Cluster.Expect = m.host.Addr(clusterPort), c.join(), len(c.members)/2+1
	settings.Limits.MinFreeDisk = 64 << 20
	log := slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})).With("at", m.name)
	d, err := daemon.New(context.Background(), daemon.Config{
		Config: settings, Secret: c.secret, Log: log, Net: fabric{m.host},
		Boottime: func() time.Duration { return time.Since(c.begun) },
		Hashing:  identity.Params{Memory: 8, Time: 1, Threads: 1},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", m.name, err)
	}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	m.running, m.ended = d, make(chan error, 1)
	go func() { m.ended <- d.Run(ctx) }()
	return nil
}

// ready waits until a member answers.
func (m *member) ready(ctx context.Context) error {
	if err := m.running.Await(ctx); err != nil {
		return fmt.Errorf("%s is not ready: %w", m.name, err)
	}
	return nil
}

// crash ends all connections of a member and closes it, its folder stays. That
// it was cut off is then what ends it, and no fault.
func (m *member) crash() {
	m.host.Crash()
	if err := m.close(); err != nil {
		m.cluster.t.Log(err)
	}
}

// close stops a member in order.
func (m *member) close() error {
	if m.running == nil {
		return nil
	}
	m.stop()
	err := <-m.ended
	m.running = nil
	if err != nil {
		return fmt.Errorf("stop %s: %w", m.name, err)
	}
	return nil
}

// all does something with every member at once.
func (c *cluster) all(do func(*member) error) error {
	results := make(chan error, len(c.members))
	for _, m := range c.members {
		go func() { results <- do(m) }()
	}
	var errs []error
	for range c.members {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// memory is a folder that is no disk, when the machine has one: what is flushed
// there costs nothing.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sojourn-sim-") //nolint:usetesting // TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}
