package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/http/server"
)

func TestMain(m *testing.M) {
	if os.Getenv(dialerEnv) != "" {
		os.Exit(dialIdle())
	}
	goleak.VerifyTestMain(m)
}

// echo answers what it was sent, or the status of the error that kept it from
// reading.
func echo(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		http.Error(w, "too slow", http.StatusRequestTimeout)
	case err != nil:
		http.Error(w, "cut", http.StatusBadRequest)
	default:
		_, _ = w.Write(raw)
	}
}

// running is a server under test.
type running struct {
	t      *testing.T
	server *server.Server
	addr   string
	stop   context.CancelFunc
	done   chan error
}

func start(t *testing.T, edit func(*server.Config)) *running {
	t.Helper()
	cfg := server.Config{
		Address:     "127.0.0.1:0",
		ContextPath: "/am",
		Mounts:      []server.Mount{{Path: "/json/", Handler: http.HandlerFunc(echo)}},
		Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if edit != nil {
		edit(&cfg)
	}
	s, err := server.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // it must outlive the test's cleanup
	r := &running{t: t, server: s, addr: s.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() {
		r.done <- s.Run(ctx)
		close(r.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

func (r *running) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr) //nolint:noctx // loopback
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one response with its body.
func answer(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp, string(body)
}

// cut waits until the server closes the connection and returns what it said
// before.
func cut(t *testing.T, c net.Conn) string {
	t.Helper()
	raw, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the connection stayed open; it said %q", raw)
	}
	return string(raw)
}

func post(body string) string {
	return fmt.Sprintf("POST /am/json/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestWhatMatchesNothing(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.Mounts = append(c.Mounts, server.Mount{Path: "/isAlive.jsp", Handler: http.HandlerFunc(echo)})
	})
	for _, tt := range []struct {
		path   string
		status int
		body   string
	}{
		{"/am/json/realms/root", 200, ""},
		{"/am/isAlive.jsp", 200, ""},
		{"/am/isAlive.jsp/x", 404, `{"code":404,"reason":"Not Found","message":"Resource '/am/isAlive.jsp/x' not found"}`},
		{"/am/json", 404, `{"code":404,"reason":"Not Found","message":"Resource '/am/json' not found"}`},
		{"/json/x", 404, `{"code":404,"reason":"Not Found","message":"Resource '/json/x' not found"}`},
		{"/am/json/../json/x", 200, ""},
		{"/am//json/x", 404, `{"code":404,"reason":"Not Found","message":"Resource '/am//json/x' not found"}`},
		{"/%22%3Cb%3E", 404, `{"code":404,"reason":"Not Found","message":"Resource '/\"\u003cb\u003e' not found"}`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			c := r.dial()
			send(t, c, "GET "+tt.path+" HTTP/1.1\r\nHost: a\r\n\r\n")
			resp, body := answer(t, bufio.NewReader(c))
			if resp.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, body, tt.status, tt.body)
			}
		})
	}
}

func TestKeepAliveAndPipelining(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	var all strings.Builder
	for i := range 50 {
		all.WriteString(post(fmt.Sprintf(`{"n":%d}`, i)))
	}
	send(t, c, all.String())
	br := bufio.NewReader(c)
	for i := range 50 {
		resp, body := answer(t, br)
		if want := fmt.Sprintf(`{"n":%d}`, i); resp.StatusCode != 200 || body != want {
			t.Fatalf("answer %d: %d %s, want %s", i, resp.StatusCode, body, want)
		}
	}
}

func TestSlowHeaderIsCut(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.HeaderTime = 150 * time.Millisecond })
	c := r.dial()
	send(t, c, "GET /am/json/x HTTP/1.1\r\nHost: a\r\nX-Slow: ")
	began := time.Now()
	cut(t, c)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("cut after %s", took)
	}
}

func TestSlowBodyIsCut(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.BodyTime = 150 * time.Millisecond })
	c := r.dial()
	send(t, c, "POST /am/json/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
	resp, body := answer(t, bufio.NewReader(c))
	if resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
		t.Errorf("got %d %q, Close %t", resp.StatusCode, body, resp.Close)
	}
	cut(t, c)
}

// A request that took its time after its body was in must not be taken for a
// client that left.
func TestBodyTimeEndsWithTheBody(t *testing.T) {
	released := make(chan struct{})
	r := start(t, func(c *server.Config) {
		c.Limits.BodyTime = 50 * time.Millisecond
		c.Mounts[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			select {
			case <-released:
				w.WriteHeader(http.StatusNoContent)
			case <-r.Context().Done():
				w.WriteHeader(http.StatusTeapot)
			}
		})
	})
	c := r.dial()
	send(t, c, post("{}"))
	time.AfterFunc(200*time.Millisecond, func() { close(released) })
	if resp, _ := answer(t, bufio.NewReader(c)); resp.StatusCode != http.StatusNoContent {
		t.Errorf("the handler's context ended with the time for its body: %d", resp.StatusCode)
	}
}

func TestSizes(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.Header, c.Limits.Body = 4<<10, 1000 })
	large := strings.Repeat("x", 1001)
	for _, tt := range []struct {
		name, request string
		status        int
	}{
		{"header", "GET /am/json/x HTTP/1.1\r\nHost: a\r\nX-Large: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", 431},
		{"declared body", post(large), 413},
		{"chunked body", "POST /am/json/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + large + "\r\n0\r\n\r\n", 413},
		{"a body that just fits", post(large[:1000]), 200},
		{"no HTTP", "nonsense\r\n\r\n", 400},
		{"two lengths", "POST /am/json/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := r.dial()
			send(t, c, tt.request)
			// What was not read may reset the connection behind the status.
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("got %d, want %d", resp.StatusCode, tt.status)
			}
		})
	}
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	r := start(t, func(c *server.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Mounts[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/half") {
				_, _ = io.WriteString(w, "half an answer")
				_ = http.NewResponseController(w).Flush()
			}
			panic("the invariant")
		})
	})
	c := r.dial()
	send(t, c, "GET /am/json/x?secret=1 HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, body := answer(t, bufio.NewReader(c))
	if want := `{"code":500,"reason":"Internal Server Error","message":"Internal Server Error"}`; resp.StatusCode != 500 || body != want {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	c = r.dial()
	send(t, c, "GET /am/json/half HTTP/1.1\r\nHost: a\r\n\r\n")
	if said := cut(t, c); strings.HasSuffix(said, "0\r\n\r\n") {
		t.Errorf("half an answer was finished as if it were whole: %q", said)
	}
	r.stop()
	<-r.done
	txid := resp.Header.Get("X-ForgeRock-TransactionId")
	if txid == "" || !strings.Contains(log.String(), "txid="+txid) || !strings.Contains(log.String(), "the invariant") {
		t.Errorf("txid %q is not in the log:\n%s", txid, log.String())
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log has the query:\n%s", log.String())
	}
}

func TestInFlightCap(t *testing.T) {
	const slow = 4
	reading, entered, release := make(chan struct{}, slow), make(chan struct{}), make(chan struct{})
	r := start(t, func(c *server.Config) {
		c.Limits.InFlight, c.Limits.DrainTime = 2, 10*time.Millisecond
		c.Mounts = []server.Mount{
			{Path: "/json/slow", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				reading <- struct{}{}
				echo(w, r)
			})},
			{Path: "/json/quick", Handler: http.HandlerFunc(echo)},
			{Path: "/json/", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				entered <- struct{}{}
				<-release
			})},
			{Path: "/json/health/", Handler: http.HandlerFunc(echo), Essential: true},
		}
	})
	get := func(path string) (*bufio.Reader, net.Conn) {
		c := r.dial()
		send(t, c, "GET /am"+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		return bufio.NewReader(c), c
	}
	// Bodies that do not come take no place.
	for range slow {
		send(t, r.dial(), "POST /am/json/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
		select {
		case <-reading:
		case <-time.After(5 * time.Second):
			t.Fatal("bodies that do not come take the places")
		}
	}
	quick, _ := get("/json/quick")
	if resp, _ := answer(t, quick); resp.StatusCode != 200 {
		t.Fatalf("bodies that do not come take the places: %d", resp.StatusCode)
	}
	one, _ := get("/json/x")
	<-entered
	two, _ := get("/json/x")
	<-entered
	three, _ := get("/json/x")
	resp, body := answer(t, three)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" ||
		body != `{"code":503,"reason":"Service Unavailable","message":"Too many requests in flight"}` {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	health, _ := get("/json/health/live")
	if resp, _ := answer(t, health); resp.StatusCode != 200 {
		t.Errorf("health: %d", resp.StatusCode)
	}
	close(release)
	for _, waiting := range []*bufio.Reader{one, two} {
		if resp, _ := answer(t, waiting); resp.StatusCode != 200 {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	r := start(t, func(c *server.Config) {
		c.AccessLog = slog.New(slog.NewTextHandler(&log, nil))
		c.TrustTransactionID = func(context.Context) bool { return true }
		c.Mounts[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, server.TransactionID(r.Context()))
		})
	})
	token := strings.Repeat("AQIC5w", 20)
	ask := func(header string) string {
		c := r.dial()
		send(t, c, "GET /am/json/sessions/"+token+"?_action=logout&tokenId="+token+" HTTP/1.1\r\nHost: a\r\n"+
			"Cookie: iPlanetDirectoryPro="+token+"\r\n"+header+"\r\n")
		_, body := answer(t, bufio.NewReader(c))
		return body
	}
	if got := ask("X-ForgeRock-TransactionId: frodo-1\r\n"); got != "frodo-1" {
		t.Errorf("txid %q", got)
	}
	own, next := ask("X-ForgeRock-TransactionId: not sound\r\n"), ask("")
	if own == "" || own == next || strings.Contains(own, "sound") {
		t.Errorf("txids %q and %q", own, next)
	}
	r.stop()
	<-r.done
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 || strings.Contains(log.String(), token[:12]) || strings.Contains(log.String(), "_action") {
		t.Fatalf("log:\n%s", log.String())
	}
	for _, want := range []string{"txid=frodo-1", "method=GET", "path=/am/json/sessions/[redacted]", "status=200", "bytes=7", "peer=127.0.0.1", "took="} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%q is not in %s", want, lines[0])
		}
	}
}

func TestRequestTime(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.Limits.RequestTime = 20 * time.Millisecond
		c.Mounts[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			_, _ = io.WriteString(w, context.Cause(r.Context()).Error())
		})
	})
	c := r.dial()
	send(t, c, "GET /am/json/x HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, body := answer(t, bufio.NewReader(c)); body != context.DeadlineExceeded.Error() {
		t.Errorf("got %q", body)
	}
}

func TestStreamingHasNoLimits(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.Limits = server.Limits{Body: 10, BodyTime: 20 * time.Millisecond, RequestTime: 20 * time.Millisecond, WriteTime: 30 * time.Millisecond}
		c.Mounts[0].Streaming = true
	})
	c := r.dial()
	send(t, c, "POST /am/json/x HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n")
	time.AfterFunc(100*time.Millisecond, func() { _, _ = io.WriteString(c, strings.Repeat("x", 30)) })
	if resp, body := answer(t, bufio.NewReader(c)); resp.StatusCode != 200 || len(body) != 30 {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestConfigFaults(t *testing.T) {
	_, err := server.Listen(server.Config{
		ContextPath: "am/",
		Mounts:      []server.Mount{{Path: "x"}, {Path: "/y", Handler: http.NotFoundHandler()}, {Path: "/y", Handler: http.NotFoundHandler()}},
		Limits:      server.Limits{Body: -1},
		TLS:         &server.TLS{},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"negative", "no logger", `context path "am/"`, `mount path "x"`, "mount x has no handler", "mount /y stands twice", "certificate file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := server.Listen(server.Config{
		TLS: &server.TLS{CertFile: "no/cert.pem", KeyFile: "no/key.pem"}, Log: slog.New(slog.DiscardHandler),
		Mounts: []server.Mount{{Path: "/", Handler: http.NotFoundHandler()}},
	}); err == nil || !strings.Contains(err.Error(), "no/cert.pem") {
		t.Errorf("missing certificate: %v", err)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := server.TLS{CertFile: dir + "/cert.pem", KeyFile: dir + "/key.pem"}
	pair := server.SelfSigned(t, "one")
	for i, name := range []string{files.CertFile, files.KeyFile} {
		if err := os.WriteFile(name, pair[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, func(c *server.Config) { c.TLS = &files })
	for _, tt := range []struct {
		version uint16
		ok      bool
	}{{tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true}} {
		c := tls.Client(r.dial(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tt.version}) //nolint:gosec // what old clients offer
		err := c.HandshakeContext(t.Context())
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tls.VersionName(tt.version), err)
			continue
		}
		if err == nil {
			send(t, c, post("{}"))
			if resp, body := answer(t, bufio.NewReader(c)); resp.StatusCode != 200 || body != "{}" {
				t.Errorf("%s: %d %s", tls.VersionName(tt.version), resp.StatusCode, body)
			}
		}
	}
}
