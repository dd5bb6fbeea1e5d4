package cts

import (
	"sync"
	"testing"
	"time"
)

// In a cluster many writers share log entries: sixteen that did not wait for each
// other would put eight commands in one. A single writer waits for nobody.
func TestWritersShareEntries(t *testing.T) {
	tests := []struct {
		name    string
		writers int
		least   float64 // commands in an entry
		most    time.Duration
	}{
		{"one", 1, 1, 2 * time.Millisecond},
		{"four", 4, 2, 4 * time.Millisecond},
		{"sixteen", 16, 9, 4 * time.Millisecond},
	}
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		_, leader := c.leader("a", "b", "c")
		n := uint64(0)
		for _, tt := range tests {
			const rounds = 40
			before, began := leader.Metrics(), time.Now()
			var writers sync.WaitGroup
			for range tt.writers {
				first := n
				n += rounds
				writers.Go(func() {
					for i := range uint64(rounds) {
						login(t, leader, first+i)
						time.Sleep(time.Millisecond) // its client
					}
				})
			}
			writers.Wait()
			after := leader.Metrics()
			share := float64(after.Commands-before.Commands) / float64(after.Entries-before.Entries)
			each := time.Since(began)/rounds - time.Millisecond
			t.Logf("%s: %.1f commands in an entry, %v each", tt.name, share, each)
			if share < tt.least || each > tt.most {
				t.Errorf("%s: %.1f commands in an entry, %v each; want %v and at most %v", tt.name, share, each, tt.least, tt.most)
			}
		}
	})
}
