package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
)

func keysCommand(env Env) *cobra.Command {
	return group(&cobra.Command{Use: "keys", Short: "Make the cluster secret"}, keysNew(env))
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
