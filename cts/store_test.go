package cts

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/cts/session"
)

func testConfig(t testing.TB, dir string) Config {
	t.Helper()
	return Config{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), DiskMin: 64 << 20}
}

func openStore(t testing.TB, c Config) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// aSession returns the n-th session of a journey of its own.
func aSession(n uint64, now time.Time) session.Session {
	x := session.New(
		session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute, TouchInterval: time.Minute},
		session.Principal{Realm: "/alpha", Username: fmt.Sprintf("user%d", n%1000), UniversalID: "id=user,ou=user,o=alpha,ou=services,ou=am-config"},
		now)
	binary.BigEndian.PutUint64(x.ID[8:], n*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(x.Journey[:], n+1)
	x.Trees = []string{"Login"}
	x.Properties = map[string]string{"AMCtxId": fmt.Sprintf("%032x", n), "Service": "Login", "Host": "127.0.0.1"}
	return x
}

func BenchmarkCreate(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprintf("parallel=%d", parallel), func(b *testing.B) {
			s := openStore(b, testConfig(b, b.TempDir()))
			var n atomic.Uint64
			now := time.Now()
			b.SetParallelism((parallel + 1) / 2)
			if parallel == 1 {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Create(b.Context(), session.Creation{Session: aSession(n.Add(1), now)}); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Create(b.Context(), session.Creation{Session: aSession(n.Add(1), now)}); err != nil {
						b.Error(err)
						return
					}
				}
			})
			m := s.Metrics()
			b.ReportMetric(float64(m.Commands)/float64(m.Entries), "commands/entry")
		})
	}
}

// BenchmarkCountLogin compares a count with one that is made once.
func BenchmarkCountLogin(b *testing.B) {
	for _, once := range []bool{false, true} {
		b.Run(fmt.Sprintf("once=%t", once), func(b *testing.B) {
			s := openStore(b, testConfig(b, b.TempDir()))
			if err := s.PutIdentity(b.Context(), identity.Identity{Realm: "/", Name: "u"}, true); err != nil {
				b.Fatal(err)
			}
			until := time.Now().Add(time.Minute)
			before := s.Metrics()
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				var c identity.Change = identity.CountLogin{}
				if n++; once {
					key := identity.Mark{}
					binary.BigEndian.PutUint64(key[:], n*0x9E3779B97F4A7C15)
					c = identity.Once{Key: key, Until: until, Change: c}
				}
				if _, err := s.UpdateIdentity(b.Context(), "/", "u", c); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(s.Metrics().Entries-before.Entries)/float64(n), "entries/op")
		})
	}
}

func BenchmarkSessionHit(b *testing.B) {
	b.Run("alone", func(b *testing.B) { benchmarkHit(b, openStore(b, testConfig(b, b.TempDir()))) })
	b.Run("leased", func(b *testing.B) { // as on a member of a cluster
		s := openStore(b, testConfig(b, b.TempDir()))
		s.notAlone()
		if err := s.readable(b.Context()); err != nil {
			b.Fatal(err)
		}
		benchmarkHit(b, s)
	})
}

func benchmarkHit(b *testing.B, s *Store) {
	now := time.Now()
	const n = 1000
	for i := range uint64(n) {
		if _, err := s.Create(b.Context(), session.Creation{Session: aSession(i, now)}); err != nil {
			b.Fatal(err)
		}
	}
	ids := make([]session.ID, n)
	for i := range ids {
		ids[i] = aSession(uint64(i), now).ID
	}
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := 0
		for pb.Next() {
			i = (i + 7) % n
			if _, err := s.Session(ctx, ids[i], 1); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
