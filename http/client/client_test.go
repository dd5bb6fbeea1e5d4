package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/http/client"
	"sojourn/http/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server with one handler and a client of it.
func serve(t *testing.T, cfg client.Config, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	cfg.Base = s.URL + "/am/"
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequestsAsTheyTravel(t *testing.T) {
	var line string
	var header http.Header
	c := serve(t, client.Config{Operator: "op"}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		line, header = r.Method+" "+r.RequestURI+" "+string(body), r.Header
		_, _ = io.WriteString(w, `{}`)
	})
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		call func() error
		line string
		head map[string]string
	}{
		{
			"validate", func() error { _, err := c.Validate(ctx, "tok"); return err },
			"POST /am/json/realms/root/sessions?_action=validate {}",
			map[string]string{"iPlanetDirectoryPro": "tok", "Accept-API-Version": "protocol=1.0,resource=4.0", "Content-Type": "application/json", "Authorization": ""},
		},
		{
			"peek", func() error { _, err := c.Peek(ctx, "tok"); return err },
			"POST /am/json/realms/root/sessions?_action=validate&refresh=false {}", nil,
		},
		{
			"tree", func() error { _, err := c.Tree(ctx, "/alpha/eu", "a b/c"); return err },
			"GET /am/json/realms/root/realms/alpha/realms/eu/realm-config/authentication/authenticationtrees/trees/a%20b%2Fc ",
			map[string]string{"Authorization": "Bearer op"},
		},
		{
			"sessions", func() error { _, err := c.SessionsOf(ctx, "/", `a"b\`); return err },
			`GET /am/json/realms/root/sessions?_queryFilter=username+eq+%22a%5C%22b%5C%5C%22 `, nil,
		},
		{
			"start", func() error {
				_, err := c.Start(ctx, client.Journey{Realm: "alpha", Tree: "L", Username: "Bj\u00f6rn", Password: "p", NoSession: true})
				return err
			},
			"POST /am/json/realms/root/realms/alpha/authenticate?authIndexType=service&authIndexValue=L&noSession=true ",
			map[string]string{"X-OpenAM-Username": "=?UTF-8?b?QmrDtnJu?=", "X-OpenAM-Password": "p", "Authorization": ""},
		},
		{
			"delete realm", func() error { return c.DeleteRealm(ctx, "/alpha") },
			"DELETE /am/json/global-config/realms/L2FscGhh ", nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); err != nil {
				t.Fatal(err)
			}
			if line != tt.line {
				t.Errorf("\n got %s\nwant %s", line, tt.line)
			}
			for name, want := range tt.head {
				if got := header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
		detail     bool
	}{
		{"AM's shape", `{"code":401,"reason":"Unauthorized","message":"Session has timed out","detail":{"errorCode":"110"}}`, 401, "401 Unauthorized: Session has timed out", true},
		{"no JSON", "Bad gateway", 502, "502 Bad Gateway: Bad gateway", false},
		{"nothing", "", 503, "503 Service Unavailable", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, client.Config{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := c.Start(t.Context(), client.Journey{})
			var e *client.Error
			if !errors.As(err, &e) || err.Error() != tt.want || e.RetryAfter != 7*time.Second || (len(e.Detail) == 1) != tt.detail {
				t.Errorf("got %v (%+v)", err, e)
			}
			if _, err := c.Info(t.Context(), "x"); !client.IsStatus(err, tt.status) {
				t.Errorf("info: %v", err)
			}
		})
	}
}

// What a client prints never holds the token it sent.
func TestErrorsHoldNoSecrets(t *testing.T) {
	c, err := client.New(client.Config{Base: "http://127.0.0.1:1", Operator: "secret-operator"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	_, err = c.Start(t.Context(), client.Journey{Query: map[string][]string{"tokenId": {"secret-token"}}, Password: "secret-password"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if text := fmt.Sprintf("%v %+v", client.OperatorToken("secret"), wire.User{Password: "secret"}); strings.Contains(text, "secret") {
		t.Errorf("printed %s", text)
	}
}

func TestTimeout(t *testing.T) {
	c := serve(t, client.Config{Timeout: 50 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client left
		<-r.Context().Done()
	})
	if _, err := c.Validate(t.Context(), "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var asked atomic.Int32
	c := serve(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	_, _ = c.Validate(t.Context(), "x")
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestLoginEnds(t *testing.T) {
	const step = `{"authId":"a","callbacks":[{"type":"NameCallback","output":[],"input":[{"name":"IDToken1","value":""}]},{"type":"PasswordCallback","output":[],"input":[{"name":"IDToken2","value":""}]}]}`
	c := serve(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"value":"demo"`) && strings.Contains(string(body), `"value":"Ch4ng31t"`) {
			_, _ = io.WriteString(w, `{"tokenId":"t","successUrl":"/","realm":"/"}`)
			return
		}
		_, _ = io.WriteString(w, step)
	})
	success, err := c.Login(t.Context(), client.Journey{}, client.Credentials("demo", "Ch4ng31t"))
	if err != nil || success.TokenID != "t" {
		t.Errorf("%v, %v", success, err)
	}
	if _, err := c.Login(t.Context(), client.Journey{}, client.Credentials("other", "x")); !errors.Is(err, client.ErrTooLong) {
		t.Errorf("got %v", err)
	}
	given := errors.New("no answer")
	if _, err := c.Login(t.Context(), client.Journey{}, func(*wire.Step) error { return given }); !errors.Is(err, given) {
		t.Errorf("got %v", err)
	}
}

// An import is cut into requests of bounded size, and line numbers stay those of
// the whole.
func TestImportInBatches(t *testing.T) {
	var batches []int
	c := serve(t, client.Config{Operator: "op"}, func(w http.ResponseWriter, r *http.Request) {
		n := 0
		report := wire.ImportReport{}
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			n++
			if strings.Contains(lines.Text(), "bad") {
				report.Failed++
				report.Errors = append(report.Errors, wire.ImportError{Line: n, Message: "bad"})
				continue
			}
			report.Created++
		}
		batches = append(batches, n)
		_ = json.NewEncoder(w).Encode(report)
	})
	var text strings.Builder
	for i := range 4500 {
		name := "u"
		if i == 4400 {
			name = "bad"
		}
		fmt.Fprintf(&text, `{"username":"%s%d"}`+"\n", name, i)
	}
	told := 0
	report, err := c.ImportUsers(t.Context(), "/", strings.NewReader(text.String()), false, func(wire.ImportReport) { told++ })
	if err != nil || report.Created != 4499 || report.Failed != 1 || len(report.Errors) != 1 || report.Errors[0].Line != 4401 {
		t.Errorf("%+v, %v", report, err)
	}
	if fmt.Sprint(batches) != "[2000 2000 500]" || told != 3 {
		t.Errorf("batches %v, told %d times", batches, told)
	}
	batches = nil
	if _, err := c.ImportUsers(t.Context(), "/", strings.NewReader(strings.Repeat(`{"userPassword":"x"}`+"\n", 60)), false, nil); err != nil || fmt.Sprint(batches) != "[50 10]" {
		t.Errorf("passwords: %v, %v", batches, err)
	}
	if _, err := c.ImportUsers(t.Context(), "/", strings.NewReader("{}\n"+strings.Repeat("x", 300<<10)), false, nil); !errors.Is(err, client.ErrLine) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a long line: %v", err)
	}
}

func TestNew(t *testing.T) {
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "http://%"} {
		if _, err := client.New(client.Config{Base: base}); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
}
