package link

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"os"
	"sync"
	"time"
)

// ServerName is the DNS name that every member's certificate carries. It is
// fixed because members are reached under changing addresses, and it is required
// so that not each certificate of a company-wide authority opens the cluster.
const ServerName = "member.sojourn.internal"

// alpn names the protocol of the first bytes after the handshake.
const alpn = "sojourn/1"

// Credentials prove that a process belongs to the cluster, and check that its
// peers do. A peer needs a certificate for ServerName, usable for servers and
// clients, that leads to the cluster's authority. If the certificate carries a
// URI of the form sojourn://member/ID, its bearer is that member and no other.
type Credentials struct {
	files *fileCredentials // nil: derived, identity never changes

	mu       sync.Mutex
	identity *identity
}

// identity is one certificate and the authority for those of the peers.
type identity struct {
	server, client *tls.Config
}

func newIdentity(cert tls.Certificate, authority *x509.CertPool) *identity {
	base := tls.Config{
		MinVersion:                  tls.VersionTLS13,
		Certificates:                []tls.Certificate{cert},
		NextProtos:                  []string{alpn},
		SessionTicketsDisabled:      true, // each connection shows its certificate
		DynamicRecordSizingDisabled: true,
		VerifyConnection:            verifyPeer,
	}
	server, client := base.Clone(), base.Clone()
	server.ClientAuth = tls.RequireAndVerifyClientCert
	server.ClientCAs = authority
	client.RootCAs = authority
	client.ServerName = ServerName
	return &identity{server: server, client: client}
}

// verifyPeer runs after the certificate chain has been verified.
func verifyPeer(s tls.ConnectionState) error {
	if s.NegotiatedProtocol != alpn {
		return fmt.Errorf("peer did not ask for protocol %s", alpn)
	}
	return s.PeerCertificates[0].VerifyHostname(ServerName)
}

// Derived makes credentials from a seed of 32 bytes that all members share, by
// making the same authority in each of them, and a fresh certificate for member
// from random. The certificate lives as long as the process and therefore has
// no other end; no clock is needed to check it.
func Derived(seed []byte, member string, random io.Reader) (*Credentials, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("seed of %d bytes, need %d", len(seed), ed25519.SeedSize)
	}
	if err := checkMember(member); err != nil {
		return nil, err
	}
	fresh := make([]byte, ed25519.SeedSize+16)
	if _, err := io.ReadFull(random, fresh); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	authorityKey := ed25519.NewKeyFromSeed(seed)
	authority, err := deriveAuthority(authorityKey)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	key := ed25519.NewKeyFromSeed(fresh[:ed25519.SeedSize])
	leaf := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(fresh[ed25519.SeedSize:]),
		Subject:      pkix.Name{CommonName: "sojourn member " + member},
		NotBefore:    authority.NotBefore,
		NotAfter:     authority.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{ServerName},
		URIs:         []*url.URL{memberURI(member)},
	}
	der, err := x509.CreateCertificate(nil, leaf, authority, key.Public(), authorityKey)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &Credentials{identity: newIdentity(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool)}, nil
}

// deriveAuthority makes the same certificate from the same key, always.
func deriveAuthority(key ed25519.PrivateKey) (*x509.Certificate, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		panic("ed25519 key has another public key")
	}
	id := sha256.Sum256(public)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("sojourn cluster %x", id[:8])},
		SubjectKeyId:          id[:20],
		NotBefore:             time.Unix(0, 0).UTC(),
		NotAfter:              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280: no end
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(nil, template, template, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func memberURI(member string) *url.URL {
	return &url.URL{Scheme: "sojourn", Host: "member", Path: "/" + member}
}

// namedMember is the member that a certificate is bound to, or "".
func namedMember(cert *x509.Certificate) string {
	for _, u := range cert.URIs {
		if u.Scheme == "sojourn" && u.Host == "member" && len(u.Path) > 1 {
			return u.Path[1:]
		}
	}
	return ""
}

// Files takes the credentials from PEM files: the certificate with any
// intermediates, its key, and the authorities that peers may come from. The
// certificate must pass the check that peers will put it to. The files are read
// again for each new connection; content that cannot be used is reported by
// the link and the former stays in force.
func Files(cert, key, ca string) (*Credentials, error) {
	f := &fileCredentials{paths: [3]string{cert, key, ca}}
	id, err := f.load()
	if err != nil {
		return nil, err
	}
	return &Credentials{files: f, identity: id}, nil
}

// current returns the identity for a new connection. An error says why changed
// files are not in use.
func (c *Credentials) current() (*identity, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		return c.identity, nil
	}
	id, err := c.files.load()
	if id != nil {
		c.identity = id
	}
	return c.identity, err
}

type fileCredentials struct {
	paths  [3]string // certificate, key, authorities
	loaded [3][]byte
}

// load returns the identity in the files, or nil if they hold what was loaded last.
func (f *fileCredentials) load() (*identity, error) {
	var now [3][]byte
	for i, path := range f.paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read member certificate: %w", err)
		}
		now[i] = b
	}
	if bytes.Equal(now[0], f.loaded[0]) && bytes.Equal(now[1], f.loaded[1]) && bytes.Equal(now[2], f.loaded[2]) {
		return nil, nil
	}
	pair, err := tls.X509KeyPair(now[0], now[1])
	if err != nil {
		return nil, fmt.Errorf("member certificate %s with key %s: %w", f.paths[0], f.paths[1], err)
	}
	pool, err := parseAuthorities(now[2])
	if err != nil {
		return nil, fmt.Errorf("member authorities %s: %w", f.paths[2], err)
	}
	if err := checkOwn(pair, pool); err != nil {
		return nil, fmt.Errorf("member certificate %s: %w", f.paths[0], err)
	}
	f.loaded = now
	return newIdentity(pair, pool), nil
}

func parseAuthorities(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, errors.New("no certificate in it")
	}
	return pool, nil
}

// checkOwn puts the own certificate to the test that peers will put it to.
func checkOwn(pair tls.Certificate, authorities *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		intermediates.AddCert(cert)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{
			DNSName:       ServerName,
			Roots:         authorities,
			Intermediates: intermediates,
			KeyUsages:     []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
