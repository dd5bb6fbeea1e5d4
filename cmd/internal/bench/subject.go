package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"sojourn/actors/arena"
	"sojourn/actors/identity"
)

// Subject is one kind of operation.
type Subject struct {
	// Name stands in reports and in the list of subjects to run.
	Name string
	// PIDs are the processes whose CPU, all together, operations are charged to.
	PIDs []int
	// Workers bounds the workers whatever the concurrency; zero does not.
	Workers int
	// Concurrency lists the series of this subject; nil: those of the plan.
	Concurrency []int
	// CPUOf names the subject whose CPU this one's is compared with; empty: echo.
	CPUOf string
	// Less names a subject that does an echo and more. What it uses beyond an
	// echo is taken off this one's CPU, and off that of CPUOf, before they are
	// compared: the hash of a login.
	Less string
	// RateOf names a subject whose rate this one's is compared with, in place
	// of comparing CPU.
	RateOf string
	// P50Of names a subject whose median latency is taken off this one's.
	P50Of string
	// bare is set where no server works: there is nothing to compare with echo.
	bare bool
	// prepare makes a worker's operation; its own requests are not measured.
	prepare func(ctx context.Context) (operation, error)
}

// operation does one operation and checks its answer. close ends it.
type operation struct {
	do    func(ctx context.Context) error
	close func()
}

// Member is one process of a server.
type Member struct {
	Addr string // HOST:PORT on loopback
	PID  int
}

// Server is what is under load: a member alone, or a cluster. Each worker sends
// its requests to the members in turn, so that the two requests of a login meet
// two members.
type Server struct {
	Members []Member
	Path    string // "/am"
	// Realm is a slash path; empty is the top level.
	Realm string
	// Journey of that realm asks for name and password on one page. Subjects that
	// say so take one of several pages.
	Journey string
	// Loop is a journey of the root realm that never ends, for Step: it asks for
	// names, choices and confirmations and comes back to its first page.
	Loop string
}

// PIDs are the processes of all members.
func (s Server) PIDs() []int {
	out := make([]int, len(s.Members))
	for i, m := range s.Members {
		out[i] = m.PID
	}
	return out
}

// User is one who can log in.
type User struct {
	Name     string
	Password identity.Secret
}

func (s Server) json() string {
	return s.Path + "/json/realms/root" + strings.ReplaceAll(s.Realm, "/", "/realms/")
}

func (s Server) authenticate() string {
	return s.json() + "/authenticate?authIndexType=service&authIndexValue=" + s.Journey
}

func (s Server) validate() string { return s.json() + "/sessions/?_action=validate" }

// Echo sends body to an echo server and wants it back.
func Echo(m Member, body []byte) Subject { return EchoInTurn(yardstickName, []Member{m}, body) }

// EchoInTurn is Echo at several echo servers in turn. What it costs more is the
// price of sharing the load between processes on this machine: they take the
// processors and their caches from each other.
func EchoInTurn(name string, all []Member, body []byte) Subject { return echo(name, all, "/", body) }

// EchoHash is Echo with a hash verified on the way. What it uses beyond an echo
// is what the hash costs in a process that serves requests.
func EchoHash(name string, m Member, body []byte) Subject {
	return echo(name, []Member{m}, hashPath, body)
}

func echo(name string, all []Member, path string, body []byte) Subject {
	return Server{Members: all}.subject(name, func(_ context.Context, r *ring) (func(context.Context) error, error) {
		return func(ctx context.Context) error {
			status, got, err := r.post(ctx, request{path: path, body: body})
			if err != nil {
				return err
			}
			if status != 200 || !bytes.Equal(bytes.TrimSpace(got), body) {
				return wrong(name, status, got)
			}
			return nil
		}, nil
	})
}

// Start begins a journey and leaves it.
func Start(s Server) Subject {
	return s.subject("start", func(ctx context.Context, r *ring) (func(context.Context) error, error) {
		p, err := learn(ctx, r, s)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			_, err := p.start(ctx, r)
			return err
		}, nil
	})
}

// Login logs a user in with two requests: the page, and the answer to it.
func Login(name string, s Server, u User) Subject {
	return s.subject(name, func(ctx context.Context, r *ring) (func(context.Context) error, error) {
		p, err := learn(ctx, r, s)
		if err != nil {
			return nil, err
		}
		filled, err := p.fill(u)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			_, err := p.login(ctx, r, filled)
			return err
		}, nil
	})
}

// ZeroPage logs a user in with one request that carries name and password in
// its header lines.
func ZeroPage(name string, s Server, u User) Subject {
	headers := "X-OpenAM-Username: " + u.Name + "\r\nX-OpenAM-Password: " + string(u.Password) + "\r\n"
	return s.subject(name, func(_ context.Context, r *ring) (func(context.Context) error, error) {
		return func(ctx context.Context) error {
			status, body, err := r.post(ctx, request{path: s.authenticate(), headers: headers})
			if err != nil {
				return err
			}
			_, err = tokenOf(s.Realm, status, body)
			return err
		}, nil
	})
}

// Validate asks whether a session is valid; each worker has one of its own, made
// once and asked for at all members.
func Validate(name string, s Server, u User) Subject { return ValidateMany(name, s, u, 1) }

// ValidateMany is Validate with so many sessions for each worker, in turn.
func ValidateMany(name string, s Server, u User, sessions int) Subject {
	return s.subject(name, func(ctx context.Context, r *ring) (func(context.Context) error, error) {
		all := make([]request, sessions)
		for i := range all {
			var err error
			if all[i], err = s.validation(ctx, r, u); err != nil {
				return nil, err
			}
		}
		next := 0
		return func(ctx context.Context) error {
			q := all[next]
			next = (next + 1) % len(all)
			status, body, err := r.post(ctx, q)
			if err != nil {
				return err
			}
			var a struct {
				Valid bool   `json:"valid"`
				UID   string `json:"uid"`
			}
			if status != 200 || json.Unmarshal(body, &a) != nil || !a.Valid || !strings.EqualFold(a.UID, u.Name) {
				return wrong("validate", status, body)
			}
			return nil
		}, nil
	})
}

// validation is the request that validates a fresh session of u, whatever pages
// the server's Journey has.
func (s Server) validation(ctx context.Context, r *ring, u User) (request, error) {
	_, token, err := travel(ctx, r, s, u)
	if err != nil {
		return request{}, err
	}
	body, err := json.Marshal(map[string]string{"tokenId": token})
	return request{path: s.validate(), body: body}, err
}

// Yardstick is the body for Echo: a JSON object with members like those of a
// validation's answer, as long as that validation's request and answer are on
// average.
func Yardstick(ctx context.Context, s Server, u User) ([]byte, error) {
	r := newRing(s.Members, 0)
	defer r.close()
	q, err := s.validation(ctx, r, u)
	if err != nil {
		return nil, err
	}
	status, answer, err := r.post(ctx, q)
	if err != nil {
		return nil, err
	}
	if status != 200 {
		return nil, wrong("validate", status, answer)
	}
	return yardstick((len(q.body) + len(answer)) / 2), nil
}

// yardstick is that object with size bytes, or a few more when that is not
// enough for its keys, which stand in order as encoding/json writes them.
func yardstick(size int) []byte {
	const head, tail = `{"realm":"/","sessionUid":"`, `","uid":"demo","valid":true}`
	return []byte(head + strings.Repeat("x", max(0, size-len(head)-len(tail))) + tail)
}

// Hash verifies a password in this process, as a member does: what no login with
// that hash can do without.
func Hash(name string, pid, workers int, h identity.Hash, password identity.Secret) Subject {
	var arenas arena.Arenas
	return Subject{Name: name, PIDs: []int{pid}, Workers: workers, bare: true, prepare: func(context.Context) (operation, error) {
		verification, err := identity.Prepare(h, password)
		if err != nil {
			return operation{}, fmt.Errorf("prepare the hash: %w", err)
		}
		return operation{close: func() {}, do: func(context.Context) error {
			ok, err := verification.Run(arenas.Argon2id)
			if err == nil && !ok {
				err = errors.New("the hash does not match its password")
			}
			return err
		}}, nil
	}}
}

func (s Server) subject(name string, prepare func(context.Context, *ring) (func(context.Context) error, error)) Subject {
	out := Subject{Name: name, PIDs: s.PIDs()}
	var workers atomic.Int64 // each begins with the member after that of the last
	out.prepare = func(ctx context.Context) (operation, error) {
		r := newRing(s.Members, int(workers.Add(1)))
		do, err := prepare(ctx, r)
		if err != nil {
			r.close()
			return operation{}, fmt.Errorf("prepare %s: %w", name, err)
		}
		return operation{do: do, close: r.close}, nil
	}
	return out
}

// wrong is the error for an answer that is not what it should be. It shows the
// answer's beginning, unless a token or an authId may be in it.
func wrong(what string, status int, body []byte) error {
	if bytes.Contains(body, []byte(`"tokenId"`)) || bytes.Contains(body, []byte(`"authId"`)) {
		return fmt.Errorf("%s: wrong answer: status %d, %d bytes with a token", what, status, len(body))
	}
	return fmt.Errorf("%s: wrong answer: status %d, body %.160q", what, status, body)
}
