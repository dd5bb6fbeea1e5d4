package cts

import (
	"testing"
	"time"
)

// What an entry waits for follows from the entries before: who meets, and how
// often commands come.
func TestPace(t *testing.T) {
	const near, far = closely / 4, 2 * closely
	type entries struct {
		n              int // of them
		apart          time.Duration
		commands, most int
	}
	tests := []struct {
		name string
		were []entries
		want int
	}{
		{"none", nil, 1},
		{"one writer", []entries{{50, near, 1, 1}}, 1},
		{"two writers", []entries{{50, near, 1, 2}}, 1},
		{"three writers", []entries{{50, near, 2, 3}}, 3},
		{"sixteen writers", []entries{{50, near, 8, 16}}, 16},
		{"more than enough", []entries{{50, near, 256, 1000}}, enough},
		{"many, far apart", []entries{{50, 16 * far, 16, 16}}, 1},
		{"a burst after a pause", []entries{{50, far, 1, 1}, {1, near, 8, 16}}, 1},
		{"a burst that goes on", []entries{{50, far, 1, 1}, {8, near, 8, 16}}, 16},
		{"one missed the others", []entries{{50, near, 8, 16}, {1, near, 1, 1}}, 12},
		{"the others are gone", []entries{{50, near, 8, 16}, {8, near, 1, 1}}, 1},
	}
	for _, tt := range tests {
		var p pace
		now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		for _, e := range tt.were {
			for range e.n {
				now = now.Add(e.apart)
				p.flown(now, e.commands, e.most)
			}
		}
		if got := p.gathers(); got != tt.want {
			t.Errorf("%s: an entry waits for %d commands, want %d (%+v)", tt.name, got, tt.want, p)
		}
	}
}
