package identity

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// Passwords that the vectors below were made of.
const (
	ascii   Secret = "correct horse"
	letters Secret = "pässwörd 日本"
)

// vectors were made by other implementations: argon2(1) of the reference
// implementation, passlib, Python's bcrypt and hashlib, Apache's htpasswd. The
// one of "password" is published in forgeops and came from a ForgeRock
// directory.
func vectors() map[string]struct {
	hash     Hash
	password Secret
} {
	type vector = struct {
		hash     Hash
		password Secret
	}
	return map[string]vector{
		"argon2id":             {"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", ascii},
		"argon2id letters":     {"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQwMTIz$CdmVFbPZOeV/mnfK04T3mrXky3c+tNK4elmttjaLGs4", letters},
		"argon2id default":     {"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQwMTIz$IcnGz8NMn/8pXQukWeDMrFohxADmign2rndHm96/rgQ", ascii},
		"argon2i two lanes":    {"$argon2i$v=19$m=256,t=3,p=2$c29tZXNhbHQwMTIz$HEtV42axy3/IFfPBUfsEqnr2ar6BNYf3", ascii},
		"argon2 in directory":  {"{ARGON2}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", ascii},
		"bcrypt 2a":            {"$2a$04$lrvysAGcjzVfeTlTJdKsweGVVx2vyfkxQ2lKGOOh0Gv9G8cQU2MOO", ascii},
		"bcrypt 2b":            {"$2b$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", ascii},
		"bcrypt 2y":            {"$2y$04$wZ2mLUCLX3bI6AK0MXu.ae18E9bWVisJk.OYXpMjwZ26crDnas6la", ascii},
		"bcrypt letters":       {"$2b$05$qp/5fz4yytnv2MKOnPNyp.PqECnWOM9zw6B/5cuXGedyp75fUu/LO", letters},
		"bcrypt 72 bytes":      {"$2b$04$00nb9E/nUkWGsxSwtsLDF.PEkC9XGy9oDjCApRdVUtctzO2QKiwU6", Secret(strings.Repeat("x", 72))},
		"bcrypt in directory":  {"{BCRYPT}$2b$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", ascii},
		"scrypt":               {"$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M", ascii},
		"scrypt letters":       {"$scrypt$ln=4,r=8,p=2$//79/Pv6+fg$FSB/bAq6JalDOuhwlGQAv7vNH9RWnPG1zWBbxyt/eHE", letters},
		"PBKDF2 sha1":          {"$pbkdf2$1000$//79/Pv6.fg$A6kNvE7vNTpkw9cHDHSXLTyEhac", ascii},
		"PBKDF2 sha256":        {"$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M", ascii},
		"PBKDF2 sha512":        {"$pbkdf2-sha512$1000$MDEyMzQ1Njc4OWFiY2RlZg$Md8JuCPb1hpo/wCpanrpwscuJZptYXjfYvkGpBz/45wiZ.NyuY9Ax3Aee1yCwc4seoG7rTKDDxYe0tA0odZMAg", letters},
		"directory sha1":       {"{PBKDF2}1000:wQoBU7GXMNo2CJC+raijrf6key5zYWx0c2FsdA==", ascii},
		"directory sha512":     {"{PBKDF2-HMAC-SHA512}1000:Md8JuCPb1hpo/wCpanrpwscuJZptYXjfYvkGpBz/45wiZ+NyuY9Ax3Aee1yCwc4seoG7rTKDDxYe0tA0odZMAjAxMjM0NTY3ODlhYmNkZWY=", letters},
		"ForgeRock DS sha256":  {"{PBKDF2-HMAC-SHA256}10000:xKsMmlzVLRYdYzcgBuD3ZIAeSj8tNhjDHGFDqhth8Kcbw5qjL5UZxaiS2awL1HjO", "password"},
		"directory lower case": {"{pbkdf2}1000:wQoBU7GXMNo2CJC+raijrf6key5zYWx0c2FsdA==", ascii},
	}
}

func TestVerifyKnownAnswers(t *testing.T) {
	for name, v := range vectors() {
		t.Run(name, func(t *testing.T) {
			if ok, err := Verify(v.hash, v.password); err != nil || !ok {
				t.Errorf("right password: %t, %v", ok, err)
			}
			wrong := v.password[1:]
			if ok, err := Verify(v.hash, wrong); err != nil || ok {
				t.Errorf("wrong password: %t, %v", ok, err)
			}
			if err := Check(v.hash); err != nil {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

// TestVerifyReadsTheWholeDigest flips each character of each vector's digest:
// none may match any more.
func TestVerifyReadsTheWholeDigest(t *testing.T) {
	for name, v := range vectors() {
		if strings.Contains(string(v.hash), "m=19456") || strings.Contains(string(v.hash), "}10000:") {
			continue // the same code at a higher price
		}
		t.Run(name, func(t *testing.T) {
			text := []byte(v.hash)
			for i := len(text) - 16; i < len(text); i++ {
				changed := bytes.Clone(text)
				changed[i] = 'A' + (changed[i]+1)%26
				if bytes.Equal(changed, text) {
					continue
				}
				if ok, _ := Verify(Hash(changed), v.password); ok {
					t.Errorf("matches with character %d changed", i)
				}
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	const salt, digest = "c29tZXNhbHQwMTIz", "aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ"
	for name, tc := range map[string]struct {
		hash Hash
		want error
	}{
		"empty":                    {"", ErrHash},
		"in clear":                 {"hunter2", ErrHash},
		"too long":                 {Hash("$argon2id$" + strings.Repeat("x", 600)), ErrHash},
		"line end":                 {"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + digest + "\n", ErrHash},
		"unknown kind":             {"$6$abc$def", ErrHash},
		"argon2d":                  {"$argon2d$v=19$m=64,t=1,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 version 16":        {"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 without version":   {"$argon2id$m=64,t=1,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 parameter order":   {"$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 extra parameter":   {"$argon2id$v=19$m=64,t=1,p=1,keyid=AA$" + salt + "$" + digest, ErrHash},
		"argon2 no passes":         {"$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 no lanes":          {"$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + digest, ErrHash},
		"argon2 lanes over a byte": {"$argon2id$v=19$m=64,t=1,p=257$" + salt + "$" + digest, ErrHash},
		"argon2 memory under 8p":   {"$argon2id$v=19$m=15,t=1,p=2$" + salt + "$" + digest, ErrHash},
		"argon2 leading zero":      {"$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 sign":              {"$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 overflow":          {"$argon2id$v=19$m=4294967360,t=1,p=1$" + salt + "$" + digest, ErrHash},
		"argon2 too much memory":   {"$argon2id$v=19$m=4194304,t=1,p=1$" + salt + "$" + digest, ErrCost},
		"argon2 too many passes":   {"$argon2id$v=19$m=64,t=4294967295,p=1$" + salt + "$" + digest, ErrCost},
		"argon2 all of it":         {"$argon2id$v=19$m=4294967295,t=4294967295,p=255$" + salt + "$" + digest, ErrCost},
		"short salt":               {"$argon2id$v=19$m=64,t=1,p=1$c29t$" + digest, ErrHash},
		"short digest":             {"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + salt, ErrHash},
		"padded base64":            {"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + digest + "=", ErrHash},
		"bcrypt 2x":                {"$2x$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", ErrHash},
		"bcrypt cost 3":            {"$2b$03$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", ErrHash},
		"bcrypt cost 15":           {"$2b$15$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", ErrCost},
		"bcrypt cost 31":           {"$2b$31$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", ErrCost},
		"bcrypt cost of letters":   {"$2b$0x$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", ErrHash},
		"bcrypt cut":               {"$2b$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80", ErrHash},
		"bcrypt never matching":    {"$2b$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80v", ErrHash},
		"scrypt too much memory":   {"$scrypt$ln=20,r=8,p=1$" + salt + "$" + digest, ErrCost},
		"scrypt too much time":     {"$scrypt$ln=14,r=8,p=100$" + salt + "$" + digest, ErrCost},
		"scrypt overflow":          {"$scrypt$ln=63,r=8,p=1$" + salt + "$" + digest, ErrHash},
		"scrypt r times p":         {"$scrypt$ln=1,r=4294967295,p=4294967295$" + salt + "$" + digest, ErrHash},
		"scrypt no r":              {"$scrypt$ln=4,r=0,p=1$" + salt + "$" + digest, ErrHash},
		"PBKDF2 too much time":     {"$pbkdf2-sha256$4294967295$" + salt + "$" + digest, ErrCost},
		"PBKDF2 no iterations":     {"$pbkdf2-sha256$0$" + salt + "$" + digest, ErrHash},
		"PBKDF2 wrong digest":      {"$pbkdf2-sha512$1000$" + salt + "$" + digest, ErrHash},
		"directory too much time":  {"{PBKDF2}100000000:wQoBU7GXMNo2CJC+raijrf6key5zYWx0c2FsdA==", ErrCost},
		"directory without salt":   {"{PBKDF2}1000:wQoBU7GXMNo2CJC+raijrf6key4=", ErrHash},
		"directory open brace":     {"{PBKDF2", ErrHash},
		"salted SHA":               {"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", ErrHash},
		"clear":                    {"{CLEAR}hunter2", ErrHash},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			err := Check(tc.hash)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Check = %v, want %v", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), digest) {
				t.Fatalf("the error tells the secret: %v", err)
			}
			if _, verifyErr := Verify(tc.hash, ascii); !errors.Is(verifyErr, tc.want) {
				t.Fatalf("Verify = %v, want %v", verifyErr, tc.want)
			}
			if took := time.Since(start); took > time.Second {
				t.Fatalf("refusing took %s", took)
			}
		})
	}
}

func TestVerifyRefusesPasswords(t *testing.T) {
	const bcryptHash = "$2b$04$00nb9E/nUkWGsxSwtsLDF.PEkC9XGy9oDjCApRdVUtctzO2QKiwU6"
	for name, tc := range map[string]struct {
		hash     Hash
		password Secret
	}{
		"empty":              {bcryptHash, ""},
		"too long":           {"$pbkdf2$1000$//79/Pv6.fg$A6kNvE7vNTpkw9cHDHSXLTyEhac", Secret(strings.Repeat("x", MaxPassword+1))},
		"zero byte":          {bcryptHash, "x\x00x"},
		"beyond bcrypt's 72": {bcryptHash, Secret(strings.Repeat("x", 73))},
	} {
		t.Run(name, func(t *testing.T) {
			ok, err := Verify(tc.hash, tc.password)
			if ok || !errors.Is(err, ErrPassword) {
				t.Fatalf("Verify = %t, %v", ok, err)
			}
			if _, err := Prepare(tc.hash, tc.password); !errors.Is(err, ErrPassword) {
				t.Fatalf("Prepare = %v", err)
			}
		})
	}
}

func TestMake(t *testing.T) {
	p := Params{Memory: 64, Time: 1, Threads: 1}
	salt := strings.NewReader("0123456789abcdef")
	h, err := Make(letters, p, salt)
	if err != nil {
		t.Fatal(err)
	}
	if want := "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"; !strings.HasPrefix(string(h), want) {
		t.Fatalf("made %q, want the start %q", string(h), want)
	}
	if ok, err := Verify(h, letters); err != nil || !ok {
		t.Fatalf("own hash: %t, %v", ok, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", h, h, h); strings.Contains(text, "argon") {
		t.Fatalf("a hash prints as %s", text)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "hash", h, "password", letters)
	if strings.Contains(log.String(), "argon") || strings.Contains(log.String(), "日本") {
		t.Fatalf("logged: %s", log.String())
	}
}

func TestMakeRefuses(t *testing.T) {
	broken := errors.New("no entropy")
	good := Params{Memory: 64, Time: 1, Threads: 1}
	for name, tc := range map[string]struct {
		password Secret
		params   Params
		want     error
	}{
		"empty password": {"", good, ErrPassword},
		"long password":  {Secret(strings.Repeat("x", MaxPassword+1)), good, ErrPassword},
		"zero params":    {ascii, Params{}, ErrHash},
		"too costly":     {ascii, Params{Memory: 1 << 20, Time: 1, Threads: 1}, ErrCost},
		"no salt":        {ascii, good, broken},
	} {
		t.Run(name, func(t *testing.T) {
			if h, err := Make(tc.password, tc.params, iotest.ErrReader(broken)); h != "" || !errors.Is(err, tc.want) {
				t.Fatalf("Make = %q, %v; want %v", string(h), err, tc.want)
			}
		})
	}
}

func TestOutdated(t *testing.T) {
	policy := Params{Memory: 64, Time: 2, Threads: 1}
	for name, tc := range map[string]struct {
		hash Hash
		want bool
	}{
		"as the policy":  {"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", false},
		"stronger":       {"$argon2id$v=19$m=128,t=3,p=2$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", false},
		"less memory":    {"$argon2id$v=19$m=32,t=9,p=1$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", true},
		"fewer passes":   {"$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", true},
		"argon2i":        {"$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", true},
		"bcrypt":         {"$2b$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u", true},
		"nothing at all": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Outdated(tc.hash, policy); got != tc.want {
				t.Fatalf("Outdated = %t", got)
			}
		})
	}
}

// FuzzVerify wants of any text that it is refused, or checked within the
// limits; and that a text which costs little is really checked in little time.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors() {
		f.Add(string(v.hash), string(v.password))
	}
	f.Add("$scrypt$ln=20,r=8,p=1$c29tZXNhbHQwMTIz$aT6A/yHGvRfIFC8zAbsla8fC0mnDvwzqy9gd7lrdNLQ", "x")
	limit := MaxCost()
	f.Fuzz(func(t *testing.T, text, password string) {
		cost, err := CostOf(Hash(text))
		if err != nil {
			if !errors.Is(err, ErrHash) && !errors.Is(err, ErrCost) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if cost.Time <= 0 || cost.Memory <= 0 || cost.Time > limit.Time || cost.Memory > limit.Memory {
			t.Fatalf("cost %+v of %q", cost, text)
		}
		if cost.Time > 5*time.Millisecond {
			return
		}
		start := time.Now()
		_, err = Verify(Hash(text), Secret(password))
		if err != nil && !errors.Is(err, ErrPassword) {
			t.Fatalf("Verify of a checked hash: %v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Fatalf("%q took %s, estimated %s", text, took, cost.Time)
		}
	})
}
