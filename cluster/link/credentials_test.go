package link

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDerivedAuthorityIsOfTheSeedAlone(t *testing.T) {
	first, err := deriveAuthority(ed25519.NewKeyFromSeed(seed(1)))
	if err != nil {
		t.Fatal(err)
	}
	second, err := deriveAuthority(ed25519.NewKeyFromSeed(seed(1)))
	if err != nil || !bytes.Equal(first.Raw, second.Raw) {
		t.Errorf("one seed, two authorities (%v)", err)
	}
	leaf := func(secret byte, member string) *x509.Certificate {
		cert, err := x509.ParseCertificate(derived(t, secret, member).identity.server.Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	a, b := leaf(1, "a"), leaf(1, "a")
	if bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo) {
		t.Error("two runs share a key")
	}
	if namedMember(a) != "a" {
		t.Errorf("certificate names %q", namedMember(a))
	}
	if err := a.CheckSignatureFrom(first); err != nil {
		t.Error(err)
	}
	if err := leaf(2, "a").CheckSignatureFrom(first); err == nil {
		t.Error("another secret's certificate passes")
	}
	// Members of all times and of clocks that were never set understand each other.
	for _, now := range []time.Time{time.Unix(1, 0), time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		pool := x509.NewCertPool()
		pool.AddCert(first)
		if _, err := a.Verify(x509.VerifyOptions{Roots: pool, DNSName: ServerName, CurrentTime: now}); err != nil {
			t.Errorf("at %v: %v", now, err)
		}
	}
}

func TestDerivedChecksItsInput(t *testing.T) {
	tests := []struct {
		name   string
		seed   []byte
		member string
		random *bytes.Reader
	}{
		{"short seed", seed(1)[:31], "a", bytes.NewReader(make([]byte, 99))},
		{"no member", seed(1), "", bytes.NewReader(make([]byte, 99))},
		{"no randomness", seed(1), "a", bytes.NewReader(make([]byte, 9))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Derived(tt.seed, tt.member, tt.random); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// authority is an operator's PKI in a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// issue writes a member's certificate, key and authorities into dir.
func (a *authority) issue(t *testing.T, dir string, change func(*x509.Certificate)) (cert, key, ca string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		DNSNames:    []string{ServerName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &priv.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, dir, "tls.crt", "CERTIFICATE", der), put(t, dir, "tls.key", "PRIVATE KEY", pkcs8), put(t, dir, "ca.crt", "CERTIFICATE", a.cert.Raw)
}

func put(t *testing.T, dir, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilesAreChecked(t *testing.T) {
	ca, other := newAuthority(t, "ours"), newAuthority(t, "other")
	tests := []struct {
		name   string
		change func(*x509.Certificate)
		spoil  func(t *testing.T, dir string)
		want   string // "" accepts
	}{
		{"good", nil, nil, ""},
		{"bound to a member", func(c *x509.Certificate) { c.URIs = append(c.URIs, memberURI("m")) }, nil, ""},
		{"another name", func(c *x509.Certificate) { c.DNSNames = []string{"laptop.example.com"} }, nil, "laptop.example.com"},
		{"for servers only", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }, nil, "incompatible key usage"},
		{"expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, nil, "expired"},
		{"other authority", nil, func(t *testing.T, dir string) { put(t, dir, "ca.crt", "CERTIFICATE", other.cert.Raw) }, "unknown authority"},
		{"other key", nil, func(t *testing.T, dir string) {
			other.issue(t, filepath.Join(dir, "x"), nil)
			if err := os.Rename(filepath.Join(dir, "x", "tls.key"), filepath.Join(dir, "tls.key")); err != nil {
				t.Fatal(err)
			}
		}, "private key does not match"},
		{"key as authority", nil, func(t *testing.T, dir string) { put(t, dir, "ca.crt", "PRIVATE KEY", nil) }, "holds a PRIVATE KEY"},
		{"empty authority", nil, func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "ca.crt"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "no certificate in it"},
		{"missing", nil, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "tls.key")); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			cert, key, authorities := ca.issue(t, dir, tt.change)
			if tt.spoil != nil {
				tt.spoil(t, dir)
			}
			_, err := Files(cert, key, authorities)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	ours, next := newAuthority(t, "ours"), newAuthority(t, "next")
	cert, key, ca := ours.issue(t, dir, nil)
	log := newRecords()
	run := func(member string) *Link {
		c, err := Files(cert, key, ca)
		if err != nil {
			t.Fatal(err)
		}
		l, err := New(Config{Listener: listen(t), TLS: c, Member: member, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		l.Listen(Raft)
		return l
	}
	a, b := run("a"), run("b")
	meet := func(from, to *Link) error {
		conn, err := from.Dial(t.Context(), Raft, to.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := meet(a, b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := meet(a, b); err != nil {
		t.Errorf("with a file half written: %v", err)
	}
	log.await(t, "level=WARN", "the former stay in force", "tls.crt")
	next.issue(t, dir, nil)
	if err := meet(b, a); err != nil {
		t.Errorf("with the next authority: %v", err)
	}
	stale := start(t, "stale", 1)
	if err := meet(stale.Link, a); err == nil {
		t.Error("a member of another authority is let in")
	}
	// The private key of a member's own certificate decides nothing without the name.
	var down *DownError
	if err := meet(a, stale.Link); !errors.As(err, &down) {
		t.Errorf("got %v", err)
	}
}
