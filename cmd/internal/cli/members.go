package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sojourn/http/client"
	"sojourn/http/wire"
)

func membersCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List, remove and promote the members of the cluster",
		Long: `List the members of the cluster as the member that is asked knows them; it need
not be the leader.

LEASE is for how long the leader lets a member answer session reads, LAG how many
entries of the log it is behind the leader, WAITING how many journeys it holds,
as replicas too, REPAIRS how many of them it has still to give the replicas they
ought to have, SEES whom it calls alive; "-" is not known.

To restart members one after the other, wait each time until the one before is
alive again and REPAIRS is 0 at all of them.`,
	}
	member := addTarget(env, cmd)
	group(cmd, membersRemove(env, member), membersPromote(env, member))
	unknown := cmd.RunE
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			all, err := c.Members(ctx)
			if err != nil {
				return fmt.Errorf("list members: %w", err)
			}
			return membersListing(all).write(env.Stdout, *asJSON)
		})
	}
	return cmd
}

// memberRow is a member in JSON listings.
type memberRow struct {
	ID      string `json:"id"`
	Process string `json:"member"`
	Name    string `json:"name"`
	Address string `json:"address"`
	HTTP    string `json:"http"`
	Role    string `json:"role"` // leader, voter or non-voter
	Self    bool   `json:"self"`
	State   string `json:"state"`
	// Lease is in seconds; null, as the counts and LastSeen, when not known.
	Lease       *float64   `json:"lease"`
	Lag         *uint64    `json:"lag"`
	Waiting     *int64     `json:"waiting"`
	Outstanding *int64     `json:"outstanding"`
	LastSeen    *time.Time `json:"lastSeen"`
	Sees        []string   `json:"sees"`
	Protocol    int        `json:"protocol"`
	Version     string     `json:"version"`
}

func membersListing(all []wire.ClusterMember) listing {
	rows, out := []memberRow{}, listing{head: []string{"NAME", "ID", "ADDRESS", "HTTP", "ROLE", "STATE", "LEASE", "LAG", "WAITING", "REPAIRS", "SEES"}}
	short := shortID(all)
	for _, m := range all {
		rows = append(rows, memberRow{
			m.ID, m.Process, m.Name, m.Address, m.HTTP, role(m), m.Self, m.State,
			m.Lease, m.Lag, m.Waiting, m.Outstanding, m.LastSeen, m.Sees, m.Protocol, m.Version,
		})
		lease, lag, waiting, repairs := "", "", "", ""
		if m.Lease != nil {
			lease = strconv.FormatFloat(*m.Lease, 'f', 2, 64) + "s"
		}
		if m.Lag != nil {
			lag = strconv.FormatUint(*m.Lag, 10)
		}
		if m.Waiting != nil && m.Outstanding != nil {
			waiting, repairs = strconv.FormatInt(*m.Waiting, 10), strconv.FormatInt(*m.Outstanding, 10)
		}
		row := []string{m.Name, m.ID[:min(short, len(m.ID))], m.Address, m.HTTP, role(m), m.State, lease, lag, waiting, repairs, strings.Join(m.Sees, ",")}
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		out.rows = append(out.rows, row)
	}
	out.json = rows
	return out
}

func role(m wire.ClusterMember) string {
	switch {
	case m.Leader:
		return "leader"
	case m.Voter:
		return "voter"
	}
	return "non-voter"
}

// shortID is how much of an id tells it from all others, 8 at least.
func shortID(all []wire.ClusterMember) int {
	length := 8
	for i, a := range all {
		for _, b := range all[:i] {
			common := 0
			for common < min(len(a.ID), len(b.ID)) && a.ID[common] == b.ID[common] {
				common++
			}
			length = max(length, common+1)
		}
	}
	return length
}

func membersRemove(env Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a member that will not come back",
		Long: `Remove a member that will not come back. It is named by its id, the start of it,
or its name. What would leave no quorum is refused.`,
		Args: wants("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return member.withMember(cmd.Context(), args[0], func(ctx context.Context, c *client.Client, m wire.ClusterMember) error {
				if err := c.RemoveMember(ctx, m.ID); err != nil {
					return fmt.Errorf("remove member %s: %w", called(m), err)
				}
				fmt.Fprintf(env.Stderr, "removed %s, which was a %s and %s\n", called(m), role(m), printable(m.State))
				return nil
			})
		},
	}
}

func membersPromote(env Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use:   "promote ID",
		Short: "Give a member a vote now",
		Long: `Give a member a vote now, which else it gets when it has caught up and a vote is
free. It is named by its id, the start of it, or its name.`,
		Args: wants("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return member.withMember(cmd.Context(), args[0], func(ctx context.Context, c *client.Client, m wire.ClusterMember) error {
				if m.Voter {
					fmt.Fprintf(env.Stderr, "%s has a vote already\n", called(m))
					return nil
				}
				if err := c.PromoteMember(ctx, m.ID); err != nil {
					return fmt.Errorf("promote member %s: %w", called(m), err)
				}
				fmt.Fprintf(env.Stderr, "%s has a vote now\n", called(m))
				return nil
			})
		},
	}
}

// withMember is with for the one member that text means: its id, the start of
// it, or its name.
func (t *target) withMember(ctx context.Context, text string, do func(context.Context, *client.Client, wire.ClusterMember) error) error {
	if text == "" {
		return misusef("an id or a name is needed; \"sojourn members\" lists them")
	}
	return t.with(ctx, func(ctx context.Context, c *client.Client) error {
		all, err := c.Members(ctx)
		if err != nil {
			return fmt.Errorf("list members: %w", err)
		}
		m, err := pick(all, text)
		if err != nil {
			return err
		}
		return do(ctx, c, m)
	})
}

// pick finds the member that text means. A whole id means its member; else no
// other may be meant by the name or the start of the id.
func pick(all []wire.ClusterMember, text string) (wire.ClusterMember, error) {
	if i := slices.IndexFunc(all, func(m wire.ClusterMember) bool { return m.ID == text }); i >= 0 {
		return all[i], nil
	}
	var meant []wire.ClusterMember
	var names []string
	for _, m := range all {
		if m.Name == text || strings.HasPrefix(m.ID, text) {
			meant = append(meant, m)
			names = append(names, called(m)+" "+printable(m.State))
		}
	}
	switch len(meant) {
	case 0:
		return wire.ClusterMember{}, fmt.Errorf("no member has the name %q or an id that begins so; \"sojourn members\" lists them", text)
	case 1:
		return meant[0], nil
	}
	return wire.ClusterMember{}, fmt.Errorf("%q means more than one member: %s; give more of the id", text, strings.Join(names, ", "))
}

// called names a member for people: by name and whole id.
func called(m wire.ClusterMember) string { return printable(m.Name) + " (" + printable(m.ID) + ")" }
