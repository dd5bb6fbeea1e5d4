package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
	"sojourn/http/client"
)

// journeysOf is what the journeys commands that need a member share.
type journeysOf struct {
	env    Env
	member *target
	realm  *string
}

// do runs f with a client and the realm.
func (j *journeysOf) do(ctx context.Context, f func(ctx context.Context, c *client.Client, realm string) error) error {
	name, err := parseRealm(*j.realm)
	if err != nil {
		return err
	}
	return j.member.with(ctx, func(ctx context.Context, c *client.Client) error { return f(ctx, c, name) })
}

// stored is what a realm holds.
type stored struct {
	set       *tree.Set
	scripts   map[string]tree.Script
	templates map[string]json.RawMessage // of mails
}

// fetchTrees reads the trees of a realm, without their nodes.
func fetchTrees(ctx context.Context, c *client.Client, name string) (*tree.Set, error) {
	trees, err := c.Trees(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("list journeys: %w", err)
	}
	set := &tree.Set{Realm: realm.Name(name), Trees: map[string]*tree.Tree{}, Nodes: map[tree.NodeID]tree.Config{}}
	for _, raw := range trees {
		var named struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal(raw, &named); err != nil {
			return nil, fmt.Errorf("read a journey of the member: %w", err)
		}
		t, err := tree.DecodeTree(named.ID, raw)
		if err != nil {
			return nil, fmt.Errorf("read a journey of the member: %w", err)
		}
		set.Trees[t.Name] = t
	}
	return set, nil
}

// fetch reads the trees, nodes, scripts and email templates of a realm.
func fetch(ctx context.Context, c *client.Client, name string) (stored, error) {
	set, err := fetchTrees(ctx, c, name)
	if err != nil {
		return stored{}, err
	}
	s := stored{set: set, scripts: map[string]tree.Script{}, templates: map[string]json.RawMessage{}}
	nodes, err := c.Nodes(ctx, name)
	if err != nil {
		return stored{}, fmt.Errorf("list nodes: %w", err)
	}
	for _, raw := range nodes {
		n, err := tree.DecodeNode(raw)
		if err != nil {
			return stored{}, fmt.Errorf("read a node of the member: %w", err)
		}
		set.Nodes[n.ID] = n
	}
	scripts, err := c.Scripts(ctx, name)
	if err != nil {
		return stored{}, fmt.Errorf("list scripts: %w", err)
	}
	for _, raw := range scripts {
		script, err := tree.DecodeScript(raw)
		if err != nil {
			return stored{}, fmt.Errorf("read a script of the member: %w", err)
		}
		s.scripts[script.ID] = script
	}
	templates, err := c.EmailTemplates(ctx, name)
	if err != nil {
		return stored{}, fmt.Errorf("list email templates: %w", err)
	}
	for _, raw := range templates {
		var named struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal(raw, &named); err != nil {
			return stored{}, fmt.Errorf("read an email template of the member: %w", err)
		}
		s.templates[named.ID] = raw
	}
	return s, nil
}

// journeyRow is a journey in JSON listings.
type journeyRow struct {
	Name        string `json:"name"`
	Enabled     bool   `json:"enabled"`
	InnerOnly   bool   `json:"innerOnly"`
	Nodes       int    `json:"nodes"`
	Description string `json:"description,omitempty"`
}

func (j *journeysOf) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the journeys of a realm", Args: wants()}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return j.do(cmd.Context(), func(ctx context.Context, c *client.Client, name string) error {
			set, err := fetchTrees(ctx, c, name)
			if err != nil {
				return err
			}
			all, out := []journeyRow{}, listing{head: []string{"NAME", "ENABLED", "INNER ONLY", "NODES", "DESCRIPTION"}}
			for _, name := range slices.Sorted(maps.Keys(set.Trees)) {
				t := set.Trees[name]
				all = append(all, journeyRow{name, t.Enabled, t.InnerOnly, len(t.Nodes), t.Description})
				out.rows = append(out.rows, []string{name, yesNo(t.Enabled), yesNo(t.InnerOnly), strconv.Itoa(len(t.Nodes)), t.Description})
			}
			out.json = all
			return out.write(j.env.Stdout, *asJSON)
		})
	}
	return cmd
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (j *journeysOf) imports() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Store the journeys of a file, with their nodes, scripts and email templates",
		Long: `Store the journeys of FILE ("-" for the standard input) with their nodes,
scripts and email templates, replacing those of the same name or id. The file is judged first, as
"journeys check" does, with the member's own journeys as possible inner trees;
with errors nothing is stored, unless --force. Journeys that run go on with the
version they began with.`,
		Args: wants("FILE"),
	}
	force := cmd.Flags().Bool("force", false, "store journeys in spite of errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		export, err := readJourneys(j.env, args[0])
		if err != nil {
			return err
		}
		return j.do(cmd.Context(), func(ctx context.Context, c *client.Client, name string) error {
			have, err := fetchTrees(ctx, c, name)
			if err != nil {
				return err
			}
			quiet := Env{Stdout: j.env.Stderr, Stderr: j.env.Stderr}
			if err := judge(quiet, have, export, false); err != nil && !*force {
				return fmt.Errorf("nothing was stored: %w; mend them, or say --force", err)
			}
			return j.store(ctx, c, name, export)
		})
	}
	return cmd
}

// store puts what a tree needs before the tree, so that no request meets a
// journey with half of its nodes.
func (j *journeysOf) store(ctx context.Context, c *client.Client, name string, export tree.Export) error {
	line := newProgress(j.env.Stderr)
	defer line.done()
	for i, journey := range export.Journeys {
		line.show("%d of %d: %s", i+1, len(export.Journeys), printable(journey.Tree.Name))
		if err := storeJourney(ctx, c, name, journey); err != nil {
			return fmt.Errorf("store journey %q: %w; what came before it is stored", journey.Tree.Name, err)
		}
	}
	line.done()
	fmt.Fprintf(j.env.Stderr, "stored %d journeys in realm %s\n", len(export.Journeys), name)
	return nil
}

func storeJourney(ctx context.Context, c *client.Client, name string, j tree.Journey) error {
	for _, id := range slices.Sorted(maps.Keys(j.Scripts)) {
		body, err := tree.EncodeScript(j.Scripts[id])
		if err == nil {
			_, err = c.PutScript(ctx, name, id, body)
		}
		if err != nil {
			return fmt.Errorf("script %s: %w", id, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(j.EmailTemplates)) {
		if _, err := c.PutEmailTemplate(ctx, name, id, j.EmailTemplates[id]); err != nil {
			return fmt.Errorf("email template %q: %w", id, err)
		}
	}
	types := node.Builtin()
	for _, id := range slices.Sorted(maps.Keys(j.Nodes)) {
		n := j.Nodes[id]
		d, _ := types.Describe(n) // a type that only --force lets pass has no title
		body, err := tree.EncodeNode(n, d.Title, d.Outcomes)
		if err == nil {
			_, err = c.PutNode(ctx, name, n.Type, string(id), body)
		}
		if err != nil {
			return fmt.Errorf("node %s: %w", id, err)
		}
	}
	body, err := j.Tree.Encode()
	if err == nil {
		_, err = c.PutTree(ctx, name, j.Tree.Name, body)
	}
	return err
}

func (j *journeysOf) export() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [NAME...]",
		Short: "Write journeys as a file of frodo, with the inner trees they call",
		Args:  wants("NAME..."),
	}
	file := cmd.Flags().String("file", "-", "`file` to write; \"-\" is the standard output")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return j.do(cmd.Context(), func(ctx context.Context, c *client.Client, name string) error {
			have, err := fetch(ctx, c, name)
			if err != nil {
				return err
			}
			journeys, err := have.journeys(names)
			if err != nil {
				return err
			}
			text, err := tree.EncodeExport(journeys, tree.Meta{}, node.Builtin())
			if err != nil {
				return fmt.Errorf("write journeys: %w", err)
			}
			if *file == "-" {
				_, err = j.env.Stdout.Write(text)
			} else {
				err = os.WriteFile(*file, text, 0o600)
			}
			if err != nil {
				return fmt.Errorf("write journeys: %w", err)
			}
			return nil
		})
	}
	return cmd
}

// journeys gathers those of the names, all for none, with the inner trees that
// they reach.
func (s stored) journeys(names []string) ([]tree.Journey, error) {
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(s.set.Trees))
	}
	wanted := map[string]bool{}
	for _, name := range names {
		reach, ok := s.set.Reach(name)
		if !ok {
			return nil, fmt.Errorf("there is no journey %q; \"sojourn journeys list\" shows them", name)
		}
		for _, inner := range reach.Trees {
			wanted[inner] = true
		}
	}
	var out []tree.Journey
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		j, ok := s.set.Journey(name)
		if !ok {
			continue // an inner tree that is called and not there
		}
		for _, id := range j.ScriptIDs() {
			if script, ok := s.scripts[id]; ok {
				j.Scripts[id] = script
			}
		}
		for _, id := range j.EmailTemplateNames() {
			if template, ok := s.templates[id]; ok {
				j.EmailTemplates[id] = template
			}
		}
		out = append(out, j)
	}
	return out, nil
}

func (j *journeysOf) delete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a journey and the nodes that no other journey has",
		Args:  wants("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return j.do(cmd.Context(), func(ctx context.Context, c *client.Client, name string) error {
				have, err := fetch(ctx, c, name)
				if err != nil {
					return err
				}
				return have.delete(ctx, j.env.Stderr, c, name, args[0])
			})
		},
	}
}

func (s stored) delete(ctx context.Context, say io.Writer, c *client.Client, name, journey string) error {
	gone, ok := s.set.Journey(journey)
	if !ok {
		return fmt.Errorf("there is no journey %q in realm %s", journey, name)
	}
	delete(s.set.Trees, journey)
	for other := range s.set.Trees {
		kept, _ := s.set.Journey(other)
		for id := range kept.Nodes {
			delete(gone.Nodes, id)
		}
	}
	if err := c.DeleteTree(ctx, name, journey); err != nil {
		return fmt.Errorf("delete journey %q: %w", journey, err)
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(gone.Nodes)) {
		if err := c.DeleteNode(ctx, name, gone.Nodes[id].Type, string(id)); err != nil {
			errs = append(errs, fmt.Errorf("delete node %s: %w", id, err))
		}
	}
	fmt.Fprintf(say, "deleted journey %s and %d nodes\n", printable(journey), len(gone.Nodes)-len(errs))
	return errors.Join(errs...)
}
