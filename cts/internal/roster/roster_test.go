package roster

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const started = time.Hour // when the leader a of the tables was elected

// cluster writes a State: servers as "a+" (voter), "b-" (non-voter); alive ids
// as "a b", or "b@there" at another address than "at-b". The leader is a.
func cluster(servers, alive string) State {
	s := State{Self: "a", Committed: true, Now: started, Elected: started, Seen: map[string]time.Duration{}, Lag: map[string]uint64{}}
	for f := range strings.FieldsSeq(servers) {
		id := f[:len(f)-1]
		s.Servers = append(s.Servers, Server{ID: id, Address: "at-" + id, Voter: strings.HasSuffix(f, "+")})
	}
	for f := range strings.FieldsSeq(alive) {
		id, addr, moved := strings.Cut(f, "@")
		if !moved {
			addr = "at-" + id
		}
		s.Peers = append(s.Peers, Peer{ID: id, Address: addr})
		s.Lag[id] = 0
	}
	return s
}

func (s State) behind(id string, lag uint64) State      { s.Lag[id] = lag; return s }
func (s State) silent(id string) State                  { delete(s.Lag, id); return s }
func (s State) after(d time.Duration) State             { s.Now += d; return s }
func (s State) seen(id string, ago time.Duration) State { s.Seen[id] = s.Now - ago; return s }
func (s State) uncommitted() State                      { s.Committed = false; return s }

func TestReconcile(t *testing.T) {
	const minute = time.Minute
	gone := func(id, ago string) Change { return Remove{ID: id, Why: "not seen for " + ago} }
	for name, c := range map[string]struct {
		s    State
		want Change
	}{
		"alone":                         {cluster("a+", "a"), nil},
		"alone, gossip knows nobody":    {cluster("a+", ""), nil},
		"a second appears":              {cluster("a+", "a b"), AddNonvoter{"b", "at-b"}},
		"a second is caught up":         {cluster("a+ b-", "a b"), AddVoter{"b", "at-b"}},
		"a second is a little behind":   {cluster("a+ b-", "a b").behind("b", 500), AddVoter{"b", "at-b"}},
		"a second is behind":            {cluster("a+ b-", "a b").behind("b", 501), nil},
		"a second has not said":         {cluster("a+ b-", "a b").silent("b"), nil},
		"a second is gone":              {cluster("a+ b-", "a"), nil},
		"two are two voters":            {cluster("a+ b+", "a b"), nil},
		"a third":                       {cluster("a+ b+ c-", "a b c"), AddVoter{"c", "at-c"}},
		"promotion before addition":     {cluster("a+ b-", "a b c"), AddVoter{"b", "at-b"}},
		"addition while one catches up": {cluster("a+ b-", "a b c").behind("b", 9999), AddNonvoter{"c", "at-c"}},
		"a fourth stays a non-voter":    {cluster("a+ b+ c+ d-", "a b c d"), nil},
		"a fourth and a fifth":          {cluster("a+ b+ c+ d- e-", "a b c d e"), AddVoter{"d", "at-d"}},
		"a fifth":                       {cluster("a+ b+ c+ d+ e-", "a b c d e"), AddVoter{"e", "at-e"}},
		"a fifth that is behind":        {cluster("a+ b+ c+ d- e-", "a b c d e").behind("e", 9999), nil},
		"a sixth stays a non-voter":     {cluster("a+ b+ c+ d+ e+ f- g-", "a b c d e f g"), nil},
		"a sixth is added":              {cluster("a+ b+ c+ d+ e+", "a b c d e f"), AddNonvoter{"f", "at-f"}},
		"a change is under way":         {cluster("a+", "a b").uncommitted(), nil},
		"the leader is not a member":    {cluster("b+ c+", "a b c d"), nil},

		"a voter is away for a while":          {cluster("a+ b+ c+", "a b").after(9 * minute), nil},
		"a voter is away, no spare":            {cluster("a+ b+ c+", "a b").after(71 * time.Hour), nil},
		"a voter is away for days":             {cluster("a+ b+ c+", "a b").after(72 * time.Hour), gone("c", "72h0m0s")},
		"a voter is away, a spare":             {cluster("a+ b+ c+ d-", "a b d").after(10 * minute), gone("c", "10m0s")},
		"a voter is away, a spare behind":      {cluster("a+ b+ c+ d-", "a b d").behind("d", 9999).after(10 * minute), nil},
		"then the spare takes its place":       {cluster("a+ b+ d-", "a b d").after(10 * minute), AddVoter{"d", "at-d"}},
		"no hurry with a spare":                {cluster("a+ b+ c+ d-", "a b d").after(9 * minute), nil},
		"seen since the election":              {cluster("a+ b+ c+ d-", "a b d").after(11*minute).seen("c", 9*minute), nil},
		"last seen before the election":        {cluster("a+ b+ c+ d-", "a b d").after(minute).seen("c", 10*minute), gone("c", "10m0s")},
		"one of five is away":                  {cluster("a+ b+ c+ d+ e+ f-", "a b c d f").after(10 * minute), gone("e", "10m0s")},
		"two of five are away":                 {cluster("a+ b+ c+ d+ e+", "a b c").after(72 * time.Hour), gone("d", "72h0m0s")},
		"two of three are away":                {cluster("a+ b+ c+", "a").after(999 * time.Hour), nil},
		"two of three are away, spares":        {cluster("a+ b+ c+ d- e-", "a d e").after(999 * time.Hour), AddVoter{"d", "at-d"}},
		"one of two is away":                   {cluster("a+ b+", "a").after(999 * time.Hour), nil},
		"a non-voter is away":                  {cluster("a+ b+ c+ d-", "a b c").after(59 * minute), nil},
		"a non-voter is away for an hour":      {cluster("a+ b+ c+ d-", "a b c").after(time.Hour), gone("d", "1h0m0s")},
		"the last copy but one is a non-voter": {cluster("a+ b-", "a").after(time.Hour), gone("b", "1h0m0s")},

		"a replaced disk":                         {cluster("a+ b+ c+", "a b x@at-c"), Remove{"c", "member x is at its address at-c"}},
		"a replaced disk, the old is removed":     {cluster("a+ b+", "a b x@at-c"), AddNonvoter{"x", "at-c"}},
		"a replaced disk of a non-voter":          {cluster("a+ b+ c+ d-", "a b c x@at-d"), Remove{"d", "member x is at its address at-d"}},
		"a replaced disk, too few voters stay":    {cluster("a+ b+", "a x@at-b"), nil},
		"a replaced disk, no majority stays":      {cluster("a+ b+ c+ d+ e+", "a b x@at-c"), nil},
		"a stranger at a living member's address": {cluster("a+ b+ c+", "a b c x@at-c"), nil},
		"a known member at a dead one's address":  {cluster("a+ b+ c+", "a b@at-c"), nil},

		"a voter has moved":            {cluster("a+ b+ c+", "a b c@there"), ChangeAddress{"c", "there", true}},
		"a non-voter has moved":        {cluster("a+ b-", "a b@there"), ChangeAddress{"b", "there", false}},
		"the leader has moved":         {cluster("a+ b+", "a@there b"), ChangeAddress{"a", "there", true}},
		"all have moved":               {cluster("a+ b+", "a@x b@y"), ChangeAddress{"a", "x", true}},
		"one moved where another was":  {cluster("a+ b+ c+", "a b@at-c c@there"), ChangeAddress{"c", "there", true}},
		"two have exchanged addresses": {cluster("a+ b+ c+", "a b@at-c c@at-b"), nil},
		"an address is not known":      {State{Self: "a", Committed: true, Servers: []Server{{"a", "at-a", true}}, Peers: []Peer{{ID: "a"}, {ID: "b"}}}, nil},
		"moved before replaced":        {cluster("a+ b+ c+", "a b@at-d x@at-c"), ChangeAddress{"b", "at-d", true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := DefaultPolicy().Reconcile(c.s)
			if ok != (c.want != nil) || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

func TestCap(t *testing.T) {
	for name, c := range map[string]struct {
		voters int
		s      State
		want   Change
	}{
		"one":                          {1, cluster("a+ b-", "a b"), nil},
		"two":                          {2, cluster("a+ b-", "a b"), AddVoter{"b", "at-b"}},
		"two, reached":                 {2, cluster("a+ b+ c-", "a b c"), nil},
		"four stays odd":               {4, cluster("a+ b+ c+ d- e-", "a b c d e"), nil},
		"four, reached by an operator": {4, cluster("a+ b+ c+ d+ e-", "a b c d e"), nil},
		"seven":                        {7, cluster("a+ b+ c+ d+ e+ f- g-", "a b c d e f g"), AddVoter{"f", "at-f"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := DefaultPolicy()
			p.Voters = c.voters
			if got, ok := p.Reconcile(c.s); ok != (c.want != nil) || got != c.want {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

func TestOperator(t *testing.T) {
	p := DefaultPolicy()
	for name, c := range map[string]struct {
		wish   func(State, string) (Change, error)
		s      State
		id     string
		want   Change
		refuse string
	}{
		"remove a dead voter":             {p.Removal, cluster("a+ b+ c+", "a b"), "c", Remove{"c", "an operator asked for it"}, ""},
		"remove a dead non-voter":         {p.Removal, cluster("a+ b-", "a"), "b", Remove{"b", "an operator asked for it"}, ""},
		"remove nobody":                   {p.Removal, cluster("a+ b+ c+", "a b c"), "x", nil, "remove x: no such member"},
		"remove a peer that is no member": {p.Removal, cluster("a+", "a x").uncommitted(), "x", nil, "no such member"},
		"remove the leader":               {p.Removal, cluster("a+ b+ c+", "b c"), "a", nil, "leads the cluster"},
		"remove a living one":             {p.Removal, cluster("a+ b+ c+", "a b c"), "c", nil, "stop it first"},
		"remove one of two":               {p.Removal, cluster("a+ b+", "a"), "b", nil, "1 living voter(s) would stay, and two copies"},
		"remove, no majority":             {p.Removal, cluster("a+ b+ c+ d+ e+", "a b"), "c", nil, "2 of the 4 voters that stay are alive"},
		"remove during a change":          {p.Removal, cluster("a+ b+ c+", "a b").uncommitted(), "c", nil, "under way"},

		"promote":                    {p.Promotion, cluster("a+ b+ c-", "a b c"), "c", AddVoter{"c", "at-c"}, ""},
		"promote to an even number":  {p.Promotion, cluster("a+ b+ c+ d-", "a b c d"), "d", AddVoter{"d", "at-d"}, ""},
		"promote nobody":             {p.Promotion, cluster("a+", "a x"), "x", nil, "promote x: no such member"},
		"promote a voter":            {p.Promotion, cluster("a+ b+", "a b"), "b", nil, "a voter already"},
		"promote a dead one":         {p.Promotion, cluster("a+ b-", "a"), "b", nil, "not alive"},
		"promote one behind":         {p.Promotion, cluster("a+ b-", "a b").behind("b", 777), "b", nil, "777 log entries behind and may be 500"},
		"promote one that is silent": {p.Promotion, cluster("a+ b-", "a b").silent("b"), "b", nil, "not yet told"},
		"promote beyond the cap":     {p.Promotion, cluster("a+ b+ c+ d+ e+ f-", "a b c d e f"), "f", nil, "there are 5 voters and may be 5"},
		"promote during a change":    {p.Promotion, cluster("a+ b-", "a b").uncommitted(), "b", nil, "under way"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.wish(c.s, c.id)
			if c.refuse == "" {
				if err != nil || got != c.want {
					t.Errorf("got %#v, %v", got, err)
				}
				return
			}
			var r *RefusedError
			if err == nil || !strings.Contains(err.Error(), c.refuse) || errors.Is(err, ErrUnknown) == errors.As(err, &r) {
				t.Errorf("got %v, want %s", err, c.refuse)
			}
		})
	}
}

// Example_growth shows one member grow to five, and which of them vote.
func Example_growth() {
	s := cluster("a+", "a b c d e")
	for range 20 {
		c, ok := DefaultPolicy().Reconcile(s)
		if !ok {
			return
		}
		fmt.Printf("%T %v\n", c, c)
		s.Servers = applied(s.Servers, c)
	}
	// Output:
	// roster.AddNonvoter {b at-b}
	// roster.AddVoter {b at-b}
	// roster.AddNonvoter {c at-c}
	// roster.AddVoter {c at-c}
	// roster.AddNonvoter {d at-d}
	// roster.AddNonvoter {e at-e}
	// roster.AddVoter {d at-d}
	// roster.AddVoter {e at-e}
}
