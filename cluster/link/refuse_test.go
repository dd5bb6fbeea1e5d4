package link

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
)

func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// wantShut checks that nothing but TLS comes from a connection before its end.
func wantShut(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if strings.Contains(string(got), magic) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("answered %q, %v", got, err)
	}
}

// issued is a certificate of the authority of secret 1, changed before it is signed.
func issued(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := ed25519.NewKeyFromSeed(seed(1))
	authority, err := deriveAuthority(key)
	if err != nil {
		t.Fatal(err)
	}
	pair := derived(t, 1, "x").identity.client.Certificates[0]
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	change(leaf)
	der, err := x509.CreateCertificate(nil, leaf, authority, leaf.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: pair.PrivateKey}
}

func TestStrangersAreRefused(t *testing.T) {
	good := derived(t, 1, "x").identity.client
	tests := []struct {
		name   string
		config func() *tls.Config // nil: no TLS at all
		want   []string           // in the acceptor's log
	}{
		{"plain TCP", nil, []string{"first record does not look like a TLS handshake"}},
		{"no certificate", func() *tls.Config {
			c := good.Clone()
			c.Certificates = nil
			return c
		}, []string{"didn't provide a certificate", "same secret"}},
		{"certificate of another authority", func() *tls.Config {
			c := good.Clone()
			c.Certificates = derived(t, 2, "x").identity.client.Certificates
			// An impostor sends it unasked; a proper client holds it back.
			cert := c.Certificates[0]
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
			return c
		}, []string{"unknown authority", "same secret"}},
		{"certificate of our authority for something else", func() *tls.Config {
			c := good.Clone()
			c.Certificates = []tls.Certificate{issued(t, func(cert *x509.Certificate) { cert.DNSNames = []string{"laptop.example.com"} })}
			return c
		}, []string{"laptop.example.com", "same secret"}},
		{"certificate of our authority for servers only", func() *tls.Config {
			c := good.Clone()
			c.Certificates = []tls.Certificate{issued(t, func(cert *x509.Certificate) { cert.ExtKeyUsage = cert.ExtKeyUsage[:1] })}
			return c
		}, []string{"incompatible key usage", "same secret"}},
		{"TLS 1.2", func() *tls.Config {
			c := good.Clone()
			c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			return c
		}, []string{"unsupported versions"}},
		{"other protocol name", func() *tls.Config {
			c := good.Clone()
			c.NextProtos = []string{"h2"}
			return c
		}, []string{"unsupported application protocols"}},
		{"no protocol name", func() *tls.Config {
			c := good.Clone()
			c.NextProtos = nil
			c.VerifyConnection = nil
			return c
		}, []string{"did not ask for protocol sojourn/1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := start(t, "m", 1)
			m.Handle(1, func(context.Context, string, []byte) ([]byte, error) {
				t.Error("a stranger's request was carried out")
				return nil, nil
			})
			conn := dialTCP(t, m.addr())
			p := preamble{min: 1, max: 1, kind: Call, member: "x"}.encode()
			p = frame{id: 1, kind: frameRequest, sub: 1}.append(p)
			if tt.config == nil {
				if _, err := conn.Write(p); err != nil {
					t.Fatal(err)
				}
				wantShut(t, conn)
			} else {
				c := tls.Client(conn, tt.config())
				_, _ = c.Write(p) // may fail, or not yet
				wantShut(t, c)
			}
			m.log.await(t, append(tt.want, "level=WARN", "connection refused", "127.0.0.1")...)
		})
	}
}

// Members of two clusters that are pointed at each other: both say so.
func TestOtherSecretIsLoggedOnBothSides(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 2)
	_, err := a.Call(t.Context(), b.addr(), 1, nil)
	wantDown(t, err)
	_, err = a.Dial(t.Context(), Raft, b.addr())
	wantDown(t, err)
	a.log.await(t, "level=WARN", "no mutual proof", b.addr(), "unknown authority", "same secret")
	b.log.await(t, "level=WARN", "connection refused", "bad certificate", "same secret")
}

// The client of TLS 1.3 is done before the server looks at its certificate: it
// must still learn what was wrong with it, whatever it sends meanwhile.
func TestDialerLearnsThatItsCertificateIsRefused(t *testing.T) {
	m := start(t, "m", 1)
	stranger := start(t, "s", 1)
	identity := derived(t, 1, "s").identity
	identity.client.Certificates = nil
	stranger.c.TLS = &Credentials{identity: identity}
	for range 20 {
		_, err := stranger.Call(t.Context(), m.addr(), 1, nil)
		wantDown(t, err)
		if err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Fatalf("got %v", err)
		}
	}
	stranger.log.await(t, "level=WARN", "no mutual proof", "certificate required")
	m.log.await(t, "level=WARN", "didn't provide a certificate")
}

// acceptor is the accepting side in the hands of a test.
func acceptor(t *testing.T, secret byte, name string, serve func(conn *tls.Conn)) string {
	t.Helper()
	ln := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			conn := tls.Server(raw, derived(t, secret, name).identity.server)
			if _, err := readBlock(conn); err == nil {
				serve(conn)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String()
}

func TestAcceptorsAnswerIsChecked(t *testing.T) {
	tests := []struct {
		name   string
		answer []byte
		want   Refusal // 0: not a refusal
	}{
		{"version never offered", answer{version: 9, member: "m"}.encode(), RefusedProtocol},
		{"another member's certificate", answer{version: 1, member: "z"}.encode(), RefusedMember},
		{"other cluster", answer{version: 1, member: "m", cluster: [16]byte{9}}.encode(), RefusedCluster},
		{"refusal of a later version", answer{verdict: 99, member: "m", detail: "go\nhome"}.encode(), 99},
		{"not an answer", []byte("HTTP/1.1 400 Bad Request"), 0},
		{"too long", append([]byte(magic), 0xff, 0xff), 0},
		{"no member", answer{version: 1}.encode(), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, "a", 1)
			a.SetCluster([16]byte{1})
			addr := acceptor(t, 1, "m", func(conn *tls.Conn) { _, _ = conn.Write(tt.answer) })
			_, err := a.Dial(t.Context(), Gossip, addr)
			wantDown(t, err)
			var refused *RefusedError
			if errors.As(err, &refused) != (tt.want != 0) || refused != nil && refused.Reason != tt.want {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("control characters of a peer in %q", err)
			}
			a.log.await(t, "level=WARN", addr)
		})
	}
}

func TestPreamblesAreJudged(t *testing.T) {
	mine := [16]byte{1}
	tests := []struct {
		name string
		p    preamble
		want Refusal
	}{
		{"fits", preamble{min: 1, max: 1, kind: Gossip, member: "x", cluster: mine}, 0},
		{"later version that still speaks ours", preamble{min: 1, max: 7, kind: Gossip, member: "x"}, 0},
		{"no cluster yet", preamble{min: 1, max: 1, kind: Call, member: "x"}, 0},
		{"other cluster", preamble{min: 1, max: 1, kind: Call, member: "x", cluster: [16]byte{2}}, RefusedCluster},
		{"later protocol", preamble{min: 2, max: 3, kind: Call, member: "x"}, RefusedProtocol},
		{"nobody listens", preamble{min: 1, max: 1, kind: Raft, member: "x"}, RefusedKind},
		{"unheard-of kind", preamble{min: 1, max: 1, kind: 77, member: "x"}, RefusedKind},
		{"another member's name", preamble{min: 1, max: 1, kind: Call, member: "y"}, RefusedMember},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := start(t, "m", 1)
			m.SetCluster(mine)
			m.Listen(Gossip)
			conn := tls.Client(dialTCP(t, m.addr()), derived(t, 1, "x").identity.client)
			if _, err := conn.Write(tt.p.encode()); err != nil {
				t.Fatal(err)
			}
			b, err := readBlock(conn)
			if err != nil {
				t.Fatal(err)
			}
			a, err := decodeAnswer(b)
			if err != nil || a.verdict != tt.want || a.version != 1 || a.member != "m" || a.cluster != mine {
				t.Errorf("got %+v, %v; want verdict %v", a, err, tt.want)
			}
			if tt.want != 0 {
				m.log.await(t, "level=WARN", "connection refused", "member="+tt.p.member, tt.want.String())
			}
		})
	}
	t.Run("both sides log", func(t *testing.T) {
		a, b := start(t, "a", 1), start(t, "b", 1)
		a.SetCluster([16]byte{1})
		b.SetCluster([16]byte{2})
		_, err := a.Call(t.Context(), b.addr(), 1, nil)
		wantDown(t, err)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != RefusedCluster {
			t.Errorf("got %v", err)
		}
		a.log.await(t, "level=WARN", "connection refused by member", "member=b", "other cluster")
		b.log.await(t, "level=WARN", "connection refused", "member=a", "other cluster")
	})
}

func TestClusterLearntLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1, simnet.Options{Latency: latency})
		a, b := simulate(t, n, "a", 1), simulate(t, n, "b", 1)
		b.Handle(1, echo)
		b.Handle(3, func(context.Context, string, []byte) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("slow"), nil
		})
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		ln := b.Listen(Raft)
		out, err := a.Dial(t.Context(), Raft, address)
		if err != nil {
			t.Fatal(err)
		}
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// What the old connection carries is finished; new calls say the new id.
		time.AfterFunc(100*time.Millisecond, func() { a.SetCluster([16]byte{1}) })
		if got, err := a.Call(t.Context(), address, 3, nil); err != nil || string(got) != "slow" {
			t.Errorf("call from before the id: %q, %v", got, err)
		}
		time.Sleep(time.Second)
		a.mu.Lock()
		if len(a.conns) != 1 || len(a.peers) != 0 {
			t.Errorf("%d connections and %d peers, want the stream alone", len(a.conns), len(a.peers))
		}
		a.mu.Unlock()
		again, err := a.Dial(t.Context(), Raft, address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		// b turns out to be of another cluster: it cuts off who has named one.
		b.SetCluster([16]byte{2})
		_, err = a.Call(t.Context(), address, 1, nil)
		if err == nil {
			t.Error("member of another cluster answers")
		}
		if _, err := again.Read(make([]byte, 1)); err == nil {
			t.Error("stream to another cluster stays open")
		}
		for _, c := range []net.Conn{out, in, again} {
			_ = c.Close()
		}
	})
}

func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1, simnet.Options{Latency: latency})
		a, b := simulate(t, n, "a", 1), simulate(t, n, "b", 2)
		for range 130 { // one each second
			_, err := a.Call(t.Context(), address, 1, nil)
			wantDown(t, err)
			time.Sleep(time.Second)
		}
		for _, m := range []*member{a, b} {
			if k := strings.Count(m.log.text(), "level=WARN"); k != 3 {
				t.Errorf("%d warnings of %s in 130 s, want 3", k, m.c.Member)
			}
		}
	})
}

func TestProbesAreNotWarnedOf(t *testing.T) {
	m := start(t, "m", 1)
	if err := dialTCP(t, m.addr()).Close(); err != nil {
		t.Fatal(err)
	}
	m.log.await(t, "level=DEBUG", "ended in its handshake")
	if strings.Contains(m.log.text(), "level=WARN") {
		t.Error("a health check's connection is warned of")
	}
}

func TestStreamsThatNobodyTakes(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	ln := b.Listen(Gossip)
	ended := make(chan error, maxWaiting+1)
	for range maxWaiting + 1 { // which of them is one too many is the acceptor's choice
		stream, err := a.Dial(t.Context(), Gossip, b.addr())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := stream.Read(make([]byte, 1))
			ended <- err
		}()
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("stream over the bound: %v", err)
	}
	b.log.await(t, "level=WARN", "nobody takes it")
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepted after close: %v", err)
	}
	_, err := a.Dial(t.Context(), Gossip, b.addr())
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != RefusedKind {
		t.Errorf("after the taker closed: %v", err)
	}
	_, err = a.Dial(t.Context(), Call, b.addr())
	wantDown(t, err)
}
