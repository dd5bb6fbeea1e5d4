package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sojourn/http/client"
)

func sessionsCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "sessions", Short: "List and end sessions"}
	member, realm := addTarget(env, cmd), realmFlag(cmd)
	return group(cmd, sessionsList(env, member, realm), sessionsEnd(env, member, realm), sessionsWatch(env, member, realm))
}

// sessionRow is a session in JSON listings.
type sessionRow struct {
	User         string    `json:"user"`
	Realm        string    `json:"realm"`
	Handle       string    `json:"handle"`
	LatestAccess time.Time `json:"latestAccess"`
	IdleEnd      time.Time `json:"idleEnd"`
	End          time.Time `json:"end"`
}

func sessionsList(env Env, member *target, realm *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--user NAME] [--handle HANDLE]",
		Short: "List the sessions of a realm that the token store keeps",
		Long: "List the sessions of a realm that the token store keeps: all of them, a user's, or the one of a handle.\n" +
			"Client-side sessions are in no list; the audit has their handles.",
		Args: wants(),
	}
	var q client.SessionQuery
	fs := cmd.Flags()
	fs.StringVar(&q.Username, "user", "", "whose sessions; everybody's by default")
	fs.StringVar(&q.Handle, "handle", "", "the session with this handle")
	fs.IntVar(&q.PageSize, "page-size", 0, "how many sessions to ask the server for at once; its limit by default")
	limit := fs.Int("limit", 0, "how many sessions to list; 0 lists all")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, err := parseRealm(*realm)
		if err != nil {
			return err
		}
		if q.PageSize < 0 || *limit < 0 {
			return misusef("--page-size and --limit must not be negative")
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			all, out := []sessionRow{}, listing{head: []string{"USER", "REALM", "LATEST ACCESS", "IDLE END", "END", "HANDLE"}}
			for s, err := range c.Sessions(ctx, in, q) {
				if err != nil {
					return fmt.Errorf("list sessions: %w", err)
				}
				all = append(all, sessionRow{s.Username, s.Realm, s.Handle, s.LatestAccessTime, s.MaxIdleExpirationTime, s.MaxSessionExpirationTime})
				out.rows = append(out.rows, []string{
					s.Username, s.Realm, stamp(s.LatestAccessTime), stamp(s.MaxIdleExpirationTime), stamp(s.MaxSessionExpirationTime), s.Handle,
				})
				if len(all) == *limit {
					break
				}
			}
			out.json = all
			return out.write(env.Stdout, *asJSON)
		})
	}
	return cmd
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func sessionsEnd(env Env, member *target, realm *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end (--user NAME | HANDLE...)",
		Short: "End all sessions of a user, or those with these handles",
		Args:  wants("HANDLE..."),
	}
	name := cmd.Flags().String("user", "", "whose sessions; client-side ones as well if the realm wants that")
	asJSON := cmd.Flags().Bool("json", false, "print what became of each handle as JSON")
	cmd.RunE = func(cmd *cobra.Command, handles []string) error {
		in, err := parseRealm(*realm)
		if err != nil {
			return err
		}
		if (*name == "") == (len(handles) == 0) {
			return misusef("either --user NAME or handles are needed; \"sojourn sessions list\" shows handles")
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			if *name != "" {
				if err := c.LogoutByUser(ctx, in, *name); err != nil {
					return fmt.Errorf("end sessions of %s: %w", *name, err)
				}
				fmt.Fprintf(env.Stderr, "ended sessions of %s\n", printable(*name))
				return nil
			}
			gone, err := c.LogoutByHandle(ctx, handles...)
			if err != nil {
				return fmt.Errorf("end %d sessions: %w", len(handles), err)
			}
			return endedHandles(env, gone, *asJSON)
		})
	}
	return cmd
}

// endedHandles tells what became of sessions that were to end; it is an error that
// some may go on.
func endedHandles(env Env, gone map[string]bool, asJSON bool) error {
	var left []string
	for handle, ended := range gone {
		if !ended {
			left = append(left, printable(handle))
		}
	}
	if asJSON {
		if err := writeJSON(env.Stdout, gone); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		return fmt.Errorf("%d of %d sessions may go on, try again: %s", len(left), len(gone), strings.Join(left, ", "))
	}
	fmt.Fprintf(env.Stderr, "ended %d sessions\n", len(gone))
	return nil
}
