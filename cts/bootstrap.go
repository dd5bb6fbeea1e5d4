package cts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
	"sojourn/cts/internal/roster"
)

const (
	promiseFile    = "PROMISE"
	promiseVersion = 1
	// reconcileInterval is how often a member without a cluster looks for one,
	// and a leader at who is alive.
	reconcileInterval = 200 * time.Millisecond
	// promiseTimeout bounds the wait for one promise.
	promiseTimeout = time.Second
)

// promiseJSON is the content of promiseFile. It is there from the first promise
// until this member is in a cluster, and at the one that founds a cluster until
// enough others have joined.
type promiseJSON struct {
	Version int
	roster.Promise
}

// founding is this member's part in beginning a cluster.
type founding struct {
	path string

	mu      sync.Mutex // also held from winning until there is a cluster
	promise roster.Promise
}

func openFounding(path string) (*founding, error) {
	data, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	if errors.Is(err, fs.ErrNotExist) {
		return &founding{path: path}, nil
	}
	if err != nil {
		return nil, damage.At(path, err)
	}
	var file promiseJSON
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, damage.At(path, fmt.Errorf("read: %w", err))
	}
	if file.Version != promiseVersion {
		return nil, damage.At(path, fmt.Errorf("has version %d, this release knows %d", file.Version, promiseVersion))
	}
	return &founding{path: path, promise: file.Promise}, nil
}

// give decides on a request and keeps the promise. mu is held.
func (f *founding) give(self roster.Newcomer, r roster.Request) error {
	next, err := f.promise.Give(self, r)
	if err != nil || next == f.promise {
		return err
	}
	data, err := json.Marshal(promiseJSON{Version: promiseVersion, Promise: next})
	if err != nil {
		return fmt.Errorf("encode %s: %w", promiseFile, err)
	}
	if err := fsm.WriteFile(f.path, data); err != nil {
		return fmt.Errorf("keep a promise: %w", err)
	}
	f.promise = next
	return nil
}

// over forgets the promise: it is of no meaning any more.
func (f *founding) over() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.promise = roster.Promise{}
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a promise: %w", err)
	}
	return nil
}

// inCluster reports whether this member's log belongs to a cluster already.
func (s *Store) inCluster() bool {
	return s.raft.LastIndex() > 0 || len(s.raft.GetConfiguration().Configuration().Servers) > 0
}

func (s *Store) newcomer() roster.Newcomer {
	return roster.Newcomer{Store: s.ID(), Expect: s.config.Expect, InCluster: s.inCluster()}
}

// promise answers a candidate.
func (s *Store) promise(r peer.Promise) (peer.Answer, error) {
	expect := int(min(r.Expect, 1<<20)) //nolint:gosec // bounded
	f := s.founding
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.give(s.newcomer(), roster.Request{Candidate: r.Candidate, Expect: expect, Have: r.Have})
	if held, ok := errors.AsType[*roster.HeldError](err); ok {
		return nil, sentError{held.Error(), ErrRefused}
	}
	if err != nil {
		return nil, err
	}
	return peer.Done{}, nil
}

// found looks for a cluster, or founds one with others, until this member is in
// one.
func (s *Store) found() {
	tick := time.NewTicker(s.slow(reconcileInterval))
	defer tick.Stop()
	said := ""
	for !s.inCluster() {
		if why := s.tryToFound(); why != said {
			said = why
			if why != "" {
				s.config.Log.Info("not in a cluster yet", "why", why)
			}
		}
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tryToFound founds a cluster if it may. Else it says why not.
func (s *Store) tryToFound() string {
	addresses := map[string]string{}
	var alive []roster.Newcomer
	for _, p := range s.config.Network.Peers() {
		addresses[p.Store] = p.Address
		alive = append(alive, roster.Newcomer{Store: p.Store, Expect: p.Expect, InCluster: p.Cluster != [16]byte{}})
	}
	self := s.newcomer()
	ballot, err := roster.Bootstrap(self, s.config.Join, alive)
	if err != nil {
		return err.Error()
	}
	have := []string{s.ID()}
	request := roster.Request{Candidate: s.ID(), Expect: s.config.Expect, Have: have}
	s.founding.mu.Lock()
	err = s.founding.give(self, request)
	s.founding.mu.Unlock()
	if err != nil {
		return err.Error()
	}
	why := ""
	for _, id := range slices.DeleteFunc(ballot.Ask, func(id string) bool { return id == s.ID() }) {
		r := peer.Promise{Candidate: s.ID(), Expect: uint64(s.config.Expect), Have: have} //nolint:gosec // positive
		if _, err := s.ask(s.ctx, addresses[id], r, s.slow(promiseTimeout)); err != nil {
			why = fmt.Sprintf("member %s does not promise: %v", id, err)
			continue
		}
		have = append(have, id)
	}
	won, err := s.bootstrap(have)
	if err != nil {
		return err.Error()
	}
	if !won && why == "" {
		why = "another member may found the cluster"
	}
	if won {
		s.config.Log.Info("founds a cluster", "with", have)
		return ""
	}
	return why
}

// bootstrap begins a cluster of this member alone if the promises of have let
// it; the others are added through its log.
func (s *Store) bootstrap(have []string) (won bool, err error) {
	f := s.founding
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.promise.Won(s.newcomer(), have) {
		return false, nil
	}
	s.forms()
	if err := s.raft.BootstrapCluster(s.onlyThis()).Error(); err != nil {
		return false, fmt.Errorf("found a cluster: %w", err)
	}
	return true, s.electNow()
}

// formed lets a founded cluster be used once it has the voters that it was
// founded for: before, one loss could lose what was acknowledged.
func (s *Store) formed(c raft.Configuration) {
	if !s.forming.Load() {
		return
	}
	if voters(c) < votersFor(s.config.Expect) {
		return
	}
	if err := s.founding.over(); err != nil {
		s.config.Log.Warn("promise not removed", "err", err)
		return
	}
	s.forming.Store(false)
	s.gate.set(forming, "")
	s.ready()
	s.config.Log.Info("the cluster is formed", "voters", voters(c))
}

func voters(c raft.Configuration) int {
	n := 0
	for _, server := range c.Servers {
		if server.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}

// votersFor is how many of so many members vote.
func votersFor(members int) int {
	if members <= 2 {
		return members
	}
	return min(members-1+members%2, roster.DefaultPolicy().Voters)
}
