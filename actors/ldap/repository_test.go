package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const horse identity.Secret = "correct horse"

func TestAuthenticate(t *testing.T) {
	s := startSlapd(t)
	d := open(t, s.config())
	for name, tc := range map[string]struct {
		user     string
		password identity.Secret
		want     identity.Verdict
		who      string
	}{
		"right":                     {"demo", horse, identity.Match, "demo"},
		"other case":                {"bjensen", horse, identity.Match, "BJensen"},
		"spaces around":             {" demo ", horse, identity.Match, "demo"},
		"by mail":                   {"demo@example.com", horse, identity.Match, "demo"},
		"wrong":                     {"demo", "wrong", identity.Mismatch, "demo"},
		"unknown":                   {"nobody", horse, identity.Unknown, ""},
		"mail of two":               {"shared@example.com", horse, identity.Unknown, ""},
		"empty password":            {"demo", "", identity.Mismatch, "demo"},
		"empty password, unknown":   {"nobody", "", identity.Unknown, ""},
		"endless password":          {"demo", identity.Secret(strings.Repeat("x", 1<<20)), identity.Mismatch, "demo"},
		"zero byte":                 {"demo", "correct horse\x00", identity.Mismatch, "demo"},
		"inactive, right":           {"inactive", horse, identity.Locked, "inactive"},
		"inactive, wrong":           {"inactive", "wrong", identity.Locked, "inactive"},
		"inactive, empty password":  {"inactive", "", identity.Locked, "inactive"},
		"nsAccountLock":             {"nslocked", horse, identity.Locked, "nslocked"},
		"expired, right":            {"expired", horse, identity.Expired, "expired"},
		"expired, wrong":            {"expired", "wrong", identity.Mismatch, "expired"},
		"must change":               {"reset", horse, identity.Expired, "reset"},
		"no password":               {"nopassword", horse, identity.Mismatch, "nopassword"},
		"no name":                   {"", horse, identity.Unknown, ""},
		"endless name":              {strings.Repeat("x", 1<<20), horse, identity.Unknown, ""},
		"wildcard":                  {"*", horse, identity.Unknown, ""},
		"wildcard behind":           {"dem*", horse, identity.Unknown, ""},
		"filter after the name":     {"nobody)(uid=demo", horse, identity.Unknown, ""},
		"filter closed":             {"nobody))(|(uid=demo", horse, identity.Unknown, ""},
		"escape in the name":        {`d\65mo`, horse, identity.Unknown, ""},
		"zero byte in the name":     {"demo\x00", horse, identity.Unknown, ""},
		"DN for a name":             {"uid=demo,ou=people,dc=example,dc=com", horse, identity.Unknown, ""},
		"bytes that are not UTF-8":  {"de\xffmo", horse, identity.Unknown, ""},
		"letters beyond the filter": {"dému", horse, identity.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, who, err := d.Authenticate(t.Context(), "/alpha", tc.user, tc.password, identity.Guess{})
			if err != nil || verdict != tc.want || who.Name != tc.who {
				t.Fatalf("verdict %d of %q, %v; want %d of %q", verdict, who.Name, err, tc.want, tc.who)
			}
		})
	}
	if m := d.Metrics(); m.Ambiguous != 1 || m.Busy != 0 || m.Failed != 0 {
		t.Errorf("metrics %+v", m)
	}
}

// TestLockout has the directory lock an account, and end the lock.
func TestLockout(t *testing.T) {
	s := startSlapd(t)
	d := open(t, s.config())
	check := func(password identity.Secret, want identity.Verdict) {
		t.Helper()
		if verdict, _, err := d.Authenticate(t.Context(), realm.Root, "guessed", password, identity.Guess{}); err != nil || verdict != want {
			t.Fatalf("verdict %d, %v; want %d", verdict, err, want)
		}
	}
	check(horse, identity.Match)
	for range 3 {
		check("wrong", identity.Mismatch)
	}
	check(horse, identity.Locked)
	check("wrong", identity.Locked)
	who, err := d.Lookup(t.Context(), realm.Root, "guessed")
	if err != nil || !who.Locked(time.Now()) || who.Locked(time.Now().Add(11*time.Minute)) || who.Status != identity.Active {
		t.Fatalf("locked account: %+v, %v", who, err)
	}
	if _, err := d.Update(t.Context(), realm.Root, "guessed", identity.SetStatus{Status: identity.Active}); !errors.Is(err, identity.ErrReadOnly) {
		t.Fatalf("unlock where it is not writable: %v", err)
	}
	c := s.config()
	c.Writable = []string{"pwdAccountLockedTime"}
	admin := c
	admin.BindDN, admin.BindPasswordFile = "cn=root,dc=example,dc=com", s.path("rootpassword")
	s.write("rootpassword", "rootsecret")
	who, err = open(t, admin).Update(t.Context(), realm.Root, "guessed", identity.SetStatus{Status: identity.Active})
	if err != nil || who.Locked(time.Now()) {
		t.Fatalf("unlocked account: %+v, %v", who, err)
	}
	check(horse, identity.Match)
}

func TestLookup(t *testing.T) {
	s := startSlapd(t)
	d := open(t, s.config())
	who, err := d.Lookup(t.Context(), "/alpha", "DEMO")
	want := identity.Identity{
		Realm: "/alpha", Name: "demo", Status: identity.Active,
		Attributes: map[string][]string{
			"uid": {"demo"}, "cn": {"Demo", "D. User"}, "sn": {"User"}, "mail": {"demo@example.com"},
		},
	}
	if err != nil || !reflect.DeepEqual(who, want) {
		t.Fatalf("Lookup = %+v, %v", who, err)
	}
	for name, tc := range map[string]struct {
		attribute, value string
		who              string
		err              error
	}{
		"one":                {"sn", "jensen", "BJensen", nil},
		"none":               {"sn", "nobody", "", identity.ErrNotFound},
		"several":            {"sn", "User", "", identity.ErrAmbiguous},
		"wildcard":           {"sn", "Jens*", "", identity.ErrNotFound},
		"empty":              {"sn", "", "", identity.ErrNotFound},
		"injected attribute": {"sn=x)(uid", "demo", "", identity.ErrNotFound},
		"password":           {"userPassword", string(horse), "", identity.ErrNotFound},
		"password otherwise": {"USERPASSWORD", string(horse), "", identity.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := d.Search(t.Context(), realm.Root, tc.attribute, tc.value)
			if who.Name != tc.who || !errors.Is(err, tc.err) {
				t.Fatalf("Search = %q, %v; want %q, %v", who.Name, err, tc.who, tc.err)
			}
		})
	}
	t.Run("all attributes but the password", func(t *testing.T) {
		c := s.config()
		c.Attributes = []string{"*"}
		c.BindDN, c.BindPasswordFile = "cn=root,dc=example,dc=com", s.path("rootpassword")
		s.write("rootpassword", "rootsecret")
		who, err := open(t, c).Lookup(t.Context(), realm.Root, "demo")
		if err != nil || len(who.Attributes["objectClass"]) == 0 || len(who.Attributes["userPassword"]) != 0 {
			t.Fatalf("Lookup = %+v, %v", who, err)
		}
	})
	t.Run("name that cannot be one", func(t *testing.T) {
		if who, err := d.Lookup(t.Context(), realm.Root, "star*"); !errors.Is(err, identity.ErrName) {
			t.Fatalf("Lookup = %+v, %v", who, err)
		}
	})
}

func TestUpdate(t *testing.T) {
	s := startSlapd(t)
	readOnly := open(t, s.config())
	c := s.config()
	c.Writable = []string{"inetUserStatus", "mail", "telephoneNumber", "cn", "employeeNumber", "userPassword"}
	d := open(t, c)
	set := func(name string, values ...string) identity.Change {
		return identity.SetAttributes{Attributes: map[string][]string{name: values}}
	}

	for name, tc := range map[string]struct {
		d      *Repository
		user   string
		change identity.Change
		err    error
	}{
		"status":                       {readOnly, "demo", identity.SetStatus{Status: identity.Inactive}, identity.ErrReadOnly},
		"attribute":                    {readOnly, "demo", set("mail", "x@example.com"), identity.ErrReadOnly},
		"login count":                  {d, "demo", identity.CountLogin{}, identity.ErrReadOnly},
		"failure":                      {d, "demo", identity.CountFailure{At: time.Now(), Policy: realm.DefaultSettings().Lockout}, identity.ErrReadOnly},
		"retries":                      {d, "demo", identity.SetRetries{Node: "n", Count: 1}, identity.ErrReadOnly},
		"hash":                         {d, "demo", identity.SetPassword{Hash: "x"}, identity.ErrReadOnly},
		"password as an attribute":     {d, "demo", set("userPassword", "x"), identity.ErrReadOnly},
		"attribute that is not listed": {d, "demo", set("sn", "x"), identity.ErrReadOnly},
		"right that the service lacks": {d, "demo", set("cn", "x"), identity.ErrReadOnly},
		"unknown user":                 {d, "nobody", set("mail", "x"), identity.ErrNotFound},
		"nothing to clear":             {readOnly, "demo", identity.ClearFailures{}, nil},
		"active already":               {readOnly, "demo", identity.SetStatus{Status: identity.Active}, nil},
		"no retries to remove":         {readOnly, "demo", identity.ReplaceHash{From: "a", To: "b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := d.Lookup(t.Context(), realm.Root, tc.user)
			if _, err := tc.d.Update(t.Context(), realm.Root, tc.user, tc.change); !errors.Is(err, tc.err) {
				t.Fatalf("Update: %v, want %v", err, tc.err)
			}
			if after, _ := d.Lookup(t.Context(), realm.Root, tc.user); !reflect.DeepEqual(before, after) {
				t.Fatalf("changed from %+v to %+v", before, after)
			}
		})
	}
	t.Run("attributes are written and removed", func(t *testing.T) {
		who, err := d.Update(t.Context(), realm.Root, "demo", set("telephoneNumber", "+1 555", "+1 556"))
		if err != nil || !slices.Equal(who.Attributes["telephoneNumber"], []string{"+1 555", "+1 556"}) {
			t.Fatalf("Update = %+v, %v", who, err)
		}
		who, err = d.Update(t.Context(), realm.Root, "demo", set("telephoneNumber"))
		if err != nil || len(who.Attributes["telephoneNumber"]) != 0 {
			t.Fatalf("Update = %+v, %v", who, err)
		}
	})
	t.Run("status there and back", func(t *testing.T) {
		for _, tc := range []struct {
			status  identity.Status
			verdict identity.Verdict
		}{{identity.Inactive, identity.Locked}, {identity.Active, identity.Match}} {
			who, err := d.Update(t.Context(), realm.Root, "demo", identity.SetStatus{Status: tc.status})
			if err != nil || who.Status != tc.status {
				t.Fatalf("Update = %+v, %v", who, err)
			}
			if verdict, _, err := d.Authenticate(t.Context(), realm.Root, "demo", horse, identity.Guess{}); err != nil || verdict != tc.verdict {
				t.Fatalf("%s: verdict %d, %v", tc.status, verdict, err)
			}
		}
	})
	t.Run("what the schema forbids is no outage", func(t *testing.T) {
		_, err := d.Update(t.Context(), realm.Root, "demo", set("employeeNumber", "1", "2"))
		if err == nil || errors.Is(err, identity.ErrUnavailable) || errors.Is(err, identity.ErrReadOnly) {
			t.Fatalf("Update: %v", err)
		}
	})
}

func TestChangePassword(t *testing.T) {
	s := startSlapd(t)
	if _, _, err := open(t, s.config()).ChangePassword(t.Context(), realm.Root, "scarter", horse, "next password", identity.Guess{}); !errors.Is(err, identity.ErrReadOnly) {
		t.Fatalf("where it is not writable: %v", err)
	}
	c := s.config()
	c.Writable = []string{"userPassword"}
	d := open(t, c)
	for _, tc := range []struct {
		name, user string
		old, next  identity.Secret
		want       identity.Verdict
		err        error
	}{
		{"wrong", "scarter", "wrong", "next password", identity.Mismatch, nil},
		{"unknown", "nobody", horse, "next password", identity.Unknown, nil},
		{"inactive", "inactive", horse, "next password", identity.Locked, nil},
		{"not by the directory's policy", "scarter", horse, "short", identity.Match, identity.ErrPassword},
		{"empty", "scarter", horse, "", identity.Match, identity.ErrPassword},
		{"expired for good", "expired", horse, "next password", identity.Expired, nil},
		{"right", "scarter", horse, "next password", identity.Match, nil},
		{"after a reset", "reset", horse, "next password", identity.Match, nil},
		{"with what it was", "scarter", horse, "next password", identity.Mismatch, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			verdict, _, err := d.ChangePassword(t.Context(), realm.Root, tc.user, tc.old, tc.next, identity.Guess{})
			if verdict != tc.want || !errors.Is(err, tc.err) {
				t.Fatalf("verdict %d, %v; want %d, %v", verdict, err, tc.want, tc.err)
			}
		})
	}
	for _, user := range []string{"scarter", "reset"} {
		if verdict, _, err := d.Authenticate(t.Context(), realm.Root, user, "next password", identity.Guess{}); err != nil || verdict != identity.Match {
			t.Errorf("%s with the new password: verdict %d, %v", user, verdict, err)
		}
	}
}

func TestTLS(t *testing.T) {
	s := startSlapd(t)
	trusted := &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	stranger := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	misnamed := &tls.Config{RootCAs: s.roots, ServerName: "ldap.example.net", MinVersion: tls.VersionTLS12}
	for name, tc := range map[string]struct {
		server   string
		startTLS bool
		tls      *tls.Config
		ok       bool
	}{
		"ldaps":                 {"ldaps://" + s.tls, false, trusted, true},
		"StartTLS":              {"ldap://" + s.plain, true, trusted, true},
		"ldaps, other CA":       {"ldaps://" + s.tls, false, stranger, false},
		"StartTLS, other CA":    {"ldap://" + s.plain, true, stranger, false},
		"ldaps, other name":     {"ldaps://" + s.tls, false, misnamed, false},
		"StartTLS, other name":  {"ldap://" + s.plain, true, misnamed, false},
		"ldaps to a plain port": {"ldaps://" + s.plain, false, trusted, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.config()
			c.Servers, c.StartTLS, c.TLS, c.Plaintext = []string{tc.server}, tc.startTLS, tc.tls, false
			c.ConnectTimeout = time.Second
			d := open(t, c)
			verdict, _, err := d.Authenticate(t.Context(), realm.Root, "demo", horse, identity.Guess{})
			switch {
			case tc.ok && (err != nil || verdict != identity.Match):
				t.Fatalf("verdict %d, %v", verdict, err)
			case !tc.ok && !errors.Is(err, identity.ErrUnavailable):
				t.Fatalf("error %v, want unavailable", err)
			}
		})
	}
}

// TestMisconfigured: the operator's mistakes are outages, not wrong passwords.
func TestMisconfigured(t *testing.T) {
	s := startSlapd(t)
	for name, spoil := range map[string]func(*Config){
		"service password": func(c *Config) { s.write("wrong", "wrong"); c.BindPasswordFile = s.path("wrong") },
		"service account":  func(c *Config) { c.BindDN = "cn=nobody,dc=example,dc=com" },
		"base DN":          func(c *Config) { c.BaseDN = "ou=nothing,dc=example,dc=com" },
		"server":           func(c *Config) { c.Servers = []string{"ldap://" + freePort(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			c := s.config()
			spoil(&c)
			for _, user := range []string{"demo", "nobody"} {
				_, _, err := open(t, c).Authenticate(t.Context(), realm.Root, user, horse, identity.Guess{})
				if !errors.Is(err, identity.ErrUnavailable) || strings.Contains(err.Error(), "wrong") {
					t.Fatalf("%s: %v", user, err)
				}
			}
		})
	}
	t.Run("password file that is gone", func(t *testing.T) {
		d := open(t, s.config())
		if err := os.Remove(s.path("password")); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Lookup(t.Context(), realm.Root, "demo"); !errors.Is(err, identity.ErrUnavailable) {
			t.Fatal(err)
		}
	})
}

// TestConcurrent wants right verdicts from connections that many share.
func TestConcurrent(t *testing.T) {
	s := startSlapd(t)
	c := s.config()
	c.Connections = 2
	d := open(t, c)
	var all sync.WaitGroup
	for i := range 24 {
		user, password, want := "demo", horse, identity.Match
		switch i % 3 {
		case 1:
			user, want = "nobody", identity.Unknown
		case 2:
			user, want = "inactive", identity.Locked
		}
		all.Go(func() {
			if verdict, _, err := d.Authenticate(t.Context(), realm.Root, user, password, identity.Guess{}); err != nil || verdict != want {
				t.Errorf("%s: verdict %d, %v", user, verdict, err)
			}
		})
	}
	all.Wait()
	if m := d.Metrics(); m.Opened > 4 || m.Busy != 0 || m.Waiting != 0 {
		t.Errorf("metrics %+v", m)
	}
}

func TestNewRefuses(t *testing.T) {
	good := func() Config {
		return Config{Servers: []string{"ldaps://localhost"}, BaseDN: "dc=example,dc=com"}
	}
	for name, tc := range map[string]struct {
		spoil func(*Config)
		says  string
	}{
		"nothing wrong":      {func(*Config) {}, ""},
		"no servers":         {func(c *Config) { c.Servers = nil }, "no servers"},
		"other scheme":       {func(c *Config) { c.Servers = []string{"http://localhost"} }, "want ldap://"},
		"path":               {func(c *Config) { c.Servers = []string{"ldaps://localhost/dc=x"} }, "behind the port"},
		"plaintext":          {func(c *Config) { c.Servers = []string{"ldap://localhost"} }, "in clear"},
		"StartTLS on ldaps":  {func(c *Config) { c.StartTLS = true }, "TLS already"},
		"no verification":    {func(c *Config) { c.TLS = &tls.Config{InsecureSkipVerify: true} }, "verification"}, //nolint:gosec // what must be refused
		"no base":            {func(c *Config) { c.BaseDN = "" }, "base DN"},
		"base":               {func(c *Config) { c.BaseDN = "example.com" }, "base DN"},
		"decoy":              {func(c *Config) { c.DecoyDN = "nobody" }, "decoy DN"},
		"filter":             {func(c *Config) { c.Filter = "(objectClass=person" }, "filter"},
		"attribute":          {func(c *Config) { c.LoginAttributes = []string{"mail)(x"} }, "not the name of an attribute"},
		"password read":      {func(c *Config) { c.Attributes = []string{"userpassword"} }, "neither be searched nor read"},
		"password searched":  {func(c *Config) { c.LoginAttributes = []string{"userPassword"} }, "neither be searched nor read"},
		"name writable":      {func(c *Config) { c.Writable = []string{"UID"} }, "cannot be writable"},
		"no bind password":   {func(c *Config) { c.BindDN = "cn=service" }, "bind password"},
		"below zero":         {func(c *Config) { c.Timeout = -1 }, "below zero"},
		"all faults at once": {func(c *Config) { c.Servers, c.BaseDN = nil, "" }, "no servers\nbase DN"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good()
			tc.spoil(&c)
			d, err := New(c)
			if err == nil {
				d.Close()
			}
			if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("New: %v, want %q", err, tc.says)
			}
		})
	}
}
