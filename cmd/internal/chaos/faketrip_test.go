package chaos

import (
	"fmt"
	"net/http"
	"strings"

	"sojourn/http/wire"
)

// fakeTrip is a journey of several steps of a fakeCluster.
type fakeTrip struct {
	tree    string
	of      int
	taken   int    // questions whose answers were taken
	counted int    // how often that was counted
	text    string // the latest answers
	reply   string // to them
}

// tripFaults says what is wrong with journeys of several steps; each acts on
// every tenth request it concerns.
type tripFaults struct {
	lose   bool // a journey is forgotten
	refuse bool // the same answers again are refused
	redo   bool // other answers to a question are taken as well
	count  bool // a step is counted twice
	stale  bool // a page shows older answers
	token  bool // the same answers again give another token
	late   bool // the answers are taken and the connection ends without a word
}

// trip answers a request to a journey of several steps.
func (c *fakeCluster) trip(w http.ResponseWriter, tree string, step *wire.Step) {
	faults := c.faults.trips
	if step == nil {
		c.made++
		t := &fakeTrip{tree: tree, of: 5}
		if tree == "chaos-kept" {
			t.of = 4
		}
		c.trips[c.made] = t
		fmt.Fprint(w, t.page(c.made, ""))
		return
	}
	var id, number int
	if _, err := fmt.Sscanf(string(step.AuthID), "trip %d %d", &id, &number); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	t, text := c.trips[id], step.Callbacks[0].Input[0].Value.(string)
	if t != nil && t.taken > 0 && c.faults.now(faults.lose) {
		t = nil
		delete(c.trips, id)
	}
	again := t != nil && number == t.taken && text == t.text
	old := t != nil && number <= t.taken && !again
	if old && number == t.taken && c.faults.now(faults.redo) {
		old = false
	}
	switch {
	case t == nil, old, again && c.faults.now(faults.refuse):
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":401,"reason":"Unauthorized","message":"Login failure"}`)
		return
	case !again, faults.token && number == t.of:
		c.take(id, t, number, text)
	}
	if c.faults.now(faults.late) {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprint(w, t.reply)
}

func (c *fakeCluster) take(id int, t *fakeTrip, number int, text string) {
	if number > t.taken {
		t.counted++
		if c.faults.now(c.faults.trips.count) {
			t.counted++
		}
	}
	shown := text
	if c.faults.now(c.faults.trips.stale) {
		shown = t.text
	}
	t.taken, t.text = number, text
	if number < t.of {
		t.reply = t.page(id, shown)
		return
	}
	c.made++
	token := fmt.Sprint("token ", c.made)
	c.sessions[token], c.users[token] = true, text
	t.reply = string(wire.AppendSuccess(nil, wire.Success{TokenID: wire.TokenID(token), SuccessURL: "/", Realm: "/"}))
}

// page asks the next question.
func (t *fakeTrip) page(id int, shown string) string {
	stage := "more"
	if t.counted >= t.of-1 {
		stage = "last"
	}
	return fmt.Sprintf(`{"authId":"trip %d %d","stage":%q,"callbacks":[`+
		`{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":%q}]},`+
		`{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken2","value":""}]}]}`,
		id, t.taken+1, stage, shown)
}

// isTrip reports whether a request is one to a journey of several steps.
func isTrip(tree, asked string) bool {
	return strings.HasPrefix(tree, "chaos-") || strings.HasPrefix(asked, "trip ")
}
