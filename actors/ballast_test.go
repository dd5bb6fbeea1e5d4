package actors

import (
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"
)

// The ballast is there while passwords are hashed, and for a while after.
func TestBallast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHashing(HashingConfig{Params: cheap(), Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		held := func() bool {
			synctest.Wait()
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.ballast.held) == ballastSize
		}
		hash := func() {
			t.Helper()
			if _, err := h.Make(t.Context(), "a password"); err != nil {
				t.Fatal(err)
			}
		}
		if held() {
			t.Error("held before the first hash")
		}
		hash()
		for range 10 {
			time.Sleep(ballastTime - time.Second)
			if !held() {
				t.Fatal("let go between two hashes")
			}
			hash()
		}
		time.Sleep(2*ballastTime + time.Second)
		if held() {
			t.Error("held though nobody hashes")
		}
		if hash(); !held() {
			t.Error("not taken again")
		}
		h.Close()
		if held() {
			t.Error("held by a closed pool")
		}
	})
}
