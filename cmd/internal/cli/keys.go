package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sojourn/http/client"
	"sojourn/http/wire"
)

func keysCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make the cluster secret; list and rotate the keys that sign and encrypt",
		Long: `Make the cluster secret, from which every key is derived; list and rotate the
keys that a running cluster signs and encrypts with.

Each purpose has generations of keys. The active one makes what is new; those
before it are accepted until what they protect is over, so that a rotation logs
nobody out.`,
	}
	return group(cmd, keysNew(env), keysList(env), keysRotate(env))
}

func keysList(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the generations of keys for each purpose",
		Args:  wants(),
	}
	asJSON, member := jsonFlag(cmd), addTarget(env, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			all, err := c.Keys(ctx)
			if err != nil {
				return fmt.Errorf("list keys: %w", err)
			}
			return keysListing(all).write(env.Stdout, *asJSON)
		})
	}
	return cmd
}

func keysRotate(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate [PURPOSE...]",
		Short: "Begin a new generation of keys, for all purposes or for some",
		Long: `Begin a new generation of keys for the purposes that are named, or for all.

Every member accepts the new generation before any uses it. The ones before it
are accepted for as long as what they protect may live by the settings of the
realms, and for a day (authId, journeys) or 30 days (sessions, cookies) at least.
--keep says otherwise: with --keep 0s all that older generations have made is
worthless at once, which is for keys that have become known to others.

Repeating a rotation that has failed takes it up again.`,
	}
	keep := cmd.Flags().Duration("keep", 0, "how long the generations before are accepted")
	asJSON, member := jsonFlag(cmd), addTarget(env, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in := wire.KeyRotation{Purposes: args}
		if cmd.Flags().Changed("keep") {
			if *keep < 0 {
				return misusef("--keep must not be negative")
			}
			in.Keep = keep
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			all, err := c.RotateKeys(ctx, in)
			if err != nil {
				return fmt.Errorf("rotate keys: %w", err)
			}
			return keysListing(all).write(env.Stdout, *asJSON)
		})
	}
	return cmd
}

func keysListing(all []wire.KeyRing) listing {
	out := listing{head: []string{"PURPOSE", "GENERATION", "STATE", "SINCE", "ACCEPTED UNTIL", "PRIVATE KEYS"}, json: all}
	at := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.Format(time.RFC3339)
	}
	for _, r := range all {
		for _, g := range r.Generations {
			private := "-"
			if g.State == "active" && len(r.Private) > 0 {
				private = strings.Join(r.Private, ",")
			}
			out.rows = append(out.rows, []string{r.Purpose, strconv.FormatUint(uint64(g.Number), 10), g.State, at(g.Since), at(g.Until), private})
		}
	}
	return out
}

func keysNew(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "new FILE",
		Short: "Write a new cluster secret into FILE, which must not exist",
		Long: `Write a new cluster secret into FILE, readable by its owner alone.

All members of a cluster share one secret; every key is derived from it, and
whoever has it administers the cluster. Keep a copy: without it the sessions,
and data that is encrypted with it, are lost.`,
		Args: wants("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			err := writeSecret(args[0], rand.Reader)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%w; a secret in use must not be overwritten, choose another name", err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(env.Stderr, "%s has a new secret; start a member with: sojourn serve --secret %s --data DIR\n", args[0], args[0])
			return nil
		},
	}
}
