package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sojourn/actors/realm"
	"sojourn/http/client"
)

// allRealms stands for the settings of all realms, in the place of a realm.
const allRealms = "@global"

const aboutWhose = `
REALM is a realm's path, or ` + allRealms + ` for the settings of all realms.`

// whose reads REALM.
func whose(text string) (realmPath string, documents []string, err error) {
	if text == allRealms {
		return client.Global, realm.GlobalDocuments(), nil
	}
	realmPath, err = parseRealm(text)
	return realmPath, realm.Documents(), err
}

// oneDocument reads REALM and DOCUMENT.
func oneDocument(args []string) (realmPath, id string, err error) {
	realmPath, documents, err := whose(args[0])
	if err == nil && !slices.Contains(documents, args[1]) {
		err = misusef("%s has no settings document %q; there are: %s", args[0], args[1], strings.Join(documents, ", "))
	}
	return realmPath, args[1], err
}

func realmsSettings(env Env, member *target) *cobra.Command {
	cmd := &cobra.Command{
		Use: "settings REALM", Short: "List the settings in force in a realm, and where each comes from", Args: wants("REALM"),
		Long: `List the settings in force in a realm, and where each comes from: the realm's own
documents, those of all realms, the process that answers, or the default.
"sojourn config reference" says what each means.`,
	}
	asJSON := jsonFlag(cmd)
	changed := cmd.Flags().Bool("changed", false, "only those that are not the default")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := parseRealm(args[0])
		if err != nil {
			return err
		}
		return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			all, err := c.SettingsInForce(ctx, name)
			if err != nil {
				return fmt.Errorf("list the settings of %s: %w", name, err)
			}
			out := listing{head: []string{"DOCUMENT", "SETTING", "VALUE", "FROM"}}
			kept := all[:0]
			for _, s := range all {
				if *changed && s.Origin == string(realm.FromDefault) {
					continue
				}
				kept = append(kept, s)
				out.rows = append(out.rows, []string{s.Document, s.Setting, string(s.Value), s.Origin})
			}
			out.json = kept
			return out.write(env.Stdout, *asJSON)
		})
	}
	return cmd
}

func realmsGet(env Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use: "get REALM DOCUMENT", Short: "Print a settings document, with every value as it is in force", Args: wants("REALM", "DOCUMENT"),
		Long: "Print a settings document as the API shows it, with every value as it is in force." + aboutWhose,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, id, err := oneDocument(args)
			if err != nil {
				return err
			}
			return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				body, err := c.Settings(ctx, name, id)
				if err != nil {
					return fmt.Errorf("read %s of %s: %w", id, args[0], err)
				}
				return writeJSON(env.Stdout, body)
			})
		},
	}
}

func realmsSet(env Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use: "set REALM DOCUMENT FILE", Short: "Replace a settings document by a file's", Args: wants("REALM", "DOCUMENT", "FILE"),
		Long: `Replace a settings document by that of FILE ("-" for the standard input): the JSON
that "get" prints or AM's API shows. What the file does not say holds as for all
realms, or by default.` + aboutWhose,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, id, err := oneDocument(args)
			if err != nil {
				return err
			}
			body, err := readInput(env, args[2], realm.MaxDocument)
			if err != nil {
				return err
			}
			return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				if err := c.PutSettings(ctx, name, id, body); err != nil {
					return fmt.Errorf("set %s of %s: %w", id, args[0], err)
				}
				return nil
			})
		},
	}
}

func realmsReset(_ Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use: "reset REALM DOCUMENT", Short: "Remove a settings document: what is weaker holds again", Args: wants("REALM", "DOCUMENT"),
		Long: "Remove a settings document: what holds for all realms, or by default, holds again." + aboutWhose,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, id, err := oneDocument(args)
			if err != nil {
				return err
			}
			return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				if err := c.ResetSettings(ctx, name, id); err != nil && !client.IsStatus(err, 404) {
					return fmt.Errorf("reset %s of %s: %w", id, args[0], err)
				}
				return nil
			})
		},
	}
}

// settingsFile is what frodo exports of a realm's settings: its authentication
// settings and its services. Server has the properties of server-default, which
// frodo keeps in files of their own.
type settingsFile struct {
	Authentication json.RawMessage            `json:"authentication,omitempty"`
	Service        map[string]json.RawMessage `json:"service,omitempty"`
	Server         map[string]json.RawMessage `json:"server,omitempty"`
}

const serverPrefix = "server-"

// put adds a document.
func (f *settingsFile) put(id string, body json.RawMessage) {
	name, properties := strings.CutPrefix(id, serverPrefix)
	switch {
	case id == realm.DocumentAuthentication:
		f.Authentication = body
	case properties:
		f.Server[name] = body
	default:
		f.Service[id] = body
	}
}

// documents are those of the file by their ids.
func (f *settingsFile) documents() map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	maps.Copy(all, f.Service)
	for name, body := range f.Server {
		all[serverPrefix+name] = body
	}
	if len(f.Authentication) > 0 {
		all[realm.DocumentAuthentication] = f.Authentication
	}
	return all
}

func realmsExport(env Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use: "export REALM", Short: "Print all settings documents of a realm, as frodo exports them", Args: wants("REALM"),
		Long: "Print all settings documents of a realm as one, in the form of frodo's exports of\nservices and authentication settings." + aboutWhose,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, documents, err := whose(args[0])
			if err != nil {
				return err
			}
			return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				out := settingsFile{Service: map[string]json.RawMessage{}, Server: map[string]json.RawMessage{}}
				for _, id := range documents {
					body, err := c.Settings(ctx, name, id)
					if err != nil {
						return fmt.Errorf("read %s of %s: %w", id, args[0], err)
					}
					out.put(id, body)
				}
				return writeJSON(env.Stdout, out)
			})
		},
	}
}

func realmsImport(env Env, member *target) *cobra.Command {
	return &cobra.Command{
		Use: "import REALM FILE", Short: "Replace settings documents by those that frodo exported", Args: wants("REALM", "FILE"),
		Long: `Replace settings documents by those of FILE ("-" for the standard input): what
"export" prints, or what frodo exports of services and authentication settings.
Services that are none of this server's are left out, and named.` + aboutWhose,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, documents, err := whose(args[0])
			if err != nil {
				return err
			}
			found, err := readSettings(env, args[1])
			if err != nil {
				return err
			}
			return member.with(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				for _, id := range serversFirst(documents) {
					body, there := found[id]
					if !there {
						continue
					}
					delete(found, id)
					if err := c.PutSettings(ctx, name, id, body); err != nil {
						return fmt.Errorf("set %s of %s: %w", id, args[0], err)
					}
					fmt.Fprintf(env.Stderr, "set %s\n", id)
				}
				for _, id := range slices.Sorted(maps.Keys(found)) {
					fmt.Fprintf(env.Stderr, "left out %s: no settings of this server\n", id)
				}
				return nil
			})
		},
	}
}

// serversFirst puts the properties of servers before all else: they say what the
// others may hold.
func serversFirst(documents []string) []string {
	rest := func(id string) int {
		if strings.HasPrefix(id, serverPrefix) {
			return 0
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(documents), func(a, b string) int { return rest(a) - rest(b) })
}

// readSettings reads the documents of an export. What frodo adds of its own is
// left out.
func readSettings(env Env, path string) (map[string]json.RawMessage, error) {
	text, err := readInput(env, path, realm.MaxDocument)
	if err != nil {
		return nil, err
	}
	var file settingsFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s is no export of settings: %w", path, err)
	}
	all := file.documents()
	if len(all) == 0 {
		return nil, fmt.Errorf(`%s is no export of settings: it has neither "authentication" nor "service"`, path)
	}
	for id, body := range all {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil || bytes.Equal(body, []byte("null")) {
			return nil, fmt.Errorf("%s: %s is no object", path, id)
		}
		for _, added := range []string{"location", "nextDescendents"} {
			delete(members, added)
		}
		if all[id], err = json.Marshal(members); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, id, err)
		}
	}
	return all, nil
}
