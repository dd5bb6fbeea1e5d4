package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"slices"

	"sojourn/actors/identity"
	"sojourn/cmd/internal/bench"
)

// benchSubjects are what can be asked for.
func benchSubjects() []string {
	return []string{
		"echo", "echo-bcrypt", "start", "validate", "login", "login-light", "login-zero", "login-argon2", "step", "step-single", "fsync", "write",
		"cluster-echo", "cluster-validate", "cluster-validate-one", "cluster-login", "cluster-login-light", "cluster-step",
		"cluster-step-single", "cluster-write",
		"journey-memory", "journey-cts", "journey-jwt", "validate-stored", "validate-client", "validate-client-again",
		"cluster-journey-memory", "cluster-journey-cts", "cluster-journey-jwt", "cluster-validate-stored", "cluster-validate-client",
		"cluster-validate-client-again",
	}
}

// ownSubjects need a member of bench's own: users with certain hashes, a journey
// that never ends, a folder.
func ownSubjects() []string {
	return append(storeSubjects(), "login", "login-light", "login-zero", "step", "step-single", "fsync", "write")
}

// wanted is what is measured: what was asked for, or else what belongs together.
func (f *benchFlags) wanted() []string {
	switch {
	case len(f.subjects) > 0:
		return f.subjects
	case f.stores && f.members > 1:
		return append(append([]string{"echo"}, storeSubjects()...), clustered(storeSubjects())...)
	case f.stores:
		return append([]string{"echo"}, storeSubjects()...)
	case f.members > 1:
		return []string{
			"echo", "cluster-echo", "echo-bcrypt", "validate", "cluster-validate", "cluster-validate-one", "login", "cluster-login",
			"login-light", "cluster-login-light", "step", "cluster-step", "step-single", "cluster-step-single", "fsync", "write", "cluster-write",
		}
	case f.server != "":
		return []string{"echo", "echo-bcrypt", "start", "validate", "login-argon2"}
	}
	return []string{"echo", "echo-bcrypt", "start", "validate", "login", "login-zero", "login-argon2", "step"}
}

// workers is the concurrency of all but writes. At one worker the background
// work of a cluster would count for too much.
func (f *benchFlags) workers() []int {
	switch {
	case f.concurrency != nil:
		return f.concurrency
	case f.members > 1, f.stores:
		return []int{16}
	}
	return []int{1, 16}
}

// single is the concurrency of what is compared by its latency, whatever was
// asked for: with more workers it is that of a queue.
func single() []int { return []int{1} }

// writers is the concurrency of writes, nil: that of all.
func (f *benchFlags) writers() []int {
	if f.concurrency != nil {
		return nil
	}
	return []int{1, 64, 512}
}

// subjects makes what is wanted, each after those that it is compared with.
func (s *benchServers) subjects(ctx context.Context, f *benchFlags) ([]bench.Subject, error) {
	body, err := bench.Yardstick(ctx, s.alone.server, s.alone.user)
	if err != nil {
		return nil, fmt.Errorf("try the member: %w", err)
	}
	m := subjectMaker{servers: s, body: body, writers: f.writers()}
	for _, name := range f.wanted() {
		if err := m.add(name); err != nil {
			return nil, err
		}
	}
	return m.made, nil
}

// subjectMaker makes each subject once.
type subjectMaker struct {
	servers *benchServers
	body    []byte // of an echo
	writers []int
	made    []bench.Subject
}

func (m *subjectMaker) add(name string) error {
	if slices.ContainsFunc(m.made, func(have bench.Subject) bool { return have.Name == name }) {
		return nil
	}
	s, err := m.subject(name)
	if err != nil {
		return err
	}
	needed := []string{s.CPUOf, s.Less, s.RateOf, s.P50Of}
	if s.Less != "" {
		needed = append(needed, "echo") // which is in it
	}
	for _, other := range needed {
		if other != "" {
			if err := m.add(other); err != nil {
				return err
			}
		}
	}
	m.made = append(m.made, s)
	return nil
}

func (m *subjectMaker) subject(name string) (bench.Subject, error) {
	const hashed, bare = "echo-bcrypt", "argon2"
	alone, cluster, echo := m.servers.alone, m.servers.cluster, m.servers.echo
	var s bench.Subject
	switch name {
	case "echo":
		s = bench.Echo(echo[0], m.body)
	case hashed:
		s = bench.EchoHash(name, echo[0], m.body)
	case "start":
		s = bench.Start(alone.server)
	case "validate":
		s = bench.Validate(name, alone.server, alone.user)
	case "login":
		s = bench.Login(name, alone.server, alone.cheap)
		s.Less = hashed
	case "login-light":
		s = bench.Login(name, alone.server, alone.least)
	case "login-zero":
		s = bench.ZeroPage(name, alone.server, alone.cheap)
		s.Less = hashed
	case "login-argon2":
		s = bench.Login(name, alone.server, alone.user)
		s.RateOf = bare
	case bare:
		h, err := identity.Make(alone.user.Password, identity.DefaultParams(), rand.Reader)
		if err != nil {
			return s, fmt.Errorf("make the bare hash: %w", err)
		}
		s = bench.Hash(name, os.Getpid(), runtime.GOMAXPROCS(0), h, alone.user.Password)
	case "fsync":
		s = bench.Fsync(name, alone.folder, os.Getpid())
		s.Concurrency = m.writers
	case "write":
		s = bench.ZeroPage(name, alone.server, alone.least)
		s.RateOf, s.Concurrency = "fsync", m.writers
	case "step":
		s = bench.Step(name, alone.server)
	case "step-single":
		s = bench.Step(name, alone.server)
		s.Concurrency = single()
	case "cluster-echo":
		s = bench.EchoInTurn(name, echo, m.body)
		s.CPUOf = "echo"
	case "cluster-validate-one":
		one := cluster.server
		one.Members = one.Members[len(one.Members)-1:]
		s = bench.Validate(name, one, cluster.user)
		s.CPUOf, s.PIDs = "validate", cluster.server.PIDs()
	case "cluster-validate":
		s = bench.Validate(name, cluster.server, cluster.user)
		s.CPUOf = "validate"
	case "cluster-login":
		s = bench.Login(name, cluster.server, cluster.cheap)
		s.CPUOf, s.Less = "login", hashed
	case "cluster-login-light":
		s = bench.Login(name, cluster.server, cluster.least)
		s.CPUOf = "login-light"
	case "cluster-step":
		s = bench.Step(name, cluster.server)
		s.CPUOf = "step"
	case "cluster-step-single":
		s = bench.Step(name, cluster.server)
		s.P50Of, s.CPUOf, s.Concurrency = "step-single", "step-single", single()
	case "cluster-write":
		s = bench.ZeroPage(name, cluster.server, cluster.least)
		s.RateOf, s.Concurrency = "fsync", m.writers
	default:
		return m.storeSubject(name), nil
	}
	return s, nil
}
