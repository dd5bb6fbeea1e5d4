package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// watchPause is the time before a stream is opened again.
const watchPause = time.Second

func sessionsWatch(env Env, member *target, realm *string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "watch", Short: "Show sessions as they end", Args: wants(),
		Long: `Show the sessions of a realm as they end at whatever member, until interrupted:
why, whose, and by what handle. Changes of session properties are shown where the
realm's settings notifications.* say so. When the member stops or cannot be
reached any more, it is asked again from where it was left.`,
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON, one object on each line")
	count := cmd.Flags().Int("count", 0, "end after so many `changes`; 0: do not")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, err := parseRealm(*realm)
		if err != nil {
			return err
		}
		if *count < 0 {
			return misusef("--count must not be negative")
		}
		w := &watcher{env: env, asJSON: *asJSON, left: *count}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error { return w.watch(ctx, c, in) })
	}
	return cmd
}

// watcher prints changes.
type watcher struct {
	env    Env
	asJSON bool
	left   int    // changes to come before it ends; 0 and less: no end
	after  string // the place of the last one
	heard  bool   // the member has been heard once
}

var errWatched = errors.New("all that was asked for was shown")

func (w *watcher) watch(ctx context.Context, c *client.Client, realm string) error {
	for {
		err := w.stream(ctx, c, realm)
		var refused *client.Error
		switch {
		case errors.Is(err, errWatched):
			return nil
		case ctx.Err() != nil:
			return nil // interrupted, as is usual
		case !w.heard, errors.As(err, &refused) && refused.Status < 500:
			return fmt.Errorf("watch sessions: %w", err)
		case !errors.Is(err, io.EOF):
			fmt.Fprintf(w.env.Stderr, "lost the member: %v; trying again\n", err)
		}
		select {
		case <-time.After(watchPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// stream prints one stream to its end.
func (w *watcher) stream(ctx context.Context, c *client.Client, realm string) error {
	for change, err := range c.Changes(ctx, realm, w.after) {
		if err != nil {
			return err
		}
		w.heard = true
		switch change.Kind {
		case wire.ChangeOpen:
			continue
		case wire.ChangeMissed:
			fmt.Fprintln(w.env.Stderr, "some changes were missed: \"sojourn sessions list\" shows what is there")
			continue
		case wire.ChangeOver:
			fmt.Fprintf(w.env.Stderr, "the member ended the stream: %s\n", printable(change.Reason))
			continue
		}
		if change.Place != "" {
			w.after = change.Place
		}
		if err := w.print(change); err != nil {
			return err
		}
		if w.left--; w.left == 0 {
			return errWatched
		}
	}
	return nil
}

// shownChange is a change as one line of JSON.
type shownChange struct {
	Kind string `json:"kind"`
	wire.SessionChange
}

func (w *watcher) print(c wire.SessionChange) error {
	if w.asJSON {
		enc := json.NewEncoder(w.env.Stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(shownChange{c.Kind, c})
	}
	var at string
	if c.Time != nil {
		at = stamp(*c.Time)
	}
	what := c.Reason
	if c.Kind == wire.ChangeChanged {
		what = "changed " + strings.Join(c.Properties, ",")
	}
	line := []string{at, what, c.Username, c.Realm, c.Handle}
	for i, text := range line {
		if line[i] = printable(text); text == "" {
			line[i] = "-"
		}
	}
	_, err := fmt.Fprintln(w.env.Stdout, strings.Join(line, "  "))
	return err
}
