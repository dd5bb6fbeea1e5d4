package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// ready is a configuration without faults.
func ready() Config {
	c := Default()
	c.Data, c.SecretFile = "/var/lib/sojourn", "/etc/sojourn/secret"
	return c
}

func TestSampleIsTheDefaults(t *testing.T) {
	l, err := Load(Sources{File: []byte(Sample()), FileName: "sample"})
	if err != nil {
		t.Fatal(err)
	}
	plain := Default()
	for _, f := range fields() {
		if f.layer != "" {
			continue
		}
		if !strings.HasPrefix(l.Origin(f.key), "sample:") {
			t.Errorf("the sample says nothing of %s", f.key)
		}
		if got, want := f.text(&l.Config), f.text(&plain); got != want {
			t.Errorf("%s is %q in the sample, %q by default", f.key, got, want)
		}
	}
	w := walker{known: map[string]bool{}}
	w.knowLDAP()
	for key := range w.known {
		if !strings.Contains(Sample(), " "+strings.TrimPrefix(key, "ldap.")+":") {
			t.Errorf("the sample says nothing of %s", key)
		}
	}
}

func TestLayers(t *testing.T) {
	l, err := Load(Sources{
		Dev:      true,
		File:     []byte("http:\n  addr: 127.0.0.1:1\n  path: /file\nlimits: {hashQueue: 3, readTime: 90s}\n"),
		FileName: "a.yaml",
		Env:      []string{"PATH=/bin", "SOJOURN_HTTP_ADDR=127.0.0.1:2", "SOJOURN_LIMITS_HASH_QUEUE=4", "SOJOURN_HTTP_ORIGINS=http://a, http://b:1"},
		Flags:    map[string]string{"http.addr": "127.0.0.1:3"},
		FlagName: func(key string) string { return "--" + key },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Value{
		{Key: "http.addr", Value: "127.0.0.1:3", Origin: "--http.addr"},
		{Key: "http.path", Value: "/file", Origin: "a.yaml:3"},
		{Key: "http.origins", Value: "http://a,http://b:1", Origin: "SOJOURN_HTTP_ORIGINS"},
		{Key: "limits.hashQueue", Value: "4", Origin: "SOJOURN_LIMITS_HASH_QUEUE"},
		{Key: "limits.readTime", Value: "1m30s", Origin: "a.yaml:4"},
		{Key: "limits.minFreeDisk", Value: "64MiB", Origin: "--dev"},
		{Key: "cookie.name", Value: "iPlanetDirectoryPro", Origin: "default"},
	} {
		i := slices.IndexFunc(l.Values(), func(v Value) bool { return v.Key == want.Key })
		if i < 0 {
			t.Fatalf("%s is not listed", want.Key)
		}
		got := l.Values()[i]
		if got.Value != want.Value || got.Origin != want.Origin {
			t.Errorf("%s = %q from %s, want %q from %s", want.Key, got.Value, got.Origin, want.Value, want.Origin)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		s    Sources
		want []string // each a line of the error
	}{
		{
			"unknown keys, all at once",
			Sources{File: []byte("http:\n  adr: x\ncolour: red\nldap:\n- realm: /\n  base: x\n")},
			[]string{
				`f.yaml:2: unknown key "adr"; did you mean http.addr?`, `f.yaml:3: unknown key "colour"`,
				`f.yaml:6: unknown key "base"; did you mean ldap.baseDN?`,
			},
		},
		{"key twice", Sources{File: []byte("name: a\nname: b\n")}, []string{`f.yaml:2: mapping key "name" already defined at line 1`}},
		{"wrong type", Sources{File: []byte("cluster:\n  expect: many\n")}, []string{"f.yaml:2: cannot unmarshal `many` into int"}},
		{"duration without unit", Sources{File: []byte("limits:\n  readTime: 5\n")}, []string{"f.yaml:2: cannot unmarshal `5` into a duration such as 30s"}},
		{"size with another unit", Sources{File: []byte("limits:\n  body: 1MB\n")}, []string{`f.yaml: "1MB" is not a size: a whole number of bytes, KiB, MiB or GiB is needed`}},
		{"value where keys belong", Sources{File: []byte("http: yes\n")}, []string{"f.yaml:1: http: keys with values are needed here"}},
		{"alias", Sources{File: []byte("http: &h {addr: x}\ncookie: *h\n")}, []string{"f.yaml:2: aliases are not understood here"}},
		{"two documents", Sources{File: []byte("name: a\n---\nname: b\n")}, []string{"f.yaml: only one YAML document is read"}},
		{"not YAML", Sources{File: []byte("a: [")}, []string{"f.yaml:1: did not find expected node content"}},
		{"the secret in the file", Sources{File: []byte("secret: hush\n")}, []string{`f.yaml:1: unknown key "secret"`}},
		{"dev in the file", Sources{File: []byte("dev: true\n")}, []string{`f.yaml:1: unknown key "dev"`}},
		{"unknown variable", Sources{Env: []string{"SOJOURN_HTTP_ADR=x"}}, []string{"SOJOURN_HTTP_ADR: no such setting; did you mean SOJOURN_HTTP_ADDR?"}},
		{"bad variable", Sources{Env: []string{"SOJOURN_COOKIE_SECURE=perhaps"}}, []string{`SOJOURN_COOKIE_SECURE: cookie.secure: "perhaps" is not true or false`}},
		{"dev by variable", Sources{Env: []string{"SOJOURN_DEV=true"}}, []string{"SOJOURN_DEV: no such setting; did you mean SOJOURN_DATA?"}},
		{"unknown flag key", Sources{Flags: map[string]string{"http.pth": "x"}}, []string{"--set http.pth: no such setting; did you mean http.path?"}},
		{"bad flag", Sources{Flags: map[string]string{"cluster.expect": "x"}}, []string{`--set cluster.expect: "x" is not a whole number`}},
		{"secret by flag", Sources{Flags: map[string]string{"secret": "hush"}}, []string{"--set secret: no such setting"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.s.FileName = "f.yaml"
			_, err := Load(tc.s)
			if err == nil {
				t.Fatal("accepted")
			}
			if got, want := err.Error(), strings.Join(tc.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestLoadPassesOver(t *testing.T) {
	l, err := Load(Sources{
		Env:        []string{"SOJOURN_CONFIG=x", "SOJOURN_PORT=tcp://10.0.0.1:80", "SOJOURN_PORT_80_TCP=x", "SOJOURN_SERVICE_HOST=10.0.0.1", "SOJOURN_LOG_LEVEL=", "HOME=/"},
		EnvIgnored: []string{"SOJOURN_CONFIG"},
	})
	if err != nil || l.Origin("log.level") != "default" {
		t.Errorf("log.level from %s, error %v", l.Origin("log.level"), err)
	}
	if _, err := Load(Sources{File: []byte("# nothing\n"), FileName: "f.yaml"}); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	directory := func(change func(*LDAP)) func(*Config) {
		return func(c *Config) {
			d := defaultLDAP()
			d.Realm, d.Servers, d.BaseDN = "/alpha", []string{"ldaps://h:636"}, "dc=x"
			change(&d)
			c.LDAP = []LDAP{d}
		}
	}
	for name, tc := range map[string]struct {
		change func(*Config)
		key    string // of the one fault; empty for none
	}{
		"ready":                {func(*Config) {}, ""},
		"no data":              {func(c *Config) { c.Data = "" }, "data"},
		"no secret":            {func(c *Config) { c.SecretFile = "" }, "secretFile"},
		"secret by variable":   {func(c *Config) { c.SecretFile, c.Secret = "", "x" }, ""},
		"secret twice":         {func(c *Config) { c.Secret = "x" }, "secretFile"},
		"dev needs neither":    {func(c *Config) { c.Data, c.SecretFile = "", ""; dev(c) }, ""},
		"dev on every address": {func(c *Config) { dev(c); c.HTTP.Addr = "0.0.0.0:80" }, "http.addr"},
		"dev on no host":       {func(c *Config) { dev(c); c.HTTP.Addr = ":80" }, "http.addr"},
		"dev on ::1":           {func(c *Config) { dev(c); c.HTTP.Addr = "[::1]:80" }, ""},
		"no port":              {func(c *Config) { c.HTTP.Addr = "localhost" }, "http.addr"},
		"port too high":        {func(c *Config) { c.HTTP.Addr = "localhost:70000" }, "http.addr"},
		"path with slash":      {func(c *Config) { c.HTTP.Path = "/am/" }, "http.path"},
		"path is root":         {func(c *Config) { c.HTTP.Path = "/" }, "http.path"},
		"path with braces":     {func(c *Config) { c.HTTP.Path = "/{x}" }, "http.path"},
		"certificate alone":    {func(c *Config) { c.HTTP.TLSCert = "x" }, "http.tlsCert"},
		"origin with path":     {func(c *Config) { c.HTTP.Origins = []string{"https://a/"} }, "http.origins"},
		"origin star":          {func(c *Config) { c.HTTP.Origins = []string{"*"} }, "http.origins"},
		"origin null":          {func(c *Config) { c.HTTP.Origins = []string{"null"} }, "http.origins"},
		"origins":              {func(c *Config) { c.HTTP.Origins = []string{"https://a:8443"} }, ""},
		"public URL":           {func(c *Config) { c.HTTP.PublicURL = "login.example.com" }, "http.publicURL"},
		"proxy":                {func(c *Config) { c.HTTP.Proxies = []string{"10.0.0.0/8", "::1"} }, ""},
		"proxy name":           {func(c *Config) { c.HTTP.Proxies = []string{"lb"} }, "http.proxies"},
		"cookie with newline":  {func(c *Config) { c.Cookie.Name = "a\r\nb" }, "cookie.name"},
		"cookies of one name":  {func(c *Config) { c.Cookie.LBName = c.Cookie.Name }, "cookie.lbName"},
		"SameSite":             {func(c *Config) { c.Cookie.SameSite = "Lax" }, "cookie.sameSite"},
		"SameSite none":        {func(c *Config) { c.Cookie.SameSite = "none" }, "cookie.sameSite"},
		"SameSite none secure": {func(c *Config) { c.Cookie.SameSite, c.Cookie.Secure = "none", true }, ""},
		"cookie domain":        {func(c *Config) { c.Cookie.Domains = []string{"a;b"} }, "cookie.domains"},
		"join without address": {func(c *Config) { c.Cluster.Join = []string{"h:1"} }, "cluster.addr"},
		"expect nobody":        {func(c *Config) { c.Cluster.Expect = 0 }, "cluster.expect"},
		"key without use":      {func(c *Config) { c.Encryption.KeyFile = "k" }, "encryption.keyFile"},
		"tiny body":            {func(c *Config) { c.Limits.Body = 1 }, "limits.body"},
		"no time":              {func(c *Config) { c.Limits.ReadTime = 0 }, "limits.readTime"},
		"too much time":        {func(c *Config) { c.Limits.DrainTime = 2 * time.Hour }, "limits.drainTime"},
		"all reserved":         {func(c *Config) { c.Limits.Reserved = c.Limits.Requests }, "limits.reserved"},
		"nothing reserved":     {func(c *Config) { c.Limits.Reserved = 0 }, "limits.reserved"},
		"one request":          {func(c *Config) { c.Limits.Requests, c.Limits.Reserved = 2, 1 }, ""},
		"no queue":             {func(c *Config) { c.Limits.HashQueue = 0 }, "limits.hashQueue"},
		"even replicas":        {func(c *Config) { c.Journeys.Replicas = 2 }, "journeys.replicas"},
		"one replica":          {func(c *Config) { c.Journeys.Replicas = 1 }, ""},
		"mail":                 {func(c *Config) { c.Mail = Mail{Host: "smtp.example.com", TLS: "tls", From: "A <a@b.example>"} }, ""},
		"mail, port in host":   {func(c *Config) { c.Mail.Host, c.Mail.From = "smtp.example.com:25", "a@b.example" }, "mail.host"},
		"mail, no sender":      {func(c *Config) { c.Mail.Host = "smtp.example.com" }, "mail.from"},
		"mail, no server":      {func(c *Config) { c.Mail.From = "a@b.example" }, "mail.host"},
		"mail, two senders":    {func(c *Config) { c.Mail.Host, c.Mail.From = "h", "a@b.example, c@d.example" }, "mail.from"},
		"mail, port":           {func(c *Config) { c.Mail.Port = 70000 }, "mail.port"},
		"mail, TLS":            {func(c *Config) { c.Mail.TLS = "maybe" }, "mail.tls"},
		"mail, user alone":     {func(c *Config) { c.Mail.Host, c.Mail.From, c.Mail.User = "h", "a@b.example", "u" }, "mail.user"},
		"mail, in clear": {func(c *Config) {
			c.Mail = Mail{Host: "h", TLS: "none", From: "a@b.example", User: "u", PasswordFile: "p"}
		}, "mail.tls"},
		"log level":            {func(c *Config) { c.Log.Level = "trace" }, "log.level"},
		"directory":            {directory(func(*LDAP) {}), ""},
		"directory twice":      {func(c *Config) { directory(func(*LDAP) {})(c); c.LDAP = append(c.LDAP, c.LDAP[0]) }, "ldap[1].realm"},
		"directory, no server": {directory(func(d *LDAP) { d.Servers = nil }), "ldap[0].servers"},
		"directory, http":      {directory(func(d *LDAP) { d.Servers = []string{"http://h"} }), "ldap[0].servers"},
		"directory, twice TLS": {directory(func(d *LDAP) { d.Servers, d.StartTLS = []string{"ldaps://h:636"}, true }), "ldap[0].startTLS"},
		"directory, in clear":  {directory(func(d *LDAP) { d.Servers = []string{"ldap://h:389"} }), "ldap[0].servers"},
		"directory, allowed":   {directory(func(d *LDAP) { d.Servers, d.Plaintext = []string{"ldap://h:389"}, true }), ""},
		"directory, password":  {directory(func(d *LDAP) { d.BindDN = "cn=x" }), "ldap[0].bindDN"},
		"directory, filter":    {directory(func(d *LDAP) { d.Filter = "uid=x" }), "ldap[0].filter"},
	} {
		t.Run(name, func(t *testing.T) {
			c := ready()
			tc.change(&c)
			faults := c.faults()
			if tc.key == "" {
				if err := c.Validate(); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(faults) != 1 || faults[0].Key != tc.key {
				t.Errorf("faults %v, want one of %s", faults, tc.key)
			}
		})
	}
}

func TestCheckNamesOrigins(t *testing.T) {
	l, err := Load(Sources{
		File: []byte("data: /d\nsecretFile: s\nldap:\n  - realm: alpha\n    baseDN: dc=x\n"), FileName: "f.yaml",
		Env: []string{"SOJOURN_LOG_LEVEL=loud"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`SOJOURN_LOG_LEVEL: log.level: "loud" is none of debug, info, warn, error`,
		`f.yaml:4: ldap[0].realm: "alpha" is not a realm such as / or /alpha`,
		`f.yaml:4: ldap[0].servers: at least one is needed, such as ldaps://ldap.example.com:636`,
	}, "\n")
	if err := l.Check(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestEnvironmentNamesAreDistinct(t *testing.T) {
	names := map[string]string{}
	for _, f := range fields() {
		if other, taken := names[f.env()]; taken {
			t.Errorf("%s and %s share %s", other, f.key, f.env())
		}
		names[f.env()] = f.key
	}
	for _, want := range []string{"SOJOURN_SECRET_FILE", "SOJOURN_SECRET", "SOJOURN_HTTP_TLS_CERT", "SOJOURN_COOKIE_HTTP_ONLY"} {
		if _, ok := names[want]; !ok {
			t.Errorf("no %s among %v", want, slices.Sorted(maps.Keys(names)))
		}
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	l, err := Load(Sources{Env: []string{"SOJOURN_SECRET=hush"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range l.Values() {
		if strings.Contains(v.Value, "hush") {
			t.Errorf("%s shows the secret", v.Key)
		}
	}
	if l.Config.Secret != "hush" {
		t.Error("the variable was not read")
	}
}

// Every member of a directory is listed, with the place it comes from.
func TestDirectoriesAreListed(t *testing.T) {
	l, err := Load(Sources{
		File:     []byte("ldap:\n- realm: /alpha\n  servers: [ldap://a:1, ldap://b:1]\n  plaintext: true\n  writable:\n  - userPassword\n  - inetUserStatus\n"),
		FileName: "f.yaml",
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range l.Values() {
		if key, ok := strings.CutPrefix(v.Key, "ldap[0]."); ok {
			got = append(got, key+"="+v.Value+" "+v.Origin)
		}
	}
	want := []string{
		"realm=/alpha f.yaml:2", "servers=ldap://a:1,ldap://b:1 f.yaml:3", "startTLS=false default", "plaintext=true f.yaml:4",
		"caFile= default", "bindDN= default", "passwordFile= default", "baseDN= default", "userAttribute=uid default",
		"filter=(objectClass=person) default", "writable=userPassword,inetUserStatus f.yaml:5", "connections=8 default", "timeout=5s default",
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "17": 17, "1KiB": 1024, "3 MiB": 3 << 20, "2GiB": 2 << 30} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q is %d, %v; want %d", text, s, err, want)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%d is written %q and read back as %d, %v", s, s, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "1kb", "99999999999GiB", "MiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, s)
		}
	}
}

// FuzzLoad: whatever the file says, it is an error with a text or a
// configuration that can be judged and listed.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(Sample()))
	f.Add([]byte("http: {addr: 1}\nldap: [{realm: /}, null, 3]\n"))
	f.Add([]byte("limits:\n  ? [a, b]\n  : c\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		l, err := Load(Sources{File: file, FileName: "f.yaml"})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		_ = l.Check()
		if got, least := len(l.Values()), len(fields()); got < least {
			t.Errorf("%d values listed, there are %d", got, least)
		}
	})
}
