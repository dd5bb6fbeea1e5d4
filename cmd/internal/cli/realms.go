package cli

import (
	"context"
	"fmt"
	"path"

	"github.com/spf13/cobra"

	"sojourn/http/client"
)

func realmsCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "realms", Short: "List, create and delete realms, and change their settings"}
	member := addTarget(env, cmd)
	return group(cmd, realmsList(env, member), realmsCreate(env, member), realmsDelete(env, member),
		realmsSettings(env, member), realmsGet(env, member), realmsSet(env, member), realmsReset(env, member),
		realmsExport(env, member), realmsImport(env, member))
}

// realmRow is a realm in JSON listings.
type realmRow struct {
	Realm string `json:"realm"`
}

func realmsList(env Env, member *target) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List all realms", Args: wants()}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			paths, err := c.Realms(ctx)
			if err != nil {
				return fmt.Errorf("list realms: %w", err)
			}
			all, out := []realmRow{}, listing{head: []string{"REALM"}}
			for _, p := range paths {
				all = append(all, realmRow{p})
				out.rows = append(out.rows, []string{p})
			}
			out.json = all
			return out.write(env.Stdout, *asJSON)
		})
	}
	return cmd
}

func realmsCreate(env Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use: "create PATH", Short: "Create a realm, such as /alpha or /alpha/eu", Args: wants("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := subrealm(args[0])
			if err != nil {
				return err
			}
			return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				if err := c.CreateRealm(ctx, path.Dir(name), path.Base(name)); err != nil {
					return fmt.Errorf("create realm %s: %w", name, err)
				}
				fmt.Fprintf(env.Stderr, "created realm %s\n", name)
				return nil
			})
		},
	}
}

func realmsDelete(env Env, member *target) *cobra.Command {
	cmd := &cobra.Command{Use: "delete PATH --yes", Short: "Delete a realm with all that is in it", Args: wants("PATH")}
	yes := cmd.Flags().Bool("yes", false, "really delete it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := subrealm(args[0])
		if err != nil {
			return err
		}
		if !*yes {
			return misusef("this deletes the users, journeys and settings of %s for good: say --yes", name)
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			if err := c.DeleteRealm(ctx, name); err != nil {
				return fmt.Errorf("delete realm %s: %w", name, err)
			}
			fmt.Fprintf(env.Stderr, "deleted realm %s\n", name)
			return nil
		})
	}
	return cmd
}

// subrealm reads the path of a realm that is not the top level.
func subrealm(text string) (string, error) {
	name, err := parseRealm(text)
	if err == nil && name == "/" {
		err = misusef("the top level realm is always there")
	}
	return name, err
}
