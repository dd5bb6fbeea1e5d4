package sim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/cluster/simnet"
	"sojourn/cmd/internal/chaos"
	"sojourn/cmd/internal/config"
	"sojourn/cmd/internal/daemon"
	"sojourn/cmd/internal/secret"
	"sojourn/http/client"
)

const (
	clusterPort = 7000
	httpPort    = 8080
	// handoverTime is how long one that crashed goes on trying, unheard.
	handoverTime = 2 * time.Second
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
	load    *chaos.Load          // is told of members that join
	edit    func(*config.Config) // changes what members are started with; may be nil
}

// member is one of them, running or not.
type member struct {
	cluster *cluster
	name    string
	expect  int // founders of the cluster
	host    *simnet.Host
	running *daemon.Daemon
	crashed bool
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
		c.members = append(c.members, &member{cluster: c, name: fmt.Sprint("m", i+1), expect: members/2 + 1})
	}
	return c
}

// A cluster has so many members.
const (
	least = 3
	most  = 4
)

// grow starts one more member, which joins those that are there.
func (c *cluster) grow() (*member, error) {
	m := &member{cluster: c, name: fmt.Sprint("m", len(c.members)+1), expect: 1} // founds nothing
	c.members = append(c.members, m)
	return m, errors.Join(m.start(), c.load.Add(c.bases()[len(c.members)-1]))
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
	settings.Cluster.Addr, settings.Cluster.Join, settings.Cluster.Expect = m.host.Addr(clusterPort), c.join(), m.expect
	settings.Limits.MinFreeDisk, settings.Limits.HandoverTime = 64<<20, handoverTime
	if c.edit != nil {
		c.edit(&settings)
	}
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

// crash ends all connections of a member and has it closed: it may try to leave
// in order, but reaches nobody. Its folder stays.
func (m *member) crash() {
	m.host.Crash()
	m.stop()
	m.crashed = true
}

// close stops a member in order, or waits for the end of one that crashed. That
// it was cut off is then what ends it, and no fault.
func (m *member) close() error {
	if m.running == nil {
		return nil
	}
	m.stop()
	err := <-m.ended
	if m.crashed && err != nil {
		m.cluster.t.Log(err)
		err = nil
	}
	m.running, m.crashed = nil, false
	if err != nil {
		return fmt.Errorf("stop %s: %w", m.name, err)
	}
	return nil
}

// restart starts a member again that is closed or has crashed.
func (m *member) restart() error {
	if err := m.close(); err != nil {
		return err
	}
	return m.start()
}

// look is how often a cluster is asked whether it is whole.
const look = 100 * time.Millisecond

// whole waits until all members name the same processes, all of them alive, and
// no journey lacks a replica; false when ctx ended before.
func (c *cluster) whole(ctx context.Context) bool {
	var clients []*client.Client
	for _, base := range c.bases() {
		one, err := client.New(client.Config{Base: base, Operator: c.operator(), Transport: &http.Transport{DialContext: c.dial}})
		must(c.t, err)
		defer one.Close()
		clients = append(clients, one)
	}
	for !c.agreed(ctx, clients) {
		if !wait(ctx, look) {
			return false
		}
	}
	return true
}

func (c *cluster) agreed(ctx context.Context, clients []*client.Client) bool {
	processes := map[string]bool{}
	for _, one := range clients {
		all, err := one.Members(ctx)
		if err != nil || len(all) != len(clients) {
			return false
		}
		for _, m := range all {
			if m.State != "alive" || m.Outstanding == nil || *m.Outstanding > 0 {
				return false
			}
			processes[m.Process] = true
		}
	}
	return len(processes) == len(clients)
}

// journeysWait has journeys that begin from now on wait in a store.
func (c *cluster) journeysWait(store string) error {
	to, err := client.New(client.Config{
		Base: c.bases()[0], Operator: c.operator(), Transport: &http.Transport{DialContext: c.dial},
	})
	if err != nil {
		return err
	}
	defer to.Close()
	return to.PutSettings(c.t.Context(), "/", "authentication",
		fmt.Appendf(nil, `{"trees":{"authenticationSessionsStateManagement":%q}}`, store))
}

// operator is the token that may ask for the members.
func (c *cluster) operator() client.OperatorToken {
	return client.OperatorToken(c.secret.OperatorToken().Reveal())
}

// dial connects a client, which no fault reaches, to a member.
func (c *cluster) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	return c.network.Host("clients").Dial(ctx, addr)
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
