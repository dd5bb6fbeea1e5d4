package amtoken_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sojourn/actors/realm"
	"sojourn/cts/amtoken"
	"sojourn/cts/session"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // never changed

// am is an AM with keys of its own. It makes tokens as AM does, and knows
// nothing of how they are read.
type am struct {
	t          *testing.T
	config     amtoken.Config
	signs      any
	encrypts   any
	encryption jose.KeyAlgorithm
}

// prefix is that of AM's client-side sessions: SI 01, type JWT.
const prefix = "*AAJTSQACMDEABHR5cGUAA0pXVAACUzEAAA..*"

func encoded(secret []byte) []byte {
	return []byte(base64.StdEncoding.EncodeToString(secret) + "\n")
}

func random(t *testing.T, size int) []byte {
	t.Helper()
	out := make([]byte, size)
	if _, err := rand.Read(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// newAM sets up an AM and the configuration that takes its tokens.
func newAM(t *testing.T, signing realm.Signing, encryption realm.Encryption) *am {
	t.Helper()
	a := &am{t: t, config: amtoken.Config{
		Until: now.Add(365 * 24 * time.Hour), Signing: signing, Encryption: encryption, Suffix: "ou=here",
	}}
	var private crypto.Signer
	var err error
	switch signing {
	case realm.HS256, realm.HS384, realm.HS512:
		secret := random(t, 64)
		a.signs, a.config.SigningKeys = secret, [][]byte{encoded(secret)}
	case realm.RS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case realm.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case realm.ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case realm.ES512:
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case realm.SigningNone:
	}
	if err != nil {
		t.Fatal(err)
	}
	if private != nil {
		der, err := x509.MarshalPKIXPublicKey(private.Public())
		if err != nil {
			t.Fatal(err)
		}
		a.signs, a.config.SigningKeys = private, [][]byte{pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
	}
	switch encryption {
	case realm.Direct, realm.AESKeyWrap:
		secret := random(t, 32)
		a.encryption = jose.DIRECT
		if encryption == realm.AESKeyWrap {
			secret, a.encryption = secret[:16], jose.A128KW
		}
		a.encrypts, a.config.EncryptionKeys = secret, [][]byte{encoded(secret)}
	case realm.RSAEncryption:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		a.encrypts, a.encryption = &key.PublicKey, jose.RSA_OAEP_256
		a.config.EncryptionKeys = [][]byte{pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})}
	case realm.EncryptionNone:
	}
	return a
}

// token makes a JWT of claims.
func (a *am) token(claims map[string]any, packed bool) string {
	a.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.encrypts != nil {
		options := (&jose.EncrypterOptions{}).WithType("JWT")
		if packed {
			options.Compression = jose.DEFLATE
		}
		e, err := jose.NewEncrypter(jose.A128CBC_HS256, jose.Recipient{Algorithm: a.encryption, Key: a.encrypts}, options)
		if err != nil {
			a.t.Fatal(err)
		}
		sealed, err := e.Encrypt(payload)
		if err != nil {
			a.t.Fatal(err)
		}
		text, err := sealed.CompactSerialize()
		if err != nil {
			a.t.Fatal(err)
		}
		payload = []byte(text)
	}
	if a.signs == nil {
		return string(payload)
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	switch {
	case a.encrypts != nil:
		options = options.WithContentType("JWT")
	case packed:
		options = options.WithHeader("zip", "DEF")
		payload = deflated(payload)
	default:
		options = options.WithHeader("zip", "NONE")
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(a.config.Signing), Key: a.signs}, options)
	if err != nil {
		a.t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func deflated(plain []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, 9)
	_, _ = w.Write(plain)
	_ = w.Close()
	return out.Bytes()
}

func (a *am) reader() *amtoken.Reader {
	a.t.Helper()
	r, err := amtoken.New(a.config)
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

// demo is a session of AM's as its token says it.
func demo() map[string]any {
	return map[string]any{
		"jti": "0d0ac8c0-6b9f-4f6b-8d3c-4bd1ce9f7d3a", "sub": "id=demo,ou=user,o=eu,o=alpha,ou=services,dc=am,dc=example,dc=com",
		"iss": "o=eu,o=alpha,ou=services,dc=am,dc=example,dc=com", "exp": now.Add(time.Hour).Unix(),
		"maxtime": 120, "maxidle": 30, "maxcaching": 3, "stype": 0, "state": 1, "secret": "x",
		"props": map[string]any{"AuthLevel": "5", "Service": "Login", "UserId": "demo", "AMCtxId": "7a-12"},
	}
}

func TestOpen(t *testing.T) {
	for _, signing := range []realm.Signing{realm.SigningNone, realm.HS256, realm.HS384, realm.HS512, realm.RS256, realm.ES256, realm.ES384, realm.ES512} {
		for _, encryption := range []realm.Encryption{realm.EncryptionNone, realm.Direct, realm.AESKeyWrap, realm.RSAEncryption} {
			if signing == realm.SigningNone && (encryption == realm.EncryptionNone || encryption == realm.RSAEncryption) {
				continue
			}
			t.Run(string(signing)+" "+string(encryption), func(t *testing.T) {
				a := newAM(t, signing, encryption)
				r := a.reader()
				for _, packed := range []bool{false, true} {
					text := a.token(demo(), packed)
					for _, token := range []string{text, prefix + text, "AQIC5wM2LY4Sfcx." + prefix + text} {
						x, err := r.Open(token, now)
						if err != nil {
							t.Fatalf("packed %v: %v", packed, err)
						}
						if x.Principal != (session.Principal{Realm: "/alpha/eu", Username: "demo", UniversalID: "id=demo,ou=user,o=eu,ou=services,o=alpha,ou=services,ou=here"}) ||
							x.AuthLevel != 5 || !slices.Equal(x.Trees, []string{"Login"}) || x.Properties["AMCtxId"] != "7a-12" || x.Admin || !x.ClientSide ||
							!x.Created.Equal(now.Add(-time.Hour)) || !x.Expires().Equal(now.Add(time.Hour)) {
							t.Errorf("opened %+v", x)
						}
					}
				}
				if _, err := newAM(t, signing, encryption).reader().Open(a.token(demo(), false), now); !errors.Is(err, amtoken.ErrToken) {
					t.Errorf("opened with the keys of another AM: %v", err)
				}
			})
		}
	}
}

func TestClaims(t *testing.T) {
	a := newAM(t, realm.HS256, realm.Direct)
	a.config.Realms = map[realm.Name]realm.Name{"/customers": "/alpha"}
	r := a.reader()
	with := func(changes map[string]any) map[string]any {
		c := demo()
		for name, value := range changes {
			if value == nil {
				delete(c, name)
			} else {
				c[name] = value
			}
		}
		return c
	}
	const root, customers = "dc=am,dc=example,dc=com", "o=customers,ou=services,dc=am,dc=example,dc=com"
	for name, tc := range map[string]struct {
		claims map[string]any
		want   realm.Name // empty: refused
		level  int
	}{
		"the top level":             {with(map[string]any{"sub": "id=demo,ou=user," + root, "iss": root}), "/", 5},
		"file based":                {with(map[string]any{"sub": "id=demo,ou=user,ou=am-config", "iss": "ou=am-config"}), "/", 5},
		"services at each level":    {with(map[string]any{"sub": "id=demo,ou=user,o=eu,ou=services,o=alpha,ou=services," + root}), "/alpha/eu", 5},
		"a path for an issuer":      {with(map[string]any{"iss": "/alpha/eu"}), "/alpha/eu", 5},
		"a realm of another name":   {with(map[string]any{"sub": "id=demo,ou=user," + customers, "iss": customers}), "/alpha", 5},
		"no issuer":                 {with(map[string]any{"iss": nil}), "/alpha/eu", 5},
		"a qualified level":         {with(map[string]any{"props": map[string]any{"AuthLevel": "/alpha:7"}}), "/alpha/eu", 7},
		"a level that is none":      {with(map[string]any{"props": map[string]any{"AuthLevel": "-3"}}), "/alpha/eu", 0},
		"no properties":             {with(map[string]any{"props": nil}), "/alpha/eu", 0},
		"properties of other types": {with(map[string]any{"props": map[string]any{"AuthLevel": 9}}), "/alpha/eu", 0},

		"no id":                   {with(map[string]any{"jti": nil}), "", 0},
		"no end":                  {with(map[string]any{"exp": nil}), "", 0},
		"an end that is none":     {with(map[string]any{"exp": "never"}), "", 0},
		"an end of part seconds":  {with(map[string]any{"exp": 1.5}), "", 0},
		"an end far away":         {with(map[string]any{"exp": 1e300}), "", 0},
		"a session that is over":  {with(map[string]any{"state": 3}), "", 0},
		"an invalid session":      {with(map[string]any{"state": "invalid"}), "", 0},
		"an application":          {with(map[string]any{"stype": 1}), "", 0},
		"words of a user":         {with(map[string]any{"stype": "user", "state": "valid"}), "/alpha/eu", 5},
		"defaults left out":       {with(map[string]any{"stype": nil, "state": nil}), "/alpha/eu", 5},
		"no user":                 {with(map[string]any{"sub": nil}), "", 0},
		"an agent":                {with(map[string]any{"sub": "id=web,ou=agent," + root, "iss": root}), "", 0},
		"no name":                 {with(map[string]any{"sub": "id=,ou=user," + root}), "", 0},
		"an escaped name":         {with(map[string]any{"sub": `id=de\2cmo,ou=user,` + root, "iss": root}), "", 0},
		"a long name":             {with(map[string]any{"sub": "id=" + strings.Repeat("a", 300) + ",ou=user," + root, "iss": root}), "", 0},
		"issuer of another realm": {with(map[string]any{"iss": customers}), "", 0},
		"a realm with a slash":    {with(map[string]any{"sub": "id=demo,ou=user,o=a/b,ou=services," + root, "iss": nil}), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := r.Open(a.token(tc.claims, false), now)
			switch {
			case tc.want == "" && !errors.Is(err, amtoken.ErrToken):
				t.Errorf("opened %+v, %v", x, err)
			case tc.want != "" && (err != nil || x.Principal.Realm != tc.want || x.AuthLevel != tc.level):
				t.Errorf("opened %+v, %v; want realm %s, level %d", x, err, tc.want, tc.level)
			}
		})
	}
}

// A session of AM ends when its token says, when the configured date comes, and
// after the longest life of such a session. It began when maxtime says; where that
// is not said, or still to come, it counts as made long ago.
func TestEnds(t *testing.T) {
	a := newAM(t, realm.HS256, realm.Direct)
	a.config.Until = now.Add(time.Hour)
	r := a.reader()
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		exp     time.Time
		maxtime any
		created time.Time
		ends    time.Time
	}{
		"before the date": {now.Add(time.Minute), 120, now.Add(time.Minute - 2*time.Hour), now.Add(time.Minute)},
		"after it":        {now.Add(2 * time.Hour), 240, now.Add(-2 * time.Hour), now.Add(time.Hour)},
		"no maxtime":      {now.Add(time.Minute), nil, now.Add(time.Minute - session.MaxHolderLife), now.Add(time.Minute)},
		"a long maxtime":  {now.Add(20 * day), 60 * 24 * 60, now.Add(-40 * day), now.Add(-10 * day)},
		"an endless one":  {now.Add(time.Minute), 1e18, now.Add(time.Minute - 36500*day), now.Add(time.Minute - 36470*day)},
		"a clock ahead":   {now.Add(61 * time.Second), 1, now.Add(61*time.Second - session.MaxHolderLife), now.Add(61 * time.Second)},
		"over":            {now.Add(-time.Minute), 120, now.Add(-time.Minute - 2*time.Hour), now.Add(-time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			c := demo()
			c["exp"] = tc.exp.Unix()
			if delete(c, "maxtime"); tc.maxtime != nil {
				c["maxtime"] = tc.maxtime
			}
			x, err := r.Open(a.token(c, false), now)
			if err != nil || !x.Created.Equal(tc.created) || !x.Expires().Equal(tc.ends) || x.Valid(now) != now.Before(tc.ends) {
				t.Errorf("from %s to %s, %v; want %s to %s", x.Created, x.Expires(), err, tc.created, tc.ends)
			}
		})
	}
	late := demo()
	late["exp"] = now.Add(40 * day).Unix()
	if x, err := r.Open(a.token(late, false), now); !errors.Is(err, amtoken.ErrToken) {
		t.Errorf("made in the future: %+v, %v", x, err)
	}
	text := a.token(demo(), false)
	if _, err := r.Open(text, a.config.Until.Add(-time.Second)); err != nil {
		t.Errorf("just before the date: %v", err)
	}
	if _, err := r.Open(text, a.config.Until); !errors.Is(err, amtoken.ErrToken) {
		t.Errorf("at the date: %v", err)
	}
	one, two := demo(), demo()
	two["jti"] = "another"
	x, _ := r.Open(a.token(one, false), now)
	again, _ := r.Open(a.token(one, true), now)
	y, _ := r.Open(a.token(two, false), now)
	if x.ID != again.ID || x.ID == y.ID {
		t.Error("the ids of sessions do not follow from their jti")
	}
}

// Whoever knows a public key, or has a token of another form, opens nothing: the
// algorithms are those of the configuration.
func TestOnlyWhatIsConfigured(t *testing.T) {
	signed := newAM(t, realm.RS256, realm.EncryptionNone)
	r := signed.reader()
	// The public key as the secret of an HMAC.
	forged := newAM(t, realm.HS256, realm.EncryptionNone)
	forged.signs = signed.config.SigningKeys[0]
	both := newAM(t, realm.HS256, realm.Direct)
	inner := *both
	inner.signs, inner.config.Signing = nil, realm.SigningNone
	outer := *both
	outer.encrypts = nil
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`))
	payload, err := json.Marshal(demo())
	if err != nil {
		t.Fatal(err)
	}
	unsigned := none + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	huge := maps.Clone(demo())
	huge["props"] = map[string]any{"x": strings.Repeat("x", 33<<10)}
	for name, tc := range map[string]struct {
		r    *amtoken.Reader
		text string
	}{
		"a public key as a secret":     {r, forged.token(demo(), false)},
		"the inner token alone":        {both.reader(), inner.token(demo(), false)},
		"the outer token alone":        {both.reader(), outer.token(demo(), false)},
		"alg none":                     {r, unsigned},
		"alg none, packed more around": {both.reader(), unsigned},
		"a bomb inside":                {both.reader(), both.token(huge, true)},
		"a bomb outside":               {r, signed.token(huge, true)},
		"nothing":                      {r, ""},
		"stars":                        {r, "***"},
		"a journey":                    {r, "*AAJTSQACMDIABHR5cGUACEpXVF9BVVRIAAJTMQACMDE.*" + signed.token(demo(), false)},
		"no type":                      {r, "AQIC5wM2LY4Sfcx.*AAJTSQACMDE.*" + signed.token(demo(), false)},
		"a prefix in a prefix":         {r, prefix + prefix + signed.token(demo(), false)},
		"long":                         {r, strings.Repeat("a", amtoken.MaxText+1)},
	} {
		t.Run(name, func(t *testing.T) {
			if x, err := tc.r.Open(tc.text, now); !errors.Is(err, amtoken.ErrToken) {
				t.Errorf("opened %+v, %v", x, err)
			}
		})
	}
}

// What AM says of a session that is derived here does not stand beside it.
func TestProperties(t *testing.T) {
	a := newAM(t, realm.HS256, realm.Direct)
	c := demo()
	c["props"] = map[string]any{
		"AuthLevel": "5", "Service": "Login", "UserId": "amadmin", "sun.am.UniversalIdentifier": "id=amadmin", "Organization": "/",
		"NodeType": "X|", "AMCtxId": "7a-12", "am.protected.webhooks": "hook|", "plan": "gold",
	}
	x, err := a.reader().Open(a.token(c, false), now)
	if want := map[string]string{"AMCtxId": "7a-12", "am.protected.webhooks": "hook|", "plan": "gold"}; err != nil || !maps.Equal(x.Properties, want) {
		t.Errorf("properties %v, %v", x.Properties, err)
	}
	if x.Property("UserId") != "demo" || x.AuthLevel != 5 {
		t.Errorf("UserId %s, level %d", x.Property("UserId"), x.AuthLevel)
	}
}

func TestSeveralKeys(t *testing.T) {
	old, young := newAM(t, realm.HS256, realm.Direct), newAM(t, realm.HS256, realm.Direct)
	c := young.config
	c.SigningKeys = append(c.SigningKeys, old.config.SigningKeys...)
	c.EncryptionKeys = append(c.EncryptionKeys, old.config.EncryptionKeys...)
	r, err := amtoken.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*am{old, young} {
		if _, err := r.Open(a.token(demo(), false), now); err != nil {
			t.Error(err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := newAM(t, realm.HS256, realm.Direct).config
	rsaKeys := newAM(t, realm.RS256, realm.RSAEncryption).config
	for name, tc := range map[string]struct {
		edit    func(*amtoken.Config)
		setting string
	}{
		"no date":               {func(c *amtoken.Config) { c.Until = time.Time{} }, "until"},
		"no signing":            {func(c *amtoken.Config) { c.Signing = "" }, "signingKeys"},
		"no such signing":       {func(c *amtoken.Config) { c.Signing = "none" }, "signingKeys"},
		"no encryption":         {func(c *amtoken.Config) { c.Encryption = "" }, "encryption"},
		"no key":                {func(c *amtoken.Config) { c.SigningKeys = nil }, "signingKeys"},
		"no decryption key":     {func(c *amtoken.Config) { c.EncryptionKeys = nil }, "encryptionKeys"},
		"keys for nothing":      {func(c *amtoken.Config) { c.Encryption = realm.EncryptionNone }, "encryptionKeys"},
		"too many keys":         {func(c *amtoken.Config) { c.SigningKeys = slices.Repeat(c.SigningKeys, 5) }, "signingKeys"},
		"a short secret":        {func(c *amtoken.Config) { c.SigningKeys = [][]byte{encoded([]byte("changeit"))} }, "signingKeys"},
		"a secret that is none": {func(c *amtoken.Config) { c.SigningKeys = [][]byte{[]byte("!")} }, "signingKeys"},
		"a key of 16 bytes":     {func(c *amtoken.Config) { c.EncryptionKeys = [][]byte{encoded(make([]byte, 16))} }, "encryptionKeys"},
		"a wrapping key of 20": {func(c *amtoken.Config) {
			c.Encryption, c.EncryptionKeys = realm.AESKeyWrap, [][]byte{encoded(make([]byte, 20))}
		}, "encryptionKeys"},
		"a secret for RS256":       {func(c *amtoken.Config) { c.Signing = realm.RS256 }, "signingKeys"},
		"an RSA key for ES256":     {func(c *amtoken.Config) { c.Signing, c.SigningKeys = realm.ES256, rsaKeys.SigningKeys }, "signingKeys"},
		"a private key to verify":  {func(c *amtoken.Config) { c.Signing, c.SigningKeys = realm.RS256, rsaKeys.EncryptionKeys }, "signingKeys"},
		"a public key to decrypt":  {func(c *amtoken.Config) { c.Encryption, c.EncryptionKeys = realm.RSAEncryption, rsaKeys.SigningKeys }, "encryptionKeys"},
		"neither":                  {func(c *amtoken.Config) { *c = amtoken.Config{Until: now, Signing: "NONE", Encryption: "NONE"} }, "signing"},
		"encrypted with RSA alone": {func(c *amtoken.Config) { *c = rsaKeys; c.Signing, c.SigningKeys = "NONE", nil }, "signing"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tc.edit(&c)
			_, err := amtoken.New(c)
			var wrong *amtoken.SettingError
			if !errors.As(err, &wrong) || wrong.Setting != tc.setting {
				t.Errorf("got %v, want a fault of %s", err, tc.setting)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	t := &testing.T{}
	a := newAM(t, realm.HS256, realm.Direct)
	plain := newAM(t, realm.HS256, realm.EncryptionNone)
	f.Add(a.token(demo(), false))
	f.Add("AQIC5w." + prefix + plain.token(demo(), true))
	readers := []*amtoken.Reader{a.reader(), plain.reader()}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range readers {
			x, err := r.Open(text, now)
			if err != nil && !errors.Is(err, amtoken.ErrToken) {
				t.Fatalf("error %v", err)
			}
			if err == nil && (x.Principal.Username != "demo" || x.Principal.Realm != "/alpha/eu") {
				t.Fatalf("opened %+v", x)
			}
		}
	})
}
