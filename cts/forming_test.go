package cts

import (
	"testing"
	"time"

	"sojourn/cts/session"
)

func TestClusterForms(t *testing.T) {
	for _, names := range []string{"abc", "abcde"} {
		t.Run(names, func(t *testing.T) {
			began := time.Now()
			inCluster(t, len(names), names, func(t *testing.T, c *cluster) {
				began := time.Now()
				c.formed(len(names))
				t.Logf("formed after %v", time.Since(began))
				_, leader := c.leader()
				x := aSession(1, time.Now())
				if _, err := leader.Create(t.Context(), session.Creation{Session: x}); err != nil {
					t.Fatal(err)
				}
			})
			t.Logf("in %v of real time", time.Since(began))
		})
	}
}
