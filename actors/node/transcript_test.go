package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/internal/transcript"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

var rewrite = transcript.Flag()

// TestTranscripts plays each node type through its file. Every call also has to
// obey the laws of laws_test.go. The commands are
//
//	node TYPE [JSON]          a node with these attributes, in a new journey
//	shared|transient|secure JSON   adds to that scope of the state
//	user NAME                 somebody whom an earlier node identified
//	ending JSON               what earlier nodes said about the end
//	locales NAME...           the client's languages
//	headers|session JSON      the request's headers, or session properties
//	limit DURATION            the journey's time limit
//	after DURATION            moves the clock
//	run                       calls the node for the first time
//	answer JSON               answers what was asked: a list of values for each callback
//	authenticated VERDICT [NAME]
//	found [JSON]              an identity, or nobody
//	changed VERDICT|refused
//	measured
//	client ADDRESS            the client's address
//	sent ok|no|FAULT          what came of a mail
//	resumed                   calls the node when its suspended journey comes back
//	opened [JSON]             a persistent cookie, or something else
func TestTranscripts(t *testing.T) {
	seen := map[string]map[tree.Outcome]bool{}
	all := transcript.Play(t, "testdata/*.txt", *rewrite, func(t *testing.T) transcript.Do {
		p := &player{t: t, types: node.Builtin(), seen: seen}
		return func(line string) string {
			var out strings.Builder
			p.command(&out, line)
			return out.String()
		}
	})
	if !all {
		return // -run chose some of them
	}
	for _, typ := range node.Builtin().Types() {
		if typ.New != nil && len(seen[typ.Name]) == 0 {
			t.Errorf("%s has no transcript", typ.Name)
		}
		for outcome, taken := range seen[typ.Name] {
			// AM declares an outcome for metadata that nothing leads to.
			if !taken && typ.Name != "MetadataNode" {
				t.Errorf("no transcript leaves %s by %q", typ.Name, outcome)
			}
		}
	}
}

// player is one node in one journey.
type player struct {
	t     *testing.T
	types *node.Registry
	// seen holds every outcome that a node declared, and whether it was taken.
	seen map[string]map[tree.Outcome]bool

	typ     *node.Type
	config  node.Config
	node    node.Node
	state   node.State
	ending  node.Ending
	request node.Request
	now     time.Time
	limit   time.Duration
	resumed bool
	asked   []callback.Callback
	answers []callback.Answer
	random  *rand.ChaCha8
}

func (p *player) command(out *strings.Builder, line string) {
	name, rest, _ := strings.Cut(line, " ")
	switch name {
	case "node":
		p.begin(out, rest)
	case "shared":
		p.add(&p.state.Shared, rest)
	case "transient":
		p.add(&p.state.Transient, rest)
	case "secure":
		p.add(&p.state.Secure, rest)
	case "user":
		p.ending.User = rest
	case "ending":
		p.decode(rest, &p.ending)
	case "locales":
		p.request.Locales = strings.Fields(rest)
	case "headers":
		p.decode(rest, &p.request.Headers)
	case "session":
		p.decode(rest, &p.request.Session)
	case "client":
		p.request.ClientIP = rest
	case "limit":
		p.limit = p.duration(rest)
	case "after":
		p.now = p.now.Add(p.duration(rest))
	case "resumed":
		p.answers, p.resumed = nil, true
		p.step(out, nil)
	case "run":
		p.answers = nil
		p.step(out, nil)
	case "answer":
		var values [][]any
		p.decode(rest, &values)
		p.answers = make([]callback.Answer, len(values))
		for i, v := range values {
			p.answers[i] = callback.Answer{Type: p.asked[i].Type, Values: v}
		}
		p.step(out, nil)
	default:
		p.step(out, p.result(name, rest))
	}
}

func (p *player) result(name, rest string) node.Result {
	who := identity.Identity{Realm: "/alpha", Name: "demo"}
	switch name {
	case "authenticated":
		verdict, user, _ := strings.Cut(rest, " ")
		result := node.Authenticated{Verdict: p.verdict(verdict)}
		if result.Verdict != identity.Unknown {
			who.Name = user
			result.Identity, result.UniversalID = who, p.universal(who)
		}
		return result
	case "found":
		if rest == "" {
			return node.Found{}
		}
		p.decode(rest, &who)
		return node.Found{OK: true, Identity: who, UniversalID: p.universal(who)}
	case "changed":
		if rest == "refused" {
			return node.PasswordChanged{Refused: true}
		}
		result := node.PasswordChanged{Verdict: p.verdict(rest)}
		if result.Verdict == identity.Match {
			result.Identity, result.UniversalID = who, p.universal(who)
		}
		return result
	case "opened":
		var opened node.CookieOpened
		if rest != "" {
			opened.OK = true
			p.decode(rest, &opened.Cookie)
		}
		return opened
	case "sent":
		if rest == "ok" || rest == "no" {
			return node.MailSent{OK: rest == "ok"}
		}
		return node.MailSent{Fault: rest}
	case "measured":
		return node.Measured{}
	}
	p.t.Fatalf("no command %q", name)
	return nil
}

func (p *player) verdict(name string) identity.Verdict {
	verdict := slices.Index([]string{"mismatch", "match", "unknown", "locked", "expired", "barred"}, name)
	if verdict < 0 {
		p.t.Fatalf("no verdict %q", name)
	}
	return identity.Verdict(verdict)
}

func (p *player) universal(who identity.Identity) string {
	return who.Realm.UniversalID(who.Name, "ou=am-config")
}

func (p *player) begin(out *strings.Builder, rest string) {
	name, attributes, _ := strings.Cut(rest, " ")
	c := tree.Config{ID: "n1", Type: name}
	if attributes != "" {
		p.decode(attributes, &c.Attributes)
	}
	*p = player{
		t: p.t, types: p.types, seen: p.seen,
		now:    time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		random: rand.NewChaCha8([32]byte{1}),
	}
	typ, ok := p.types.Type(name)
	if !ok {
		p.t.Fatalf("no type %q", name)
	}
	if d, _ := p.types.Describe(c); len(d.Faults) > 0 {
		fmt.Fprintf(out, "refused: %s\n", strings.Join(d.Faults, "; "))
		return
	}
	p.typ = typ
	var err error
	if p.config, err = typ.Configure(c); err != nil {
		p.t.Fatalf("a node without faults: %v", err)
	}
	if p.node, err = typ.New(p.config); err != nil {
		p.t.Fatalf("a node without faults: %v", err)
	}
	taken := p.seen[typ.Name]
	if taken == nil {
		taken = map[tree.Outcome]bool{}
		p.seen[typ.Name] = taken
	}
	for _, outcome := range typ.OutcomesOf(p.config) {
		if !taken[outcome] {
			taken[outcome] = false
		}
	}
}

// context is that of the next call; it shares nothing with the player that the
// call could change unseen.
func (p *player) context(result node.Result) *node.Context {
	state, ending, request := p.state, p.ending, p.request
	settings := realm.DefaultSettings()
	return &node.Context{
		ID:       p.config.ID,
		Realm:    "/alpha",
		Settings: &settings,
		Now:      p.now,
		Rand:     p.random,
		Request:  &request,
		State:    &state,
		Ending:   &ending,
		Limit:    p.limit,
		Answers:  p.answers,
		Result:   result,
		Resumed:  p.resumed,

		SuspendedID: func() (string, error) { return "AAAAAAAAAAAAAAAAAAAAAAAAAAA", nil },
		ResumeURI:   func() (string, error) { return "https://login.example/?suspendedId=AAAAAAAAAAAAAAAAAAAAAAAAAAA", nil },
	}
}

func (p *player) step(out *strings.Builder, result node.Result) {
	if p.node == nil {
		p.t.Fatal("there is no node to run")
	}
	p.obeys(result)
	c := p.context(result)
	action, err := p.node.Process(c)
	if err != nil {
		kind := "error"
		if malformed(err) {
			kind = "malformed"
		}
		fmt.Fprintf(out, "%s: %v\n", kind, err)
		return
	}
	switch action := action.(type) {
	case node.Goto:
		fmt.Fprintf(out, "goto %s\n", action.Outcome)
		p.seen[p.typ.Name][action.Outcome] = true
	case node.Do:
		fmt.Fprintf(out, "do %#v\n", action.Effect)
	case node.Suspend:
		fmt.Fprintf(out, "suspend %q %v\n", action.Message, action.Duration)
	case node.Ask:
		out.WriteString("ask\n")
		for _, cb := range action.Callbacks {
			p.show(out, cb)
		}
		p.asked = action.Callbacks
	}
	difference(out, "shared", p.state.Shared, c.State.Shared)
	difference(out, "transient", p.state.Transient, c.State.Transient)
	difference(out, "secure", p.state.Secure, c.State.Secure)
	if before, after := compact(p.ending), compact(*c.Ending); before != after {
		fmt.Fprintf(out, "  ending %s\n", after)
	}
	p.state, p.ending = *c.State, *c.Ending
	if _, asked := action.(node.Ask); asked {
		p.reply()
	}
}

// reply does to the state what the engine does when an answer goes out: what
// the waiting node reads of the transient scope is kept, the rest dropped.
func (p *player) reply() {
	inputs := p.typ.InputsOf(p.config)
	for key, value := range p.state.Transient {
		if slices.Contains(inputs, key) || slices.Contains(inputs, "*") {
			p.add(&p.state.Secure, compact(map[string]any{key: value}))
		}
	}
	p.state.Transient = nil
}

func (p *player) show(out *strings.Builder, cb callback.Callback) {
	fmt.Fprintf(out, "  %s", cb.Type)
	for _, e := range cb.Output {
		fmt.Fprintf(out, " %s=%s", e.Name, compact(e.Value))
	}
	for i, e := range cb.Input {
		if i == 0 {
			out.WriteString(" ->")
		}
		if e.Name != "" {
			out.WriteString(" " + e.Name)
		}
		fmt.Fprintf(out, " %s", compact(e.Value))
	}
	out.WriteString("\n")
}

func difference(out *strings.Builder, scope string, before, after node.Values) {
	keys := slices.Sorted(maps.Keys(before))
	for key := range after {
		if _, ok := before[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		value, kept := after[key]
		switch {
		case !kept:
			fmt.Fprintf(out, "  %s %s removed\n", scope, key)
		case compact(before[key]) != compact(value):
			fmt.Fprintf(out, "  %s %s=%s\n", scope, key, compact(value))
		}
	}
}

func (p *player) add(scope *node.Values, text string) {
	all := maps.Clone(*scope)
	if all == nil {
		all = node.Values{}
	}
	p.decode(text, &all)
	*scope = all
}

func (p *player) decode(text string, into any) {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		p.t.Fatalf("%s: %v", text, err)
	}
}

func (p *player) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

func compact(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%#v", value)
	}
	return string(text)
}

func malformed(err error) bool {
	var value *callback.ValueError
	return errors.Is(err, callback.ErrInput) || errors.As(err, &value)
}
