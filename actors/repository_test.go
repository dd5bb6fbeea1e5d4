package actors

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// memoryUsers is a store of a few identities. Its err, when set, is all it
// answers; its meanwhile runs before each update, as another request might.
type memoryUsers struct {
	mu         sync.Mutex
	byKey      map[string]identity.Identity
	err        error
	meanwhile  func()
	lookups    int
	lastUpdate identity.Change
	made       map[identity.Mark][]byte // what is remembered of changes
}

func newUsers(all ...identity.Identity) *memoryUsers {
	u := &memoryUsers{byKey: map[string]identity.Identity{}, made: map[identity.Mark][]byte{}}
	for _, i := range all {
		u.byKey[identity.Key(i.Name)] = i
	}
	return u
}

func (u *memoryUsers) Identity(_ context.Context, _ realm.Name, name string) (identity.Identity, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lookups++
	if u.err != nil {
		return identity.Identity{}, u.err
	}
	i, ok := u.byKey[identity.Key(name)]
	if !ok {
		return identity.Identity{}, identity.ErrNotFound
	}
	return i, nil
}

func (u *memoryUsers) SearchIdentity(ctx context.Context, r realm.Name, attribute, value string) (identity.Identity, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, i := range u.byKey {
		if slices.Contains(i.Attributes[attribute], value) {
			return i, nil
		}
	}
	return identity.Identity{}, identity.ErrNotFound
}

func (u *memoryUsers) UpdateIdentity(_ context.Context, _ realm.Name, name string, c identity.Change) (identity.Identity, error) {
	if u.meanwhile != nil {
		u.meanwhile()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return identity.Identity{}, u.err
	}
	i, ok := u.byKey[identity.Key(name)]
	if !ok {
		return identity.Identity{}, identity.ErrNotFound
	}
	u.lastUpdate = c
	once, keyed := c.(identity.Once)
	if kept, made := u.made[once.Key]; keyed && made {
		if recalled, ok := once.Recall(i, kept); ok {
			return recalled, nil
		}
	}
	i = identity.Apply(i, c)
	if kept, ok := once.Kept(i); keyed && ok {
		u.made[once.Key] = kept
	}
	u.byKey[identity.Key(name)] = i
	return i, nil
}

func (u *memoryUsers) set(i identity.Identity) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.byKey[identity.Key(i.Name)] = i
}

func (u *memoryUsers) hash(name string) identity.Hash {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byKey[name].Hash
}

const (
	// bcryptOfHorse is "correct horse" at bcrypt cost 4.
	bcryptOfHorse identity.Hash   = "$2b$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u"
	horse         identity.Secret = "correct horse"
)

func hashOf(t *testing.T, password identity.Secret) identity.Hash {
	t.Helper()
	h, err := identity.Make(password, cheap(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newEmbedded(t *testing.T, c EmbeddedConfig) *Embedded {
	t.Helper()
	if c.Hashing == nil {
		c.Hashing = newHashing(t, HashingConfig{})
	}
	c.Rand = rand.Reader
	e, err := NewEmbedded(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEmbeddedAuthenticate gives each kind of account each kind of password and
// counts the hashes: nothing but the password's own shape may change their
// number, so no account can be told from another, or from none, by the work.
func TestEmbeddedAuthenticate(t *testing.T) {
	future := time.Now().Add(time.Hour)
	users := newUsers(
		identity.Identity{Name: "Demo", Hash: hashOf(t, horse)},
		identity.Identity{Name: "inactive", Hash: hashOf(t, horse), Status: identity.Inactive},
		identity.Identity{Name: "underlock", Hash: hashOf(t, horse), Failures: identity.Failures{Until: future}},
		identity.Identity{Name: "lockover", Hash: hashOf(t, horse), Failures: identity.Failures{Until: time.Now()}},
		identity.Identity{Name: "nopassword"},
		identity.Identity{Name: "badhash", Hash: "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="},
		identity.Identity{Name: "costly", Hash: "$2b$31$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u"},
		identity.Identity{Name: "imported", Hash: bcryptOfHorse},
	)
	long := identity.Secret(strings.Repeat("x", 73))
	for name, tc := range map[string]struct {
		user     string
		password identity.Secret
		want     identity.Verdict
		hashes   uint64
	}{
		"right":                       {"demo", horse, identity.Match, 1},
		"right in other case":         {" DEMO ", horse, identity.Match, 1},
		"wrong":                       {"demo", "wrong", identity.Mismatch, 1},
		"unknown":                     {"nobody", horse, identity.Unknown, 1},
		"no name":                     {"", horse, identity.Unknown, 1},
		"name longer than any":        {strings.Repeat("x", 1<<16), horse, identity.Unknown, 1},
		"inactive, right":             {"inactive", horse, identity.Barred, 1},
		"inactive, wrong":             {"inactive", "wrong", identity.Mismatch, 1},
		"under a lock, right":         {"underlock", horse, identity.Barred, 1},
		"lock is over":                {"lockover", horse, identity.Match, 1},
		"no hash":                     {"nopassword", horse, identity.Mismatch, 1},
		"imported, right":             {"imported", horse, identity.Match, 1},
		"imported, wrong":             {"imported", "wrong", identity.Mismatch, 1},
		"empty password":              {"demo", "", identity.Mismatch, 0},
		"empty password, unknown":     {"nobody", "", identity.Unknown, 0},
		"empty password, inactive":    {"inactive", "", identity.Mismatch, 0},
		"endless password":            {"demo", identity.Secret(strings.Repeat("x", 1<<20)), identity.Mismatch, 0},
		"endless password, unknown":   {"nobody", identity.Secret(strings.Repeat("x", 1<<20)), identity.Unknown, 0},
		"too long for bcrypt":         {"imported", long, identity.Mismatch, 1},
		"too long for bcrypt, argon2": {"demo", long, identity.Mismatch, 1},
		"hash without work factor":    {"badhash", horse, identity.Mismatch, 1},
		"hash over the limit":         {"costly", horse, identity.Mismatch, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEmbedded(t, EmbeddedConfig{Users: users})
			verdict, who, err := e.Authenticate(t.Context(), realm.Root, tc.user, tc.password, identity.Guess{})
			if err != nil || verdict != tc.want {
				t.Fatalf("verdict %d, %v; want %d", verdict, err, tc.want)
			}
			if (who.Name == "") != (verdict == identity.Unknown) {
				t.Errorf("verdict %d with identity %q", verdict, who.Name)
			}
			if got := e.hashing.Metrics().Done; got != tc.hashes {
				t.Errorf("%d hashes, want %d", got, tc.hashes)
			}
		})
	}
}

// TestEmbeddedSaysUnavailable: what is not known is never a verdict.
func TestEmbeddedSaysUnavailable(t *testing.T) {
	users := newUsers(identity.Identity{Name: "demo", Hash: hashOf(t, horse)})
	users.err = identity.ErrUnavailable
	e := newEmbedded(t, EmbeddedConfig{Users: users})
	if _, _, err := e.Authenticate(t.Context(), realm.Root, "demo", horse, identity.Guess{}); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("store away: %v", err)
	}
	users.err = nil
	e.hashing.Close()
	for _, user := range []string{"demo", "nobody"} {
		if _, _, err := e.Authenticate(t.Context(), realm.Root, user, horse, identity.Guess{}); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("%s, pool closed: %v", user, err)
		}
	}
}

func TestEmbeddedRehash(t *testing.T) {
	stored := func(hash identity.Hash) *memoryUsers {
		return newUsers(identity.Identity{Name: "demo", Hash: hash})
	}
	login := func(t *testing.T, e *Embedded, password identity.Secret) {
		t.Helper()
		if verdict, _, err := e.Authenticate(t.Context(), realm.Root, "demo", password, identity.Guess{}); err != nil || verdict != identity.Match {
			t.Fatalf("verdict %d, %v", verdict, err)
		}
	}
	t.Run("off by default", func(t *testing.T) {
		users := stored(bcryptOfHorse)
		login(t, newEmbedded(t, EmbeddedConfig{Users: users}), horse)
		if users.hash("demo") != bcryptOfHorse {
			t.Fatal("the imported hash is gone")
		}
	})
	t.Run("replaces a weaker hash once", func(t *testing.T) {
		users := stored(bcryptOfHorse)
		e := newEmbedded(t, EmbeddedConfig{Users: users, Rehash: true})
		login(t, e, horse)
		login(t, e, horse)
		if hash := users.hash("demo"); !strings.HasPrefix(string(hash), "$argon2id$") {
			t.Fatalf("stored %q", string(hash))
		}
		if m := e.Metrics(); m != (EmbeddedMetrics{Rehashed: 1}) {
			t.Fatalf("metrics %+v", m)
		}
	})
	t.Run("not for a wrong password", func(t *testing.T) {
		users := stored(bcryptOfHorse)
		e := newEmbedded(t, EmbeddedConfig{Users: users, Rehash: true})
		if _, _, err := e.Authenticate(t.Context(), realm.Root, "demo", "wrong", identity.Guess{}); err != nil {
			t.Fatal(err)
		}
		if users.hash("demo") != bcryptOfHorse {
			t.Fatal("a wrong password was stored")
		}
	})
	t.Run("keeps a password that changed meanwhile", func(t *testing.T) {
		users, newer := stored(bcryptOfHorse), hashOf(t, "newer")
		users.meanwhile = func() { users.set(identity.Identity{Name: "demo", Hash: newer}) }
		e := newEmbedded(t, EmbeddedConfig{Users: users, Rehash: true})
		login(t, e, horse)
		if users.hash("demo") != newer {
			t.Fatal("the older password came back")
		}
	})
	t.Run("a failure to store does not refuse the login", func(t *testing.T) {
		users := stored(bcryptOfHorse)
		users.meanwhile = func() { users.mu.Lock(); users.err = identity.ErrUnavailable; users.mu.Unlock() }
		e := newEmbedded(t, EmbeddedConfig{Users: users, Rehash: true})
		login(t, e, horse)
		if m := e.Metrics(); m != (EmbeddedMetrics{NotRehashed: 1}) {
			t.Fatalf("metrics %+v", m)
		}
	})
}

func TestEmbeddedChangePassword(t *testing.T) {
	for name, tc := range map[string]struct {
		user      string
		old, next identity.Secret
		want      identity.Verdict
		err       error
		opens     identity.Secret // what opens the account of demo then
	}{
		"right old password": {"demo", horse, "next", identity.Match, nil, "next"},
		"wrong old password": {"demo", "wrong", "next", identity.Mismatch, nil, horse},
		"unknown":            {"nobody", horse, "next", identity.Unknown, nil, horse},
		"empty new password": {"demo", horse, "", identity.Match, identity.ErrPassword, horse},
	} {
		t.Run(name, func(t *testing.T) {
			users := newUsers(identity.Identity{Name: "demo", Hash: hashOf(t, horse)})
			e := newEmbedded(t, EmbeddedConfig{Users: users})
			verdict, _, err := e.ChangePassword(t.Context(), realm.Root, tc.user, tc.old, tc.next, identity.Guess{})
			if verdict != tc.want || !errors.Is(err, tc.err) {
				t.Fatalf("verdict %d, %v; want %d, %v", verdict, err, tc.want, tc.err)
			}
			if verdict, _, err := e.Authenticate(t.Context(), realm.Root, "demo", tc.opens, identity.Guess{}); err != nil || verdict != identity.Match {
				t.Fatalf("%q then: verdict %d, %v", string(tc.opens), verdict, err)
			}
		})
	}
	t.Run("two at once", func(t *testing.T) {
		users, other := newUsers(identity.Identity{Name: "demo", Hash: hashOf(t, horse)}), hashOf(t, "other")
		users.meanwhile = func() { users.set(identity.Identity{Name: "demo", Hash: other}) }
		e := newEmbedded(t, EmbeddedConfig{Users: users})
		verdict, _, err := e.ChangePassword(t.Context(), realm.Root, "demo", horse, "next", identity.Guess{})
		if err != nil || verdict != identity.Mismatch || users.hash("demo") != other {
			t.Fatalf("verdict %d, %v", verdict, err)
		}
	})
}

func TestEmbeddedPassesOn(t *testing.T) {
	users := newUsers(identity.Identity{Name: "Demo", Attributes: map[string][]string{"mail": {"demo@example.com"}}})
	e := newEmbedded(t, EmbeddedConfig{Users: users})
	if who, err := e.Search(t.Context(), realm.Root, "mail", "demo@example.com"); err != nil || who.Name != "Demo" {
		t.Errorf("Search = %q, %v", who.Name, err)
	}
	if who, err := e.Update(t.Context(), realm.Root, "demo", identity.CountLogin{}); err != nil || who.LoginCount != 1 {
		t.Errorf("Update = %+v, %v", who, err)
	}
	before := users.lookups
	for _, name := range []string{"", "  ", strings.Repeat("x", identity.MaxName+1)} {
		if _, err := e.Lookup(t.Context(), realm.Root, name); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("Lookup: %v", err)
		}
		if _, err := e.Update(t.Context(), realm.Root, name, identity.CountLogin{}); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("Update: %v", err)
		}
	}
	if users.lookups != before {
		t.Error("the store was asked for a name that nobody can have")
	}
}

func TestNewEmbeddedRefuses(t *testing.T) {
	h := newHashing(t, HashingConfig{})
	for name, c := range map[string]EmbeddedConfig{
		"no users":         {Hashing: h, Rand: rand.Reader},
		"no hashing":       {Users: newUsers(), Rand: rand.Reader},
		"no random source": {Users: newUsers(), Hashing: h},
		"no randomness":    {Users: newUsers(), Hashing: h, Rand: iotest.ErrReader(errors.New("dry"))},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewEmbedded(c); err == nil {
				t.Fatal("no error")
			}
		})
	}
}
