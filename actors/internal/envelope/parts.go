package envelope

import (
	"errors"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Each pair of functions below writes and reads one type, field by field. A
// field that is missing here does not reach the other member;
// TestEveryFieldCrosses says which.

func (w *writer) start(s *journey.StartRequest) {
	w.text(string(s.Realm))
	w.text(s.Tree)
	w.text(s.IndexType)
	w.text(s.IndexValue)
	w.request(&s.Request)
	w.maybeSession(s.Session)
	w.bool(s.NoSession)
	w.bool(s.ForceAuth)
	if t := s.Transaction; w.more {
		w.bool(t != nil)
		if t != nil {
			w.raw(t.Key[:])
			w.text(t.User)
			w.bool(t.Known)
			w.raw(t.Session[:])
			w.value(t.Data)
		}
	}
}

func (r *reader) start() journey.StartRequest {
	s := journey.StartRequest{
		Realm:      realm.Name(r.text()),
		Tree:       r.text(),
		IndexType:  r.text(),
		IndexValue: r.text(),
		Request:    r.request(),
		Session:    r.maybeSession(),
		NoSession:  r.bool(),
		ForceAuth:  r.bool(),
	}
	if r.more && r.bool() {
		t := &journey.Transaction{}
		r.fill(t.Key[:])
		t.User, t.Known = r.text(), r.bool()
		r.fill(t.Session[:])
		t.Data, _ = r.value().(map[string]any)
		s.Transaction = t
	}
	return s
}

func (w *writer) resume(s *journey.ResumeRequest) {
	w.ref(&s.Ref)
	w.size(len(s.Answers), s.Answers == nil)
	for _, a := range s.Answers {
		w.text(string(a.Type))
		w.values(a.Values)
	}
	w.request(&s.Request)
	w.maybeSession(s.Session)
}

func (r *reader) resume() journey.ResumeRequest {
	s := journey.ResumeRequest{Ref: r.ref()}
	if n, some := r.size(); some {
		s.Answers = make([]callback.Answer, 0, room(n))
		for i := 0; i < n && !r.bad; i++ {
			s.Answers = append(s.Answers, callback.Answer{Type: callback.Type(r.text()), Values: r.values()})
		}
	}
	s.Request, s.Session = r.request(), r.maybeSession()
	return s
}

func (w *writer) ref(f *journey.Ref) {
	w.raw(f.Journey[:])
	w.uvarint(uint64(f.Step))
	w.text(string(f.Realm))
	w.text(f.IndexType)
	w.text(f.IndexValue)
	w.time(f.Started)
	w.time(f.Expires)
	w.blob(f.Trace)
	if w.more {
		w.byte(byte(f.Store))
		w.uvarint(f.Index)
		w.blob(f.State)
		w.raw(f.Allowlist[:])
	}
}

// says makes a message one of Version3 if its reference needs that, or the
// reply that it goes with. It comes before all else.
func (w *writer) says(f *journey.Ref, p *journey.Reply) {
	w.more = p != nil && (p.Ask != nil && p.Ask.Cookies != nil || p.Done != nil && (p.Done.Cookies != nil || p.Done.Transaction))
	if w.more = w.more || f.Store != realm.InMemory || f.Index != 0 || f.State != nil || f.Allowlist != [16]byte{}; w.more {
		w.b[0] = Version3
	}
}

func (r *reader) ref() journey.Ref {
	var f journey.Ref
	r.fill(f.Journey[:])
	step := r.uvarint()
	if f.Step = uint32(step); uint64(f.Step) != step { //nolint:gosec // compared
		r.fail()
	}
	f.Realm = realm.Name(r.text())
	f.IndexType, f.IndexValue = r.text(), r.text()
	f.Started, f.Expires = r.time(), r.time()
	f.Trace = r.blob()
	if r.more {
		f.Store, f.Index, f.State = realm.JourneyStore(r.byte()), r.uvarint(), r.blob()
		r.fill(f.Allowlist[:])
	}
	return f
}

func (w *writer) request(q *node.Request) {
	w.texts(q.Locales)
	w.textsMap(q.Parameters)
	w.textsMap(q.Headers)
	w.text(q.ClientIP)
	w.textMap(q.Session)
}

func (r *reader) request() node.Request {
	return node.Request{
		Locales:    r.texts(),
		Parameters: r.textsMap(),
		Headers:    r.textsMap(),
		ClientIP:   r.text(),
		Session:    r.textMap(),
	}
}

func (w *writer) maybeSession(x *session.Session) {
	w.bool(x != nil)
	if x != nil {
		w.session(x)
	}
}

func (r *reader) maybeSession() *session.Session {
	if !r.bool() {
		return nil
	}
	x := r.session()
	return &x
}

func (w *writer) session(x *session.Session) {
	w.raw(x.ID[:])
	w.text(string(x.Principal.Realm))
	w.text(x.Principal.Username)
	w.text(x.Principal.UniversalID)
	w.varint(int64(x.Policy.MaxSession))
	w.varint(int64(x.Policy.MaxIdle))
	w.varint(int64(x.Policy.TouchInterval))
	w.time(x.Created)
	w.time(x.LastAccess)
	w.varint(int64(x.AuthLevel))
	w.texts(x.Trees)
	w.raw(x.Journey[:])
	w.byte(sessionFlags(x))
	w.textMap(x.Properties)
}

func (r *reader) session() session.Session {
	var x session.Session
	r.fill(x.ID[:])
	x.Principal = session.Principal{Realm: realm.Name(r.text()), Username: r.text(), UniversalID: r.text()}
	x.Policy.MaxSession = time.Duration(r.varint())
	x.Policy.MaxIdle = time.Duration(r.varint())
	x.Policy.TouchInterval = time.Duration(r.varint())
	x.Created, x.LastAccess = r.time(), r.time()
	x.AuthLevel = int(r.varint())
	x.Trees = r.texts()
	r.fill(x.Journey[:])
	flags := r.byte()
	if flags > admin|clientSide {
		r.fail()
	}
	x.Admin, x.ClientSide = flags&admin != 0, flags&clientSide != 0
	x.Properties = r.textMap()
	return x
}

const (
	admin = 1 << iota // the whole byte of members that know no others
	clientSide
)

func sessionFlags(x *session.Session) byte {
	var flags byte
	if x.Admin {
		flags |= admin
	}
	if x.ClientSide {
		flags |= clientSide
	}
	return flags
}

func (w *writer) reply(p *journey.Reply) {
	w.ref(&p.Ref)
	w.bool(p.Ask != nil)
	if p.Ask != nil {
		w.ask(p.Ask)
	}
	w.bool(p.Done != nil)
	if p.Done != nil {
		w.end(p.Done)
	}
	w.text(string(p.Realm))
	w.text(string(p.Token))
	w.bool(p.Existing)
}

func (r *reader) reply() journey.Reply {
	p := journey.Reply{Ref: r.ref()}
	if r.bool() {
		p.Ask = r.ask()
	}
	if r.bool() {
		p.Done = r.end()
	}
	p.Realm, p.Token = realm.Name(r.text()), session.TokenID(r.text())
	p.Existing = r.bool()
	return p
}

func (w *writer) ask(a *journey.Ask) {
	w.size(len(a.Callbacks), a.Callbacks == nil)
	for i := range a.Callbacks {
		c := &a.Callbacks[i]
		w.text(string(c.Type))
		w.entries(c.Output)
		w.entries(c.Input)
		w.varint(int64(c.ID))
		w.bool(c.Numbered)
	}
	w.text(a.Header)
	w.text(a.Description)
	w.text(a.Stage)
	w.cookies(a.Cookies)
}

func (r *reader) ask() *journey.Ask {
	a := &journey.Ask{}
	if n, some := r.size(); some {
		a.Callbacks = make([]callback.Callback, 0, room(n))
		for i := 0; i < n && !r.bad; i++ {
			a.Callbacks = append(a.Callbacks, callback.Callback{
				Type:     callback.Type(r.text()),
				Output:   r.entries(),
				Input:    r.entries(),
				ID:       int(r.varint()),
				Numbered: r.bool(),
			})
		}
	}
	a.Header, a.Description, a.Stage = r.text(), r.text(), r.text()
	a.Cookies = r.cookies()
	return a
}

func (w *writer) entries(list []callback.Entry) {
	w.size(len(list), list == nil)
	for _, e := range list {
		w.text(e.Name)
		w.value(e.Value)
	}
}

func (r *reader) entries() []callback.Entry {
	n, some := r.size()
	if !some {
		return nil
	}
	list := make([]callback.Entry, 0, room(n))
	for i := 0; i < n && !r.bad; i++ {
		list = append(list, callback.Entry{Name: r.text(), Value: r.value()})
	}
	return list
}

// end is the end of a journey. Its Err, which is for the operator, keeps its
// text.
func (w *writer) end(d *journey.Done) {
	w.bool(d.Success)
	w.text(d.URL)
	w.session(&d.Session)
	w.bool(d.NoSession)
	w.textMap(d.Details)
	w.textMap(d.PropertyDetails)
	w.text(d.Message)
	w.bool(d.Lockout)
	w.bool(d.Err != nil)
	if d.Err != nil {
		w.text(cut(d.Err.Error()))
	}
	w.cookies(d.Cookies)
	if w.more {
		w.bool(d.Transaction)
		w.varint(int64(d.Quota))
	}
}

func (r *reader) end() *journey.Done {
	d := &journey.Done{
		Success:         r.bool(),
		URL:             r.text(),
		Session:         r.session(),
		NoSession:       r.bool(),
		Details:         r.textMap(),
		PropertyDetails: r.textMap(),
		Message:         r.text(),
		Lockout:         r.bool(),
	}
	if r.bool() {
		d.Err = errors.New(r.text())
	}
	d.Cookies = r.cookies()
	if r.more {
		d.Transaction, d.Quota = r.bool(), int(r.varint())
	}
	return d
}

// cookies are part of a message of Version3 alone.
func (w *writer) cookies(all []node.Cookie) {
	if !w.more {
		return
	}
	w.size(len(all), all == nil)
	for _, c := range all {
		w.text(c.Name)
		w.text(c.Value)
		w.varint(int64(c.MaxAge))
		w.text(c.Path)
		w.text(c.Domain)
		w.text(c.SameSite)
		w.bool(c.Secure)
		w.bool(c.HTTPOnly)
	}
}

func (r *reader) cookies() []node.Cookie {
	if !r.more {
		return nil
	}
	n, some := r.size()
	if !some {
		return nil
	}
	all := make([]node.Cookie, 0, room(n))
	for i := 0; i < n && !r.bad; i++ {
		all = append(all, node.Cookie{
			Name: r.text(), Value: r.text(), MaxAge: time.Duration(r.varint()), Path: r.text(), Domain: r.text(),
			SameSite: r.text(), Secure: r.bool(), HTTPOnly: r.bool(),
		})
	}
	return all
}
