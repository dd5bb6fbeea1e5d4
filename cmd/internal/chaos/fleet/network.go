package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// network gives members their addresses, and cuts them apart.
type network interface {
	// host is where a member listens; asked again it is the same.
	host(ctx context.Context, i int) (string, error)
	// command runs a program as a member; the command's process is the program.
	command(i int, program string, args []string) *exec.Cmd
	cut(ctx context.Context, from, to int) error
	heal(ctx context.Context) error
	close() error
}

// loopback is the network without partitions.
type loopback struct{}

func (loopback) host(context.Context, int) (string, error) { return "127.0.0.1", nil }

func (loopback) command(_ int, program string, args []string) *exec.Cmd {
	return exec.Command(program, args...) //nolint:gosec,noctx // the operator's program, ended by its Fleet
}

// errLoopback says what cuts need.
var errLoopback = errors.New("fleet: members on loopback cannot be cut apart; give them namespaces")

func (loopback) cut(context.Context, int, int) error { return errLoopback }
func (loopback) heal(context.Context) error          { return nil }
func (loopback) close() error                        { return nil }

// namespaces gives each member a network namespace with one interface on a
// bridge that this process is on as well. Its names hold a random part.
type namespaces struct {
	run    string // random
	subnet string // "198.18.7."
	bridge string // once it is made
	made   []string
	links  []string // the outer ends of the members' interfaces
	cuts   [][2]int
}

// Interfaces carry "sj", the run and a letter: at most 15 characters together.
const (
	inside  = "eth0"
	nowhere = "02:00:5e:00:53:01" // locally administered; nobody has it
)

// ipTimeout bounds one call of ip, which takes milliseconds.
const ipTimeout = 10 * time.Second

func newNamespaces(ctx context.Context) (*namespaces, error) {
	var random [3]byte
	_, _ = rand.Read(random[:]) // never fails
	n := &namespaces{run: hex.EncodeToString(random[:])}
	if os.Geteuid() != 0 {
		return n, errors.New("fleet: network namespaces need root")
	}
	var err error
	if n.subnet, err = freeSubnet(); err != nil {
		return n, err
	}
	bridge := "sj" + n.run + "b"
	if err := ip(ctx, "link", "add", bridge, "type", "bridge"); err != nil {
		return n, err
	}
	n.bridge = bridge
	return n, errors.Join(
		ip(ctx, "addr", "add", n.subnet+"1/24", "dev", bridge),
		ip(ctx, "link", "set", bridge, "up"),
	)
}

// freeSubnet finds a network of which no interface here has an address, in the
// range that is set aside for tests of networks (RFC 2544).
func freeSubnet() (string, error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("fleet: %w", err)
	}
	var random [1]byte
	_, _ = rand.Read(random[:]) // never fails
	for i := range 256 {
		prefix := fmt.Sprintf("198.18.%d.", (int(random[0])+i)%256)
		if !slices.ContainsFunc(taken, func(a net.Addr) bool { return strings.HasPrefix(a.String(), prefix) }) {
			return prefix, nil
		}
	}
	return "", errors.New("fleet: all networks of 198.18.0.0/16 are in use")
}

// firstHost is the last number of the first member's address.
const firstHost = 10

func (n *namespaces) addr(i int) string { return n.subnet + strconv.Itoa(firstHost+i) }
func (n *namespaces) name(i int) string { return fmt.Sprintf("sojourn-%s-%d", n.run, i) }

func (n *namespaces) host(ctx context.Context, i int) (string, error) {
	name := n.name(i)
	if slices.Contains(n.made, name) {
		return n.addr(i), nil
	}
	if err := ip(ctx, "netns", "add", name); err != nil {
		return "", err
	}
	n.made = append(n.made, name)
	outside := fmt.Sprintf("sj%sv%d", n.run, i)
	if err := ip(ctx, "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name); err != nil {
		return "", err
	}
	n.links = append(n.links, outside)
	for _, args := range [][]string{
		{"link", "set", outside, "master", n.bridge, "up"},
		{"-n", name, "addr", "add", n.addr(i) + "/24", "dev", inside},
		{"-n", name, "link", "set", inside, "up"},
		{"-n", name, "link", "set", "lo", "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return "", err
		}
	}
	return n.addr(i), nil
}

// command leaves the process to the program: "ip netns exec" becomes it.
func (n *namespaces) command(i int, program string, args []string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.name(i), program}, args...)...) //nolint:gosec,noctx // as in loopback
}

func (n *namespaces) cut(ctx context.Context, from, to int) error {
	if slices.Contains(n.cuts, [2]int{from, to}) {
		return nil
	}
	if err := ip(ctx, "-n", n.name(from), "neigh", "replace", n.addr(to), "lladdr", nowhere, "dev", inside, "nud", "permanent"); err != nil {
		return err
	}
	n.cuts = append(n.cuts, [2]int{from, to})
	return nil
}

func (n *namespaces) heal(ctx context.Context) error {
	var errs []error
	for _, c := range n.cuts {
		errs = append(errs, ip(ctx, "-n", n.name(c[0]), "neigh", "del", n.addr(c[1]), "dev", inside))
	}
	n.cuts = nil
	return errors.Join(errs...)
}

// close removes the interfaces, the namespaces and the bridge. A namespace takes
// its interface along, but only some time after it was deleted.
func (n *namespaces) close() error {
	ctx := context.Background() // bounded by ipTimeout
	var errs []error
	for _, link := range n.links {
		errs = append(errs, ip(ctx, "link", "del", link))
	}
	for _, name := range n.made {
		errs = append(errs, ip(ctx, "netns", "del", name))
	}
	if n.bridge != "" {
		errs = append(errs, ip(ctx, "link", "del", n.bridge))
	}
	n.links, n.made, n.bridge = nil, nil, ""
	return errors.Join(errs...)
}

func ip(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, ipTimeout)
	defer cancel()
	return run(ctx, "ip", args...)
}
