package smtp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/actors/mail"
	"sojourn/actors/smtp"
	"sojourn/cts/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is what a sender writes.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newSender(t testing.TB, s *server, change func(*smtp.Config)) (*smtp.Sender, *log) {
	t.Helper()
	out := &log{}
	c := smtp.Config{
		Host: "127.0.0.1", Port: s.port(), TLS: smtp.None, From: "Accounts <no-reply@example.com>",
		Log: slog.New(slog.NewTextHandler(io.MultiWriter(out, t.Output()), nil)),
	}
	change(&c)
	sender, err := smtp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	return sender, out
}

func message(id string) mail.Message {
	return mail.Message{ID: id, To: "ann@example.org", Subject: "Grüße", Body: "<p>Hallo, <a href=\"https://a.example/?x=1&amp;y=2\">weiter</a></p>\n.\nEnde", HTML: true}
}

// A mail arrives as it was meant, over each kind of connection.
func TestSend(t *testing.T) {
	security, authorities := certificate(t)
	for name, kind := range map[string]struct {
		server func(*server)
		sender func(*smtp.Config)
		user   string
	}{
		"in the clear": {func(*server) {}, func(*smtp.Config) {}, ""},
		"STARTTLS": {
			func(s *server) { s.tls, s.user = security, "robot s3cret" },
			func(c *smtp.Config) {
				c.TLS, c.Authorities, c.User, c.Password = smtp.StartTLS, authorities, "robot", "s3cret"
			}, "robot s3cret",
		},
		"TLS": {
			func(s *server) { s.tls, s.implicit = security, true },
			func(c *smtp.Config) { c.TLS, c.Authorities = smtp.Implicit, authorities }, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, kind.server)
			sender, out := newSender(t, server, kind.sender)
			if err := sender.Send(message("a1")); err != nil {
				t.Fatal(err)
			}
			got := server.wait()
			if !strings.Contains(got.from, "<no-reply@example.com>") || got.to != "TO:<ann@example.org>" || got.user != kind.user {
				t.Errorf("from %q to %q as %q", got.from, got.to, got.user)
			}
			m, err := netmail.ReadMessage(strings.NewReader(got.data))
			if err != nil {
				t.Fatal(err)
			}
			var decoder mime.WordDecoder
			subject, err := decoder.DecodeHeader(m.Header.Get("Subject"))
			if err != nil || subject != "Grüße" {
				t.Errorf("subject %q, %v", subject, err)
			}
			for header, want := range map[string]string{
				"From": `"Accounts" <no-reply@example.com>`, "To": "<ann@example.org>", "Message-Id": "<a1@example.com>",
				"Auto-Submitted": "auto-generated", "Bcc": "",
			} {
				if m.Header.Get(header) != want {
					t.Errorf("%s: %q, want %q", header, m.Header.Get(header), want)
				}
			}
			body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if want := message("").Body; err != nil || strings.ReplaceAll(strings.TrimSpace(string(body)), "\r\n", "\n") != want {
				t.Errorf("body %q, %v", body, err)
			}
			if strings.Contains(out.String(), "ann@") || strings.Contains(out.String(), "s3cret") {
				t.Errorf("the log names somebody: %s", out)
			}
		})
	}
}

// Nothing is sent over a connection that is less than was asked for.
func TestTLSIsNotOptional(t *testing.T) {
	security, authorities := certificate(t)
	_, others := certificate(t)
	for name, kind := range map[string]struct {
		server func(*server)
		sender func(*smtp.Config)
	}{
		"the server offers none": {func(*server) {}, func(c *smtp.Config) { c.TLS, c.Authorities = smtp.StartTLS, authorities }},
		"nobody vouches for it":  {func(s *server) { s.tls = security }, func(c *smtp.Config) { c.TLS, c.Authorities = smtp.StartTLS, others }},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, kind.server)
			sender, out := newSender(t, server, kind.sender)
			if err := sender.Send(message("a1")); err != nil {
				t.Fatal(err)
			}
			until(t, func() bool { return strings.Contains(out.String(), "to be sent again") })
			server.mu.Lock()
			defer server.mu.Unlock()
			if len(server.mails) > 0 {
				t.Error("a mail was sent")
			}
		})
	}
	for name, change := range map[string]func(*smtp.Config){
		"a password in the clear": func(c *smtp.Config) { c.User, c.Password = "robot", "s3cret" },
		"another way":             func(c *smtp.Config) { c.TLS = "maybe" },
		"no host":                 func(c *smtp.Config) { c.Host = "" },
		"no sender":               func(c *smtp.Config) { c.From = "" },
		"two senders":             func(c *smtp.Config) { c.From = "a@b.example, c@d.example" },
	} {
		c := smtp.Config{Host: "127.0.0.1", TLS: smtp.None, From: "a@b.example", Log: slog.New(slog.DiscardHandler)}
		change(&c)
		if s, err := smtp.New(c); err == nil {
			s.Close()
			t.Errorf("%s is taken", name)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", smtp.Config{Password: "s3cret"}, smtp.Config{Password: "s3cret"}, smtp.Password("s3cret")); strings.Contains(text, "s3cret") {
		t.Error("a password is printed")
	}
}

// A server that says "later" is asked again; one that says "no" is not, and the
// operator is told, though not of whom.
func TestRefusals(t *testing.T) {
	server := newServer(t, func(s *server) { s.replies = []string{"451 4.3.0 later"} })
	sender, out := newSender(t, server, func(*smtp.Config) {})
	if err := sender.Send(message("a1")); err != nil {
		t.Fatal(err)
	}
	server.wait()
	until(t, func() bool { return sender.Metrics() == smtp.Metrics{Sent: 1} })
	server.mu.Lock()
	server.replies = []string{"550 5.1.1 ann@example.org is nobody"}
	server.mu.Unlock()
	if err := sender.Send(message("a2")); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return sender.Metrics() == smtp.Metrics{Sent: 1, Failed: 1} })
	if text := out.String(); !strings.Contains(text, "code 550") || strings.Contains(text, "ann@") {
		t.Errorf("the log says %s", text)
	}
}

// Mails that the server does not want yet are not in the way of others, but count
// among those that wait.
func TestSetAside(t *testing.T) {
	const put = 4 // as many as are sent at a time
	server := newServer(t, func(s *server) {
		for range 2 * put { // a second and then five
			s.replies = append(s.replies, "451 4.3.0 later")
		}
	})
	sender, out := newSender(t, server, func(*smtp.Config) {})
	for i := range put {
		if err := sender.Send(message(fmt.Sprint("aside", i))); err != nil {
			t.Fatal(err)
		}
	}
	until(t, func() bool { return strings.Count(out.String(), "to be sent again") == 2*put })
	if m := sender.Metrics(); m != (smtp.Metrics{Waiting: put}) {
		t.Errorf("%+v", m)
	}
	if err := sender.Send(message("next")); err != nil {
		t.Fatal(err)
	}
	if first := server.wait(); !strings.Contains(first.data, "<next@") {
		t.Errorf("first came %s", first.data)
	}
	for range put {
		server.wait()
	}
	until(t, func() bool { return sender.Metrics() == smtp.Metrics{Sent: put + 1} })
}

// Close does not wait for mails that are set aside.
func TestCloseWithMailsAside(t *testing.T) {
	server := newServer(t, func(s *server) { s.replies = []string{"451 4.3.0 later", "451 4.3.0 later"} })
	sender, out := newSender(t, server, func(*smtp.Config) {})
	if err := sender.Send(message("a1")); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return strings.Count(out.String(), "to be sent again") == 2 })
	begun := time.Now()
	sender.Close()
	if took := time.Since(begun); took > 3*time.Second || !strings.Contains(out.String(), "mails=1") {
		t.Errorf("it took %v: %s", took, out)
	}
}

// A mail that was taken is not taken again, and no more wait than may.
func TestOnceAndBounded(t *testing.T) {
	server := newServer(t, func(*server) {})
	sender, _ := newSender(t, server, func(c *smtp.Config) { c.Port = closedPort(t) })
	for range 3 {
		if err := sender.Send(message("same")); err != nil {
			t.Fatal(err)
		}
	}
	if n := sender.Metrics().Waiting; n != 1 {
		t.Errorf("%d mails wait, want 1", n)
	}
	var away *session.UnavailableError
	for i := range 5000 {
		if err := sender.Send(message(fmt.Sprint("id", i))); err != nil {
			if !errors.As(err, &away) {
				t.Errorf("beyond the limit: %v", err)
			}
			break
		}
	}
	if n := sender.Metrics().Waiting; away == nil || n < 1024 || n > 1024+8 {
		t.Errorf("%d mails wait, %v", n, away)
	}
	sender.Close()
	if err := sender.Send(message("late")); !errors.As(err, &away) {
		t.Errorf("after Close: %v", err)
	}
}

// closedPort is a port that nobody listens on.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own port
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func until(t *testing.T, reached func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not come to that")
		}
	}
}
