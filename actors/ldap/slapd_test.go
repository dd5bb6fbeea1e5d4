package ldap

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

const slapdConf = `
include   /etc/ldap/schema/core.schema
include   /etc/ldap/schema/cosine.schema
include   /etc/ldap/schema/inetorgperson.schema
include   {{.Schema}}
pidfile   {{.Dir}}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
TLSCACertificateFile    {{.Dir}}/ca.pem
TLSCertificateFile      {{.Dir}}/server.pem
TLSCertificateKeyFile   {{.Dir}}/server.key
database  mdb
maxsize   16777216
suffix    "dc=example,dc=com"
rootdn    "cn=root,dc=example,dc=com"
rootpw    rootsecret
directory {{.Dir}}/db
overlay   ppolicy
ppolicy_default "cn=policy,dc=example,dc=com"
ppolicy_use_lockout
access to attrs=userPassword by self write by anonymous auth
access to attrs=cn by dn.exact="cn=service,dc=example,dc=com" read
access to * by dn.exact="cn=service,dc=example,dc=com" write by self write
`

// slapd is OpenLDAP's server in a folder of its own, on loopback ports.
type slapd struct {
	t     *testing.T
	dir   string
	plain string // host:port
	tls   string
	roots *x509.CertPool
	cmd   *exec.Cmd
}

// startSlapd gives a directory with the users of testdata/users.ldif. A test
// that needs one fails where slapd is not installed: LDAP is not left untested
// unseen.
func startSlapd(t *testing.T) *slapd {
	t.Helper()
	if _, err := exec.LookPath("/usr/sbin/slapd"); err != nil {
		t.Fatalf("%v: install Debian's package slapd (apt-get install slapd)", err)
	}
	s := &slapd{t: t, dir: t.TempDir(), plain: freePort(t), tls: freePort(t)}
	s.certify()
	schema, err := filepath.Abs("testdata/account.schema")
	if err != nil {
		t.Fatal(err)
	}
	var conf strings.Builder
	values := map[string]string{"Dir": s.dir, "Schema": schema}
	if err := template.Must(template.New("slapd.conf").Parse(slapdConf)).Execute(&conf, values); err != nil {
		t.Fatal(err)
	}
	s.write("slapd.conf", conf.String())
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	load := exec.CommandContext(t.Context(), "/usr/sbin/slapadd", "-f", s.path("slapd.conf"), "-l", "testdata/users.ldif")
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *slapd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *slapd) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs the server and returns when it takes connections, which is a
// moment after it says so.
func (s *slapd) start() {
	s.t.Helper()
	s.cmd = exec.Command("/usr/sbin/slapd", "-d", "none", "-f", s.path("slapd.conf"),
		"-h", "ldap://"+s.plain+" ldaps://"+s.tls)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.t.Log(lines.Text())
		if strings.Contains(lines.Text(), "slapd starting") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }() // ends with the process
			s.waitFor(s.plain)
			s.waitFor(s.tls)
			return
		}
	}
	s.t.Fatalf("slapd ended: %v", s.cmd.Wait())
}

// waitFor returns when something listens.
func (s *slapd) waitFor(addr string) {
	s.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	var err error
	for range 2000 {
		var c net.Conn
		if c, err = net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return
		}
		<-again.C
	}
	s.t.Fatalf("slapd does not listen: %v", err)
}

// kill ends the server as a power cut would. It may be called again.
func (s *slapd) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // reports the kill
	s.cmd = nil
}

// config is for plain connections as the service account.
func (s *slapd) config() Config {
	s.write("password", "service secret\n")
	return Config{
		Servers:          []string{"ldap://" + s.plain},
		Plaintext:        true,
		BindDN:           "cn=service,dc=example,dc=com",
		BindPasswordFile: s.path("password"),
		BaseDN:           "ou=people,dc=example,dc=com",
		LoginAttributes:  []string{"mail"},
		LockoutDuration:  10 * time.Minute,
		ConnectTimeout:   5 * time.Second,
		Timeout:          5 * time.Second,
	}
}

func open(t *testing.T, c Config) *Repository {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certify makes a CA and a certificate of the server for 127.0.0.1.
func (s *slapd) certify() {
	s.t.Helper()
	s.roots = x509.NewCertPool()
	ca, caKey := s.issue(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil, "ca")
	s.issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "slapd"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey, "server")
	s.roots.AddCert(ca)
}

// issue signs a certificate, by itself where there is no parent, and writes it
// and its key.
func (s *slapd) issue(c, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	if err != nil {
		s.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	s.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	made, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return made, key
}
