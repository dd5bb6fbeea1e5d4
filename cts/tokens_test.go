package cts

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/cts/token"
)

// aToken is a first put of the n-th token, of about the size of a journey.
func aToken(n uint64, now time.Time) token.Put {
	p := token.Put{Kind: token.Journey, Expires: now.Add(5 * time.Minute), Body: make([]byte, 700)}
	binary.BigEndian.PutUint64(p.ID[:], n*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(p.Body, n)
	return p
}

// BenchmarkPutToken is a step of a journey: its token is read and replaced, every
// fifth time it is a new one.
func BenchmarkPutToken(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprintf("parallel=%d", parallel), func(b *testing.B) {
			s := openStore(b, testConfig(b, b.TempDir()))
			var clients atomic.Uint64
			now := time.Now()
			b.SetParallelism((parallel + 1) / 2)
			b.ReportAllocs()
			b.ResetTimer()
			steps := func(next func() bool) {
				var p token.Put
				for n := clients.Add(1) << 32; next(); n++ {
					if n%5 == 0 || p.Seq == 0 {
						p = aToken(n, now)
					} else {
						was, err := s.Token(b.Context(), p.Kind, p.ID, 1)
						if err != nil || was.Seq != p.Seq {
							b.Errorf("token = %+v, %v", was, err)
							return
						}
					}
					after, won, err := s.PutToken(b.Context(), p)
					if err != nil || !won {
						b.Errorf("put = %+v, %v, %v", after, won, err)
						return
					}
					p.Seq = after.Seq
				}
			}
			if parallel == 1 {
				left := b.N
				steps(func() bool { left--; return left >= 0 })
			} else {
				b.RunParallel(func(pb *testing.PB) { steps(pb.Next) })
			}
			m := s.Metrics()
			b.ReportMetric(float64(m.Commands)/float64(m.Entries), "commands/entry")
		})
	}
}

// BenchmarkToken is the read of a step.
func BenchmarkToken(b *testing.B) {
	s := openStore(b, testConfig(b, b.TempDir()))
	const n = 1000
	for i := range uint64(n) {
		if _, _, err := s.PutToken(b.Context(), aToken(i, time.Now())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		p := aToken(i%n, time.Now())
		if _, err := s.Token(b.Context(), p.Kind, p.ID, 1); err != nil {
			b.Fatal(err)
		}
	}
}
