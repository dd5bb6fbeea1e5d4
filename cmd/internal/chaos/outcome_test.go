package chaos

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
)

// TestOutcome: what a client's error means, from a listener that answers with
// bytes of its own.
func TestOutcome(t *testing.T) {
	const valid = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"valid\":true}"
	for name, tc := range map[string]struct {
		answer string // nothing: the connection is closed; "-": it is kept open
		want   history.Outcome
	}{
		"an answer":           {valid, history.OK},
		"none":                {"", history.Cut},
		"its first line":      {"HTTP/1.1 200 OK\r\n", history.Cut},
		"half of a body":      {valid[:len(valid)-4], history.Cut},
		"silence":             {"-", history.Timeout},
		"no HTTP":             {"hello\r\n\r\n", history.Wrong},
		"no JSON":             {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", history.Wrong},
		"401":                 {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", history.Unauthorized},
		"403":                 {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", history.Unauthorized},
		"503 with a time":     {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", history.Unavailable},
		"503 without":         {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", history.Wrong},
		"500":                 {"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", history.Wrong},
		"a page that is gone": {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", history.Wrong},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer listener.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if tc.answer == "-" {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				// The whole request is read: bytes that are left make a reset of the end.
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				if tc.answer == "-" {
					<-t.Context().Done() // longer than the client waits
					return
				}
				_, _ = io.WriteString(conn, tc.answer)
			}()
			if got := ask(ctx, t, listener.Addr().String()); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	if got := ask(t.Context(), t, listener.Addr().String()); got != history.Refused {
		t.Errorf("nobody listens: got %v", got)
	}
}

func ask(ctx context.Context, t *testing.T, addr string) history.Outcome {
	t.Helper()
	c, err := client.New(client.Config{Base: "http://" + addr + "/am"})
	must(t, err)
	defer c.Close()
	return read(c.Validate(ctx, "token"))
}
