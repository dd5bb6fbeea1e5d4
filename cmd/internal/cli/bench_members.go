package cli

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/tree"
	"sojourn/cmd/internal/bench"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// benchServers are what is under load.
type benchServers struct {
	alone   *benchTarget
	cluster *benchTarget   // nil: none is asked for
	echo    []bench.Member // as many as there are members
	closers []func() error
}

func (s *benchServers) close() error {
	failed := make([]error, len(s.closers))
	for i, end := range s.closers {
		failed[i] = end()
	}
	return errors.Join(failed...)
}

// benchTarget is a member or a cluster under load, and who can log in there.
type benchTarget struct {
	server bench.Server
	user   bench.User // with the default hash
	cheap  bench.User // with a bcrypt hash of cost 4; only where bench started it, as what follows
	least  bench.User // with a hash that costs nothing
	folder string
	close  func() error
}

func (f *benchFlags) servers(ctx context.Context, env Env, program string) (_ *benchServers, err error) {
	s := &benchServers{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for range f.members {
		echo, err := bench.Spawn(ctx, env.Stderr, program, "bench", "echo-server")
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, echo.Close)
		s.echo = append(s.echo, bench.Member{Addr: echo.HTTP, PID: echo.PID})
	}
	if s.alone, err = f.alone(ctx, program); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.alone.close)
	if f.members > 1 {
		if s.cluster, err = startMembers(ctx, program, f.members, f.comparesStores()); err != nil {
			return nil, err
		}
		s.closers = append(s.closers, s.cluster.close)
	}
	return s, nil
}

func (f *benchFlags) alone(ctx context.Context, program string) (*benchTarget, error) {
	if f.server == "" {
		return startMembers(ctx, program, 1, f.comparesStores())
	}
	u, err := url.Parse(f.server)
	if err != nil || u.Scheme != "http" {
		return nil, misusef("--server: %q is not like http://127.0.0.1:8080/am", f.server)
	}
	if err := bench.Loopback(u.Host); err != nil {
		return nil, misusef("--server: %w", err)
	}
	password, err := readLimited(f.passwordFile, identity.MaxPassword)
	if err != nil {
		return nil, err
	}
	return &benchTarget{
		server: bench.Server{Members: []bench.Member{{Addr: u.Host, PID: f.pid}}, Path: strings.TrimRight(u.Path, "/"), Journey: f.journey},
		user:   bench.User{Name: f.user, Password: identity.Secret(strings.TrimRight(string(password), "\r\n"))},
		close:  func() error { return nil },
	}, nil
}

// startTime is how long members may take until they answer and all vote.
const startTime = time.Minute

// startMembers starts a member, or members that found a cluster, in a temporary
// folder with a secret of their own, and returns when all of them serve. With
// stores they have the realms that keep journeys and sessions in different places.
func startMembers(ctx context.Context, program string, count int, stores bool) (_ *benchTarget, err error) {
	folder, err := os.MkdirTemp("", "sojourn-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	started := &benchMembers{program: program, folder: folder, secretFile: filepath.Join(folder, "secret"), count: count}
	defer func() {
		if err != nil {
			err = errors.Join(err, started.close(), started.words())
		}
	}()
	if err := writeSecret(started.secretFile, rand.Reader); err != nil {
		return nil, err
	}
	until, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("%d member(s) did not serve within %s", count, startTime))
	defer cancel()
	if err := started.launch(ctx, until); err != nil {
		return nil, err
	}
	first := started.members[0]
	t := &benchTarget{
		server: bench.Server{Path: "/am", Journey: first.Journey, Loop: loopName},
		user:   bench.User{Name: first.User, Password: first.Password},
		folder: folder,
		close:  started.close,
	}
	for _, m := range started.members {
		t.server.Members = append(t.server.Members, bench.Member{Addr: m.HTTP, PID: m.PID})
	}
	err = started.with(until, func(ctx context.Context, c *client.Client) error {
		if err := started.awaitVotes(ctx, c); err != nil {
			return err
		}
		if t.cheap, err = importUser(ctx, c, "/", "bench", bench.CheapHash); err != nil {
			return err
		}
		if t.least, err = importUser(ctx, c, "/", "bench-write", bench.LeastHash); err != nil {
			return err
		}
		if stores {
			if err := makeStores(ctx, c); err != nil {
				return err
			}
		}
		return storeJourneys(ctx, c, "/", loopExport)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// benchMembers are processes that bench started.
type benchMembers struct {
	program, folder, secretFile string
	count                       int
	members                     []*bench.Child
	said                        []*quietWriter
}

// launch starts the members, which live as long as ctx, and waits until each is
// ready. All join the first, which has journeys and users of --dev to offer.
func (b *benchMembers) launch(ctx, until context.Context) error {
	for i := range b.count {
		name := "m" + strconv.Itoa(i+1)
		args := []string{"serve", "--name", name, "--data", filepath.Join(b.folder, name), "--secret", b.secretFile, "--http", "127.0.0.1:0"}
		if b.count > 1 {
			args = append(args, "--cluster", "127.0.0.1:0", "--expect", strconv.Itoa(b.count))
		}
		if i == 0 {
			args = append(args, "--dev")
		} else { // what --dev sets
			args = append(args, "--join", b.members[0].Cluster, "--set", "log.level=warn", "--set", "limits.minFreeDisk=64MiB")
		}
		said := &quietWriter{}
		b.said = append(b.said, said)
		member, err := bench.Launch(ctx, said, b.program, args...)
		if err != nil {
			return err
		}
		b.members = append(b.members, member)
		if err := member.Await(until, "listening"); err != nil {
			return err
		}
	}
	for _, m := range b.members {
		if err := m.Await(until, "ready"); err != nil {
			return err
		}
	}
	return nil
}

// with talks to the first member as an operator.
func (b *benchMembers) with(ctx context.Context, do func(context.Context, *client.Client) error) error {
	first := target{server: "http://" + b.members[0].HTTP + "/am", secretFile: b.secretFile}
	return first.with(ctx, do)
}

// awaitVotes returns when all members have a vote: until then one or two carry
// the cluster, and the others cost less than they will.
func (b *benchMembers) awaitVotes(ctx context.Context, c *client.Client) error {
	const pause = 50 * time.Millisecond
	for {
		all, err := c.Members(ctx)
		voters := 0
		for _, m := range all {
			if m.Voter {
				voters++
			}
		}
		if err == nil && voters == b.count {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d members vote: %w", voters, b.count, errors.Join(context.Cause(ctx), err))
		}
	}
}

// close ends all members at the same time and removes what they wrote.
func (b *benchMembers) close() error {
	failed := make([]error, len(b.members))
	var ending sync.WaitGroup
	for i, m := range b.members {
		ending.Go(func() { failed[i] = m.Close() })
	}
	ending.Wait()
	return errors.Join(append(failed, os.RemoveAll(b.folder))...)
}

// words are the last that each member said, as an error. They have ended.
func (b *benchMembers) words() error {
	var all []error
	for i, s := range b.said {
		if len(s.last) > 0 {
			all = append(all, fmt.Errorf("m%d said: %s", i+1, s.last))
		}
	}
	return errors.Join(all...)
}

// importUser makes a user whose hash bench knows.
func importUser(ctx context.Context, c *client.Client, realm, name string, made func() (identity.Hash, identity.Secret, error)) (bench.User, error) {
	hash, password, err := made()
	if err != nil {
		return bench.User{}, err
	}
	if err := c.CreateUser(ctx, realm, wire.User{Name: name, Hash: wire.Password(hash), Status: active}); err != nil {
		return bench.User{}, fmt.Errorf("import the user %s of bench: %w", name, err)
	}
	return bench.User{Name: name, Password: password}, nil
}

// loopName is the journey of the subject step, loopExport that journey.
const loopName = "BenchLoop"

//go:embed bench/loop.json
var loopExport []byte

func storeJourneys(ctx context.Context, c *client.Client, realm string, from []byte) error {
	export, err := tree.DecodeExport(from)
	if err != nil {
		return fmt.Errorf("the journey of bench: %w", err)
	}
	for _, j := range export.Journeys {
		if err := storeJourney(ctx, c, realm, j); err != nil {
			return fmt.Errorf("store the journey of bench: %w", err)
		}
	}
	return nil
}

// quietWriter keeps the last of what a child says, for when it fails.
type quietWriter struct{ last []byte }

func (q *quietWriter) Write(p []byte) (int, error) {
	const kept = 4 << 10
	q.last = append(q.last, p...)
	if over := len(q.last) - kept; over > 0 {
		q.last = append(q.last[:0], q.last[over:]...)
	}
	return len(p), nil
}
