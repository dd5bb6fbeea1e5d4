package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sojourn/cmd/internal/config"
	"sojourn/http/client"
)

func backupCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything a member keeps into FILE, while it runs",
		Long: `Write everything a member keeps into FILE ("-" for the standard output): users,
journeys, settings and sessions, encrypted under the cluster secret, without which
it cannot be restored. FILE appears when the backup is complete.`,
		Args: wants("FILE"),
	}
	member := addTarget(env, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			if args[0] == "-" {
				return c.Backup(ctx, env.Stdout)
			}
			n, err := backupTo(ctx, env, c, args[0])
			if err != nil {
				return fmt.Errorf("back up: %w", err)
			}
			fmt.Fprintf(env.Stderr, "%s has the backup, %d bytes\n", args[0], n)
			return nil
		})
	}
	return cmd
}

// backupTo writes beside path and renames at the end: what has the name is
// whole and on the disk.
func backupTo(ctx context.Context, env Env, c *client.Client, path string) (n int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-")
	if err != nil {
		return 0, fmt.Errorf("create file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	line := newProgress(env.Stderr)
	w := &progressWriter{w: f, line: line}
	err = c.Backup(ctx, w)
	line.done()
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return w.n, err
}

type progressWriter struct {
	w    io.Writer
	n    int64
	line progress
}

func (p *progressWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.n += int64(n)
	p.line.show("%s", config.Size(p.n>>20<<20))
	return n, err
}

func restoreCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE --yes",
		Short: "Replace everything a member keeps by a backup",
		Args:  wants("FILE"),
	}
	member := addTarget(env, cmd)
	yes := cmd.Flags().Bool("yes", false, "really replace users, journeys, settings and sessions")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !*yes {
			return misusef("this replaces everything that the member keeps: say --yes")
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			from, size, err := openInput(env, args[0])
			if err != nil {
				return err
			}
			defer from.Close() //nolint:errcheck // nothing was written
			line := newProgress(env.Stderr)
			err = c.Restore(ctx, &progressReader{r: from, size: size, line: line})
			line.done()
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			fmt.Fprintf(env.Stderr, "restored from %s\n", args[0])
			return nil
		})
	}
	return cmd
}

type progressReader struct {
	r       io.Reader
	n, size int64
	line    progress
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	if p.size > 0 {
		p.line.show("%d %%", 100*p.n/p.size)
	}
	return n, err
}
