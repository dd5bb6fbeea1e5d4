package cli

import (
	"context"
	"errors"
	"testing"
)

// runningFuncs is a member of two functions.
type runningFuncs struct {
	run, await func(context.Context) error
}

func (r runningFuncs) Run(ctx context.Context) error   { return r.run(ctx) }
func (r runningFuncs) Await(ctx context.Context) error { return r.await(ctx) }

func TestRun(t *testing.T) {
	crash, broken := errors.New("the store has failed"), errors.New("broken pipe")
	untilEnd := func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}
	never := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	at := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	for name, tc := range map[string]struct {
		member    runningFuncs
		ready     error
		cancelled bool
		said      bool
		want      error
	}{
		"stopped when ready":       {member: runningFuncs{untilEnd, at(nil)}, cancelled: true, said: true},
		"stopped before":           {member: runningFuncs{untilEnd, never}, cancelled: true},
		"failed before":            {member: runningFuncs{at(crash), never}, want: crash},
		"cannot become ready":      {member: runningFuncs{untilEnd, at(crash)}, want: crash},
		"nobody hears it is ready": {member: runningFuncs{untilEnd, at(nil)}, ready: broken, said: true, want: broken},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.cancelled && !tc.said {
				cancel()
			}
			said := false
			err := run(ctx, tc.member, func(context.Context) error {
				said = true
				if tc.cancelled {
					cancel()
				}
				return tc.ready
			})
			if said != tc.said || !errors.Is(err, tc.want) {
				t.Errorf("said %t, error %v; want %t, %v", said, err, tc.said, tc.want)
			}
		})
	}
}
