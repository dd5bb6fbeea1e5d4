package cts

import (
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// BenchmarkCreateWithin is a login of 64 clients without a quota, within one, and
// beyond one, which ends another session each time.
func BenchmarkCreateWithin(b *testing.B) {
	for name, limit := range map[string]int{"no quota": 0, "room": 1 << 20, "full": 1} {
		b.Run(name, func(b *testing.B) {
			s := openStore(b, testConfig(b, b.TempDir()))
			var n atomic.Uint64
			now := time.Now()
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c := session.Creation{Session: aSession(n.Add(1), now), Quota: realm.Quota{Limit: limit}}
					if _, err := s.Create(b.Context(), c); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
