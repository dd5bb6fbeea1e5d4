package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// pipe is a connection on which requests are written as bytes, many before the
// first answer is read: a client that costs so little that the tests can make a
// million requests, and one that says what no library would.
type pipe struct {
	net.Conn
	in *bufio.Reader
}

func (m *member) pipe(t *testing.T) *pipe {
	t.Helper()
	conn, err := net.DialTimeout("tcp", m.HTTP, 5*time.Second)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &pipe{conn, bufio.NewReaderSize(conn, 64<<10)}
}

// answer is one that was read whole.
type answer struct {
	*http.Response
	body []byte
}

// send writes bytes, which may be several requests.
func (p *pipe) send(requests []byte) error {
	if err := p.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := p.Write(requests); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// receive reads the next answer.
func (p *pipe) receive() (answer, error) {
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return answer{}, fmt.Errorf("receive: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("receive: %w", err)
	}
	return answer{resp, body}, resp.Body.Close()
}

// authenticate appends a request for a tree; without a body it starts it.
func authenticate(b []byte, tree string, body []byte) []byte {
	query := ""
	if body == nil {
		query = "?authIndexType=service&authIndexValue=" + tree
	}
	b = fmt.Appendf(b, "POST /am/json/realms/root/authenticate%s HTTP/1.1\r\nHost: localhost\r\n"+
		"Accept-API-Version: protocol=1.0,resource=2.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", query, len(body))
	return append(b, body...)
}
