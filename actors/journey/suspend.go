package journey

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/node"
)

// SuspendedID opens a suspended journey, once: whoever has it goes on with the
// journey. It is 27 characters of base64url, and prints as [redacted].
type SuspendedID string

func (SuspendedID) String() string       { return redacted }
func (SuspendedID) GoString() string     { return redacted }
func (SuspendedID) LogValue() slog.Value { return slog.StringValue(redacted) }

// ErrSuspended: there is no such suspended journey, or its time is over, or
// somebody has gone on with it before.
var ErrSuspended = errors.New("the suspended journey is not there any more")

// Suspended stops the journey: the client is shown Ask and answers nothing. It
// goes on with Input.Resumed, at Until at the latest.
type Suspended struct {
	Ask
	Until time.Time
}

func (Suspended) step() {}

// Suspension is how a journey waits that was suspended.
type Suspension struct {
	Until time.Time `json:"until"`
}

// Suspending gives suspended journeys their ids. It must give the same one
// whenever the same step is run again: it may be on its way to the user.
type Suspending interface {
	// Suspend names the journey suspended by the answers with that digest, given
	// to that step; both are zero at its start.
	Suspend(id ID, step uint32, answers [16]byte) SuspendedID
}

var (
	errNoSuspending = errors.New("nothing can be suspended here")
	errNoLoginPage  = errors.New("there is no page at which a suspended journey could be resumed: neither the realm nor the process names one")
	errSuspendsPage = errors.New("a node of a page suspends the journey, which only a node of its own may")
	errSuspends     = errors.New("suspends the journey, which its type does not say")
	errNotSuspended = errors.New("the journey that should be resumed is not suspended")
	errIsSuspended  = errors.New("the journey is suspended and takes no answers")
)

// suspend stops the journey at the node that it is at.
func (r *run) suspend(a node.Suspend) Step {
	r.s.Traced = true
	until := r.env.Now.Add(first(a.Duration, r.env.Settings.SuspendDuration))
	if end := r.s.Deadline(r.plan, r.env.Settings); until.After(end) {
		until = end
	}
	return Suspended{Ask{Callbacks: []callback.Callback{callback.NewSuspendedText(a.Message)}}, until}
}

// resume makes a suspended journey one that has come back.
func (r *run) resume() error {
	if r.s.Suspended == nil {
		return errNotSuspended
	}
	r.s.Suspended, r.s.resumed, r.s.Resumed = nil, true, true
	return nil
}

// suspendable lets a node ask how it may be resumed.
func (r *run) suspendable(c *node.Context) {
	c.SuspendedID = func() (string, error) {
		id, err := r.suspendedID()
		return string(id), err
	}
	c.ResumeURI = func() (string, error) {
		id, err := r.suspendedID()
		if err != nil {
			return "", err
		}
		page := r.env.Settings.LoginPage
		if page == "" {
			page = r.env.LoginPage
		}
		return r.plan.resumeURI(page, id)
	}
}

func (r *run) suspendedID() (SuspendedID, error) {
	if r.env.Suspending == nil {
		return "", errNoSuspending
	}
	r.s.Traced = true
	return r.env.Suspending.Suspend(r.env.Journey, r.s.Step, r.env.Answers), nil
}

// resumeURI is the address of a page that goes on with the journey, in AM's form
// (am-contract section 2.6). What the page's own address asks for stays.
func (p *Plan) resumeURI(page string, id SuspendedID) (string, error) {
	if page == "" {
		return "", errNoLoginPage
	}
	at, err := url.Parse(page)
	if err != nil || at.Host == "" {
		return "", fmt.Errorf("the login page %q is not the address of one", page)
	}
	if at.RawQuery != "" {
		at.RawQuery += "&"
	}
	at.RawQuery += "realm=" + url.QueryEscape(string(p.Realm)) + "&suspendedId=" + url.QueryEscape(string(id)) +
		"&authIndexType=service&authIndexValue=" + url.QueryEscape(p.Name)
	return at.String(), nil
}
