package clientside

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sojourn/actors/realm"
)

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		how  realm.ClientSide
		want error
	}{
		"AM's default":           {realm.ClientSide{Signing: realm.HS256, Encryption: realm.Direct}, nil},
		"signed only":            {realm.ClientSide{Signing: realm.ES384, Encryption: realm.EncryptionNone}, nil},
		"encrypted only":         {realm.ClientSide{Signing: realm.SigningNone, Encryption: realm.Direct}, nil},
		"wrapped only":           {realm.ClientSide{Signing: realm.SigningNone, Encryption: realm.AESKeyWrap}, nil},
		"signed and RSA":         {realm.ClientSide{Signing: realm.RS256, Encryption: realm.RSAEncryption}, nil},
		"neither":                {realm.ClientSide{Signing: realm.SigningNone, Encryption: realm.EncryptionNone}, errUnprotected},
		"RSA alone":              {realm.ClientSide{Signing: realm.SigningNone, Encryption: realm.RSAEncryption}, errAnybody},
		"no such signing":        {realm.ClientSide{Signing: "none", Encryption: realm.Direct}, errSigning},
		"a JOSE name":            {realm.ClientSide{Signing: realm.HS256, Encryption: "dir"}, errEncryption},
		"nothing said":           {realm.ClientSide{}, errSigning},
		"an algorithm of no use": {realm.ClientSide{Signing: "PS256", Encryption: realm.Direct}, errSigning},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Check(tc.how); !errors.Is(err, tc.want) || err != nil && tc.want == nil {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if _, err := codec(t, allKeys(t)).Seal(Session, tc.how, sample(Session)); !errors.Is(err, tc.want) {
				t.Errorf("Seal: %v, want %v", err, tc.want)
			}
		})
	}
}

func TestSealOpen(t *testing.T) {
	c := codec(t, allKeys(t))
	for _, how := range settings() {
		for _, p := range Purposes() {
			t.Run(p.String()+" "+label(how), func(t *testing.T) {
				want := sample(p)
				text, err := c.Seal(p, how, want)
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.Open(p, text)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("opened %+v, %v, want %+v", got, err, want)
				}
				for _, other := range Purposes() {
					if other == p {
						continue
					}
					if _, err := c.Open(other, text); !errors.Is(err, ErrToken) {
						t.Errorf("opened as %s: %v", other, err)
					}
				}
				secret := how.Encryption != realm.EncryptionNone || p != Session
				if open := strings.Contains(readable(t, text), "demo"); open == secret && !how.Compression {
					t.Errorf("readable: %v", open)
				}
			})
		}
	}
}

// readable is the text with all that is plain base64 decoded.
func readable(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	for part := range strings.SplitSeq(text, ".") {
		raw, err := b64.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
		for inner := range strings.SplitSeq(string(raw), ".") {
			deep, _ := b64.DecodeString(inner)
			out.Write(deep)
		}
	}
	return out.String()
}

// A change in any place makes a text that is no token, also one that would
// leave the meaning alone.
func TestEveryChangeIsRefused(t *testing.T) {
	c := codec(t, allKeys(t))
	for _, how := range settings() {
		t.Run(label(how), func(t *testing.T) {
			text, err := c.Seal(Session, how, sample(Session))
			if err != nil {
				t.Fatal(err)
			}
			step := 1
			if how.Encryption == realm.RSAEncryption {
				step = 11
			}
			if _, slow := privateSignatures()[how.Signing]; slow {
				step = 97 // all of what they have in common is changed in the others
			}
			for i := 0; i < len(text); i += step {
				for _, by := range []byte{text[i] ^ 1, '.', 'A', '\n', '=', 0x80} {
					if by == text[i] {
						continue
					}
					refused(t, c, text[:i]+string([]byte{by})+text[i+1:])
				}
				refused(t, c, text[:i]+text[i+1:])
				refused(t, c, text[:i]+"\n"+text[i:])
			}
			for _, other := range []string{text + ".", text + "A", text + "\r\n", text + "=", "." + text, " " + text, text + "." + text, ""} {
				refused(t, c, other)
			}
		})
	}
}

func privateSignatures() map[realm.Signing]bool {
	return map[realm.Signing]bool{realm.RS256: true, realm.ES256: true, realm.ES384: true, realm.ES512: true}
}

func refused(t *testing.T, c *Codec, text string) {
	t.Helper()
	_, err := c.Open(Session, text)
	var newer *NewerKeyError
	if !errors.Is(err, ErrToken) && !errors.As(err, &newer) {
		t.Errorf("%q: %v", text, err)
	}
}

func TestClaimsKeepTheirValues(t *testing.T) {
	c := codec(t, allKeys(t))
	how := realm.ClientSide{Signing: realm.HS256, Encryption: realm.EncryptionNone}
	for name, tc := range map[string]struct{ in, want Content }{
		"quotes":     {Content{Subject: `a"b\`, Realm: "/\u2028\t"}, Content{Subject: `a"b\`, Realm: "/\u2028\t"}},
		"other text": {Content{Subject: "Ωμέγα 𝛀"}, Content{Subject: "Ωμέγα 𝛀"}},
		"an empty body": {
			Content{Body: []byte("{}")}, Content{},
		},
		"part of a second": {
			Content{Issued: time.Unix(7, 999), Expires: time.Unix(8, 1)}, Content{Issued: time.Unix(7, 0), Expires: time.Unix(9, 0)},
		},
		"before 1970": {Content{Issued: time.Unix(-7, 0), Expires: time.Unix(0, 0)}, Content{Issued: time.Unix(-7, 0), Expires: time.Unix(0, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := c.Seal(Session, how, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Open(Session, text)
			if err != nil || got.Subject != tc.want.Subject || got.Realm != tc.want.Realm || !bytes.Equal(got.Body, tc.want.Body) ||
				got.Issued.Unix() != tc.want.Issued.Unix() || got.Expires.Unix() != tc.want.Expires.Unix() {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	c := codec(t, allKeys(t))
	how := realm.ClientSide{Signing: realm.HS256, Encryption: realm.Direct}
	for name, tc := range map[string]struct {
		content Content
		want    error
	}{
		"no UTF-8":              {Content{Subject: "\xff"}, errText},
		"a body of other kind":  {Content{Body: []byte(`[1]`)}, errBody},
		"a body that is cut":    {Content{Body: []byte(`{"a":1`)}, errBody},
		"a body with more":      {Content{Body: []byte(`{"a":1}}`)}, errBody},
		"white space in front":  {Content{Body: []byte(`{ "a":1}`)}, errBody},
		"more claims than fit":  {Content{Subject: strings.Repeat("a", MaxClaims)}, ErrSize},
		"more text than fits":   {Content{Subject: strings.Repeat("a", MaxText/2)}, nil},
		"and a little too much": {Content{Subject: strings.Repeat("a", MaxText*9/16)}, ErrSize},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.Seal(Session, how, tc.content); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// A packed token that would unfold to more than MaxClaims is refused, however
// small it is.
func TestBombIsRefused(t *testing.T) {
	c := codec(t, allKeys(t))
	how := realm.ClientSide{Signing: realm.HS256, Encryption: realm.Direct, Compression: true}
	k := c.keys()
	signing, encryption, err := k.active(Session, how)
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]error{MaxClaims: nil, MaxClaims + 1: ErrToken, 4 << 20: ErrToken} {
		frame, err := appendClaims(Session, Content{Body: []byte(`{"a":""}`)})
		if err != nil {
			t.Fatal(err)
		}
		claims := bytes.Replace(frame, []byte(`"a":""`), []byte(`"a":"`+strings.Repeat("x", size-len(frame))+`"`), 1)
		inner, err := encryption.seal(true, pack(claims), bytes.NewReader(make([]byte, 64)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := signing.sign(nested, inner)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Open(Session, string(text)); !errors.Is(err, want) {
			t.Errorf("%d bytes in a token of %d: %v, want %v", size, len(text), err, want)
		}
	}
}
