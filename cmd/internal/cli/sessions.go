package cli

import (
	"context"
	"fmt"
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
	cmd := &cobra.Command{Use: "list --user NAME", Short: "List the sessions of a user", Args: wants()}
	name := cmd.Flags().String("user", "", "whose sessions")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, err := parseRealm(*realm)
		if err != nil {
			return err
		}
		if *name == "" {
			return misusef("--user NAME is needed")
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			found, err := c.SessionsOf(ctx, in, *name)
			if err != nil {
				return fmt.Errorf("list sessions of %s: %w", *name, err)
			}
			all, out := []sessionRow{}, listing{head: []string{"USER", "REALM", "LATEST ACCESS", "IDLE END", "END", "HANDLE"}}
			for _, s := range found {
				all = append(all, sessionRow{s.Username, s.Realm, s.Handle, s.LatestAccessTime, s.MaxIdleExpirationTime, s.MaxSessionExpirationTime})
				out.rows = append(out.rows, []string{
					s.Username, s.Realm, stamp(s.LatestAccessTime), stamp(s.MaxIdleExpirationTime), stamp(s.MaxSessionExpirationTime), s.Handle,
				})
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
	name := cmd.Flags().String("user", "", "whose sessions")
	cmd.RunE = func(cmd *cobra.Command, handles []string) error {
		in, err := parseRealm(*realm)
		if err != nil {
			return err
		}
		if (*name == "") == (len(handles) == 0) {
			return misusef("either --user NAME or handles are needed; \"sojourn sessions list\" shows handles")
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			what := "sessions of " + *name
			if *name != "" {
				err = c.LogoutByUser(ctx, in, *name)
			} else {
				what = fmt.Sprintf("%d sessions", len(handles))
				err = c.LogoutByHandle(ctx, handles...)
			}
			if err != nil {
				return fmt.Errorf("end %s: %w", what, err)
			}
			fmt.Fprintf(env.Stderr, "ended %s\n", printable(what))
			return nil
		})
	}
	return cmd
}
