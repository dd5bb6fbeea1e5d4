package journey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/internal/transcript"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

var rewrite = transcript.Flag()

// TestTranscripts plays whole journeys. The commands are
//
//	tree NAME [flag...]            begins a tree
//	node ID TYPE [outcome>ID...]   adds a node; success and failure are the ends
//	config ID JSON                 gives a node attributes
//	version ID VERSION             gives a node's type a version
//	set NAME VALUE                 changes a realm setting
//	start [tree=NAME] [nosession] [param=value...]
//	answer [Type=value...]         answers by position
//	result match|match=FAILURES|barred|mismatch|unknown
//	result found|missing|inactive|failures=N
//	reload                         encodes and decodes the state
//	after DURATION                 moves the clock
func TestTranscripts(t *testing.T) {
	transcript.Play(t, "testdata/*.txt", *rewrite, func(t *testing.T) transcript.Do {
		p := newPlayer()
		return func(line string) string {
			said, err := p.do(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return said
		}
	})
}

// player holds one scripted realm and the journey that runs in it.
type player struct {
	set      *tree.Set
	last     string // tree being defined
	settings realm.Settings
	now      time.Time
	plan     *journey.Plan
	state    journey.State
	request  node.Request
}

func newPlayer() *player {
	return &player{
		set:      &tree.Set{Realm: "/alpha", Trees: map[string]*tree.Tree{}, Nodes: map[tree.NodeID]tree.Config{}},
		settings: realm.DefaultSettings(),
		now:      time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
}

// nodeID makes a UUID of a short name.
func nodeID(name string) tree.NodeID {
	switch name {
	case "success":
		return tree.Success
	case "failure":
		return tree.Failure
	}
	return tree.NodeID(fmt.Sprintf("00000000-0000-4000-8000-%012x", []byte(name)))
}

func (p *player) do(line string) (string, error) {
	verb, rest, _ := strings.Cut(line, " ")
	fields := strings.Fields(rest)
	switch verb {
	case "tree":
		t := &tree.Tree{Name: fields[0], Enabled: true, Nodes: map[tree.NodeID]tree.Vertex{}}
		t.InnerOnly = slices.Contains(fields, "inner")
		t.NoSession = slices.Contains(fields, "nosession")
		p.set.Trees[t.Name], p.last = t, t.Name
		return "", nil
	case "node":
		return "", p.node(fields)
	case "config":
		name, body, _ := strings.Cut(rest, " ")
		return "", p.configure(nodeID(name), strings.NewReplacer("@", `00000000-0000-4000-8000-`).Replace(body))
	case "version":
		c := p.set.Nodes[nodeID(fields[0])]
		c.Version = fields[1]
		p.set.Nodes[c.ID] = c
		return "", nil
	case "set":
		return "", p.change(fields[0], fields[1])
	case "start":
		return p.start(fields)
	case "answer":
		return p.answer(fields)
	case "result":
		return p.feed(fields)
	case "reload":
		return "", p.reload()
	case "after":
		d, err := time.ParseDuration(fields[0])
		p.now = p.now.Add(d)
		return "", err
	}
	return "", fmt.Errorf("unknown command %q", verb)
}

func (p *player) node(fields []string) error {
	v := tree.Vertex{Type: fields[1], Connections: map[tree.Outcome]tree.NodeID{}}
	for _, edge := range fields[2:] {
		outcome, to, ok := strings.Cut(edge, ">")
		if !ok {
			return fmt.Errorf("edge %q", edge)
		}
		v.Connections[tree.Outcome(outcome)] = nodeID(to)
	}
	t, id := p.set.Trees[p.last], nodeID(fields[0])
	if t.Entry == "" {
		t.Entry = id
	}
	if len(fields) > 2 { // a child of a page has no place in the tree
		t.Nodes[id] = v
	}
	p.set.Nodes[id] = tree.Config{ID: id, Type: fields[1]}
	return nil
}

func (p *player) configure(id tree.NodeID, body string) error {
	c := p.set.Nodes[id]
	if err := json.Unmarshal([]byte(body), &c.Attributes); err != nil {
		return err
	}
	if pageNodes, ok := c.Attributes["children"]; ok { // short form for a page's children
		var names []string
		if err := json.Unmarshal(pageNodes, &names); err != nil {
			return err
		}
		var list []string
		for _, name := range names {
			list = append(list, fmt.Sprintf(`{"_id":%q,"nodeType":%q}`, nodeID(name), p.set.Nodes[nodeID(name)].Type))
		}
		delete(c.Attributes, "children")
		c.Attributes["nodes"] = json.RawMessage("[" + strings.Join(list, ",") + "]")
	}
	p.set.Nodes[id] = c
	return nil
}

func (p *player) change(name, value string) error {
	number, err := strconv.Atoi(value)
	switch name {
	case "lockout":
		p.settings.Lockout.Enabled, p.settings.Lockout.Failures = true, number
	case "warn":
		p.settings.Lockout.WarnAfter = number
	case "failureURL":
		p.settings.FailureURL, err = value, nil
	case "level":
		p.settings.DefaultAuthLevel = number
	default:
		return fmt.Errorf("unknown setting %q", name)
	}
	return err
}

func (p *player) env() journey.Env {
	// Random bytes that count up: transcripts stay the same.
	random := bytes.NewReader(bytes.Repeat([]byte{0x11, 0x22, 0x33, 0x44}, 64))
	return journey.Env{Now: p.now, Rand: random, Settings: &p.settings, Request: &p.request}
}

func (p *player) start(fields []string) (string, error) {
	name, noSession := "Main", false
	p.request = node.Request{}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "tree":
			name = value
		case "nosession":
			noSession = true
		default:
			if p.request.Parameters == nil {
				p.request.Parameters = map[string][]string{}
			}
			p.request.Parameters[key] = []string{value}
		}
	}
	plan, err := journey.Compile(p.set, name, node.Builtin())
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err), nil
	}
	p.plan = plan
	state, step := journey.Start(plan, p.env(), noSession)
	p.state = state
	return p.say(step), nil
}

func (p *player) answer(fields []string) (string, error) {
	answers := []callback.Answer{}
	for _, f := range fields {
		name, value, given := strings.Cut(f, "=")
		a := callback.Answer{Type: callback.Type(name)}
		if given {
			a.Values = []any{value, false}
		}
		answers = append(answers, a)
	}
	return p.advance(journey.Input{Answers: answers})
}

func (p *player) feed(fields []string) (string, error) {
	who := identity.Identity{Realm: "/alpha", Name: "demo", Status: identity.Active}
	const id = "id=demo,ou=user,o=alpha,ou=services,ou=am-config"
	var result node.Result
	word, number, _ := strings.Cut(fields[0], "=")
	switch word {
	case "match":
		who.Failures.Count, _ = strconv.Atoi(number)
		result = node.Authenticated{Verdict: identity.Match, Identity: who, UniversalID: id}
	case "barred":
		who.Status = identity.Inactive
		result = node.Authenticated{Verdict: identity.Barred, Identity: who, UniversalID: id}
	case "mismatch":
		result = node.Authenticated{Verdict: identity.Mismatch, Identity: who, UniversalID: id}
	case "unknown":
		result = node.Authenticated{Verdict: identity.Unknown}
	case "missing":
		result = node.Found{}
	case "inactive":
		who.Status = identity.Inactive
		result = node.Found{OK: true, Identity: who, UniversalID: id}
	case "failures", "found":
		who.Failures.Count, _ = strconv.Atoi(number)
		result = node.Found{OK: true, Identity: who, UniversalID: id}
	default:
		return "", fmt.Errorf("unknown result %q", word)
	}
	return p.advance(journey.Input{Result: result})
}

// advance also checks that the engine left the state it was given as it was.
func (p *player) advance(in journey.Input) (string, error) {
	before := fmt.Sprintf("%#v", p.state)
	state, step, err := journey.Advance(p.plan, p.state, in, p.env())
	if after := fmt.Sprintf("%#v", p.state); after != before {
		return "", errors.New("the given state was changed in place")
	}
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err), nil
	}
	p.state = state
	return p.say(step), nil
}

func (p *player) reload() error {
	raw, err := p.state.Encode()
	if err != nil {
		return err
	}
	again, err := journey.Decode(raw)
	if err != nil {
		return err
	}
	p.state = again
	return nil
}

func (p *player) say(step journey.Step) string {
	var b strings.Builder
	switch step := step.(type) {
	case journey.Ask:
		fmt.Fprintf(&b, "ask %d%s", p.state.Step, traced(p.state))
		for _, text := range []string{step.Header, step.Description, step.Stage} {
			if text != "" {
				fmt.Fprintf(&b, " %q", text)
			}
		}
		b.WriteString("\n")
		for _, c := range step.Callbacks {
			fmt.Fprintf(&b, "  %s", c.Type)
			if c.Numbered {
				fmt.Fprintf(&b, " #%d", c.ID)
			}
			for _, e := range c.Output {
				fmt.Fprintf(&b, " %s=%v", e.Name, e.Value)
			}
			b.WriteString("\n")
		}
		p.values(&b)
	case journey.Do:
		fmt.Fprintf(&b, "do %T %+v\n", step.Effect, step.Effect)
	case journey.Done:
		if !step.Success {
			fmt.Fprintf(&b, "failure %q url=%q lockout=%v details=%v\n", step.Message, step.URL, step.Lockout, step.Details)
			if step.Err != nil {
				fmt.Fprintf(&b, "  operator: %v\n", step.Err)
			}
			break
		}
		x := step.Session
		fmt.Fprintf(&b, "success url=%q session=%v user=%s level=%d max=%s idle=%s\n", step.URL, !step.NoSession,
			x.Principal.UniversalID, x.AuthLevel, x.Policy.MaxSession, x.Policy.MaxIdle)
		for _, name := range slices.Sorted(maps.Keys(x.Properties)) {
			fmt.Fprintf(&b, "  %s=%s\n", name, x.Properties[name])
		}
	}
	return b.String()
}

func traced(s journey.State) string {
	if s.Traced {
		return ""
	}
	return " untraced"
}

func (p *player) values(b *strings.Builder) {
	for _, scope := range []struct {
		name   string
		values node.Values
	}{{"shared", p.state.Values.Shared}, {"transient", p.state.Values.Transient}, {"secure", p.state.Values.Secure}} {
		if len(scope.values) > 0 {
			fmt.Fprintf(b, "  %s %v\n", scope.name, scope.values)
		}
	}
}
