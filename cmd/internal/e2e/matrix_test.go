package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sojourn/actors/callback"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// The matrix of stores: three places for journeys, two for sessions. Each cell is
// a realm, all of them in one cluster, of one member or of three, and whatever is
// asked is asked at another member than before.

// stores says where a realm keeps its journeys and its sessions.
type stores struct {
	// journeys is a value of authenticationSessionsStateManagement, client one of
	// statelessSessionsEnabled.
	journeys string
	client   bool
}

// storeMatrix is all combinations.
func storeMatrix() []stores {
	var all []stores
	for _, journeys := range []string{"In-Memory", "CTS", "JWT"} {
		all = append(all, stores{journeys, false}, stores{journeys, true})
	}
	return all
}

func (s stores) String() string {
	kept := "stored"
	if s.client {
		kept = "client"
	}
	return strings.ToLower(s.journeys) + "-" + kept
}

// stage is a cluster with a realm for each cell.
type stage struct {
	members []*member
	clients []*client.Client
	turn    atomic.Uint32
}

// cell is one realm of a stage.
type cell struct {
	*stage
	stores
	realm   string
	session wire.TokenID // that goes along with what is answered; empty for none
}

// with is the cell for a client that has a session.
func (c *cell) with(token wire.TokenID) *cell {
	return &cell{stage: c.stage, stores: c.stores, realm: c.realm, session: token}
}

// The journeys of testdata/stores.json: all on one page; four pages; one page for
// a higher level.
const (
	treeLogin = "Login"
	treePages = "Pages"
	treeLevel = "Level"
	matrixWho = "user0"
)

// answersOfPages answer the pages of treePages.
func answersOfPages() []any { return []any{matrixWho, 1, 0, cheapPassword} }

// newStage starts members and makes the realms.
func newStage(t *testing.T, members int) *stage {
	t.Helper()
	s := &stage{}
	if members == 1 {
		s.members = []*member{newPlace(t).start(t)}
	} else {
		s.members = founded(t, members)
	}
	for _, m := range s.members {
		s.clients = append(s.clients, m.client(t))
	}
	for _, of := range storeMatrix() {
		s.build(t, of)
	}
	return s
}

// build makes the realm of a cell.
func (s *stage) build(t *testing.T, of stores) {
	t.Helper()
	c := s.cell(of)
	must(t, s.at().CreateRealm(t.Context(), "/", of.String()))
	s.members[0].importJourneys(t, "stores.json", "--realm", c.realm)
	importUsersTo(t, s.at(), c.realm, "user", 2)
	must(t, s.at().PutSettings(t.Context(), c.realm, "session", []byte(`{"sessionPropertyWhitelist":["AMCtxId","demo.place"]}`)))
	c.keep(t, of, "")
}

func (s *stage) cell(of stores) *cell { return &cell{stage: s, stores: of, realm: "/" + of.String()} }

// at is the member whose turn it is.
func (s *stage) at() *client.Client { return s.clients[int(s.turn.Add(1))%len(s.clients)] }

// keep changes where the realm keeps what begins from now on; trees are further
// members of the settings group of that name, each with a comma before it.
func (c *cell) keep(t *testing.T, of stores, trees string) {
	t.Helper()
	must(t, c.at().PutSettings(t.Context(), c.realm, "authentication", fmt.Appendf(nil,
		`{"trees":{"authenticationSessionsStateManagement":%q%s},"general":{"statelessSessionsEnabled":%t}}`, of.journeys, trees, of.client)))
}

// start begins a journey, which has to ask.
func (c *cell) start(t *testing.T, tree string) wire.Step {
	t.Helper()
	return c.startWith(t, client.Journey{Tree: tree})
}

func (c *cell) startWith(t *testing.T, j client.Journey) wire.Step {
	t.Helper()
	j.Realm, j.Session = c.realm, c.session
	reply, err := c.at().Start(t.Context(), j)
	if err != nil || reply.Step == nil {
		t.Fatalf("start %s: %+v, %v", j.Tree, reply, err)
	}
	return *reply.Step
}

// answered is a step with the first callback that asks answered, or with those
// that ask for a name and a password.
func answered(step wire.Step, value any) wire.Step {
	step.Callbacks = slices.Clone(step.Callbacks)
	first := true
	for i, asks := range step.Callbacks {
		if len(asks.Input) == 0 {
			continue
		}
		input := slices.Clone(asks.Input)
		switch {
		case asks.Type == "PasswordCallback" && !first:
			input[0].Value = cheapPassword
		case first:
			input[0].Value = value
		}
		step.Callbacks[i] = callback.Callback{Type: asks.Type, Output: asks.Output, Input: input, ID: asks.ID, Numbered: asks.Numbered}
		first = false
	}
	return step
}

func (c *cell) next(t *testing.T, step wire.Step, value any) (wire.Reply, error) {
	t.Helper()
	return c.at().Answer(t.Context(), client.Journey{Realm: c.realm, Session: c.session}, answered(step, value))
}

// must answers a step and wants another.
func (c *cell) must(t *testing.T, step wire.Step, value any) wire.Step {
	t.Helper()
	reply, err := c.next(t, step, value)
	if err != nil || reply.Step == nil {
		t.Fatalf("answered with %v: %+v, %v; want another page", value, reply, err)
	}
	return *reply.Step
}

// finish answers a step and wants a session.
func (c *cell) finish(t *testing.T, step wire.Step, value any) wire.TokenID {
	t.Helper()
	reply, err := c.next(t, step, value)
	if err != nil || reply.Success == nil || reply.Success.TokenID == "" {
		t.Fatalf("the last answer: %+v, %v; want a session", reply, err)
	}
	if reply.Success.Realm != c.realm {
		t.Errorf("a success in realm %s, want %s", reply.Success.Realm, c.realm)
	}
	return reply.Success.TokenID
}

// walk answers all pages of treePages from the one of that index on.
func (c *cell) walk(t *testing.T, step wire.Step, from int) wire.TokenID {
	t.Helper()
	answers := answersOfPages()
	for ; from < len(answers)-1; from++ {
		step = c.must(t, step, answers[from])
	}
	return c.finish(t, step, answers[from])
}

// login runs treePages.
func (c *cell) login(t *testing.T) wire.TokenID {
	t.Helper()
	return c.walk(t, c.start(t, treePages), 0)
}

// everywhere wants all members to call a session valid, or none.
func (c *cell) everywhere(t *testing.T, token wire.TokenID, want bool) {
	t.Helper()
	for i, at := range c.clients {
		v, err := at.Peek(t.Context(), token)
		if err != nil || v.Valid != want {
			t.Errorf("member %d calls a session valid: %t, %v; want %t", i+1, v.Valid, err, want)
		}
		if want && (v.UID != matrixWho || v.Realm != c.realm) {
			t.Errorf("member %d: a session of %q in %q, want %s in %s", i+1, v.UID, v.Realm, matrixWho, c.realm)
		}
	}
}

// isTimeout reports whether err is AM's error 110, on which clients begin again.
func isTimeout(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == 401 && slices.Contains(e.Detail, callback.Entry{Name: "errorCode", Value: "110"})
}

// refusedLogin reports whether err is a refusal of a login, with AM's text.
func refusedLogin(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == 401 && e.Message == "Login failure"
}

// storeOf reads out of an authId where its journey is kept, by AM's name for it
// (am-contract section 2.2).
func storeOf(t *testing.T, id wire.SignedAuthID) string {
	t.Helper()
	parts := strings.Split(string(id), ".")
	if len(parts) != 3 {
		t.Fatalf("an authId of %d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var claims struct {
		SessionID string `json:"sessionId"`
	}
	must(t, json.Unmarshal(raw, &claims))
	return typeOf(t, claims.SessionID)
}

// typeOf is the extension "type" of a session id, which is random*extensions*tail.
func typeOf(t *testing.T, id string) string {
	t.Helper()
	parts := strings.SplitN(id, "*", 3)
	if len(parts) != 3 {
		t.Fatalf("a session id without extensions, of %d bytes", len(id))
	}
	plain := strings.NewReplacer("-", "+", "_", "/", ".", "=").Replace(parts[1])
	raw, err := base64.StdEncoding.DecodeString(plain)
	must(t, err)
	for text := string(raw); len(text) >= 2; {
		var pair [2]string
		for i := range pair {
			size := int(text[0])<<8 | int(text[1])
			if len(text) < 2+size {
				t.Fatal("the extensions of a session id are cut off")
			}
			pair[i], text = text[2:2+size], text[2+size:]
			if i == 0 && len(text) < 2 {
				t.Fatal("an extension of a session id without a value")
			}
		}
		if pair[0] == "type" {
			return pair[1]
		}
	}
	return ""
}

// TestStores runs all cases in all cells, over one member and over three.
func TestStores(t *testing.T) {
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprintf("members=%d", members), func(t *testing.T) {
			if members > 1 && testing.Short() {
				t.Skip("starts three members")
			}
			s := newStage(t, members)
			for _, of := range storeMatrix() {
				t.Run(of.String(), func(t *testing.T) {
					for _, c := range storeCases() {
						t.Run(c.name, func(t *testing.T) { c.run(t, s.cell(of)) })
					}
				})
			}
			s.losses(t)
		})
	}
}

// storeCase is one thing that holds in every cell.
type storeCase struct {
	name string
	run  func(*testing.T, *cell)
}

func storeCases() []storeCase {
	return append(journeyCases(), sessionCases()...)
}
