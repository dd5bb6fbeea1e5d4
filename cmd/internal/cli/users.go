package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// userStatus is what an account may be.
const (
	active   = "Active"
	inactive = "Inactive"
)

// usersOf is what the users commands share.
type usersOf struct {
	env    Env
	member *target
	realm  *string
}

func usersCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "users", Short: "Add, list, change and import users"}
	u := &usersOf{env: env, member: addTarget(env, cmd), realm: realmFlag(cmd)}
	return group(cmd, u.add(), u.list(), u.status("enable", active), u.status("disable", inactive), u.passwd(), u.delete(), u.imports())
}

// do runs f with a client and the realm.
func (u *usersOf) do(ctx context.Context, f func(ctx context.Context, c *client.Client, realm string) error) error {
	realm, err := parseRealm(*u.realm)
	if err != nil {
		return err
	}
	return u.member.with(ctx, func(ctx context.Context, c *client.Client) error { return f(ctx, c, realm) })
}

func (u *usersOf) add() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME (--password-stdin | --no-password)",
		Short: "Add a user",
		Args:  wants("NAME"),
	}
	fs := cmd.Flags()
	stdin := passwordFlag(cmd)
	none := fs.Bool("no-password", false, "the user cannot log in with a password")
	admin := fs.Bool("admin", false, "the user may administer every realm; top level realm only")
	attributes := fs.StringArray("attribute", nil, "`name=value`, as in mail=bob@example.com; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		who := wire.User{Name: args[0], Status: active, Attributes: map[string][]string{}}
		if *stdin == *none {
			return misusef("one of --password-stdin and --no-password is needed")
		}
		for _, text := range *attributes {
			name, value, ok := strings.Cut(text, "=")
			if !ok || name == "" {
				return misusef("--attribute: %q is not name=value", text)
			}
			who.Attributes[name] = append(who.Attributes[name], value)
		}
		if *admin {
			who.Admin = admin
		}
		if *stdin {
			var err error
			if who.Password, err = readPassword(u.env); err != nil {
				return err
			}
		}
		return u.do(cmd.Context(), func(ctx context.Context, c *client.Client, realm string) error {
			if err := c.CreateUser(ctx, realm, who); err != nil {
				return fmt.Errorf("add %s to realm %s: %w", who.Name, realm, err)
			}
			fmt.Fprintf(u.env.Stderr, "added %s to realm %s\n", printable(who.Name), realm)
			return nil
		})
	}
	return cmd
}

func passwordFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("password-stdin", false, "read the password from the standard input, or ask for it on a terminal")
}

// readPassword reads one line: from the standard input, or unseen from a
// terminal.
func readPassword(env Env) (wire.Password, error) {
	if f, ok := env.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(env.Stderr, "Password: ")
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(env.Stderr)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return wire.Password(text), nil
	}
	line, err := bufio.NewReader(io.LimitReader(env.Stdin, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("the standard input has no password on its first line")
	}
	return wire.Password(line), nil
}

// user is a user in JSON listings.
type user struct {
	Name        string              `json:"name"`
	Realm       string              `json:"realm"`
	Status      string              `json:"status"`
	Admin       bool                `json:"admin"`
	LockedUntil string              `json:"lockedUntil,omitempty"`
	Attributes  map[string][]string `json:"attributes,omitempty"`
}

func (u *usersOf) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the users of a realm", Args: wants()}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return u.do(cmd.Context(), func(ctx context.Context, c *client.Client, realm string) error {
			all, out := []user{}, listing{head: []string{"NAME", "STATUS", "ADMIN", "LOCKED UNTIL", "MAIL"}}
			for who, err := range c.Users(ctx, realm) {
				if err != nil {
					return fmt.Errorf("list users of realm %s: %w", realm, err)
				}
				one := user{who.Name, who.Realm, who.Status, who.Admin != nil && *who.Admin, who.LockedUntil, who.Attributes}
				all = append(all, one)
				admin := ""
				if one.Admin {
					admin = "yes"
				}
				out.rows = append(out.rows, []string{one.Name, one.Status, admin, one.LockedUntil, strings.Join(one.Attributes["mail"], " ")})
			}
			out.json = all
			return out.write(u.env.Stdout, *asJSON)
		})
	}
	return cmd
}

func (u *usersOf) status(verb, status string) *cobra.Command {
	short := "Let a user log in again, and end a running lock"
	if status == inactive {
		short = "Keep a user from logging in"
	}
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: wants("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return u.change(cmd.Context(), verb, wire.User{Name: args[0], Status: status})
		},
	}
}

func (u *usersOf) passwd() *cobra.Command {
	cmd := &cobra.Command{Use: "passwd NAME --password-stdin", Short: "Give a user another password", Args: wants("NAME")}
	stdin := passwordFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !*stdin {
			return misusef("--password-stdin is needed; passwords are never arguments")
		}
		password, err := readPassword(u.env)
		if err != nil {
			return err
		}
		return u.change(cmd.Context(), "change", wire.User{Name: args[0], Password: password})
	}
	return cmd
}

func (u *usersOf) change(ctx context.Context, verb string, who wire.User) error {
	return u.do(ctx, func(ctx context.Context, c *client.Client, realm string) error {
		_, err := c.UpdateUser(ctx, realm, who)
		if client.IsStatus(err, http.StatusNotFound) {
			return fmt.Errorf("there is no user %q in realm %s; \"sojourn users add\" makes one", who.Name, realm)
		}
		if err != nil {
			return fmt.Errorf("%s %s in realm %s: %w", verb, who.Name, realm, err)
		}
		fmt.Fprintf(u.env.Stderr, "%s: done\n", printable(who.Name))
		return nil
	})
}

func (u *usersOf) delete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Remove a user and end the user's sessions", Args: wants("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return u.do(cmd.Context(), func(ctx context.Context, c *client.Client, realm string) error {
				if err := c.DeleteUser(ctx, realm, args[0]); err != nil {
					return fmt.Errorf("delete %s in realm %s: %w", args[0], realm, err)
				}
				fmt.Fprintf(u.env.Stderr, "deleted %s\n", printable(args[0]))
				return nil
			})
		},
	}
}
