package cts_test

import (
	"testing"

	"sojourn/cts"
	"sojourn/cts/ctstest"
)

// A member that does not lead is a store like any other.
func TestFollowerConforms(t *testing.T) {
	ctstest.ConformanceIn(t, func(t *testing.T, o ctstest.Options, test func(*testing.T, ctstest.Store)) {
		config := func(c *cts.Config) { c.Now = o.Now }
		cts.Follower(t, config, o.OnDocument, func(t *testing.T, s *cts.Store) { test(t, cts.Patient{Store: s}) })
	})
}
