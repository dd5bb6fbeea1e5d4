package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 1 << 20

// ring is one worker's connections, one to each member; its requests go to the
// members in turn. With one member it is one connection.
type ring struct {
	conns []*conn
	next  int
}

// newRing begins with the member that start counts to.
func newRing(members []Member, start int) *ring {
	r := &ring{next: start % len(members)}
	for _, m := range members {
		r.conns = append(r.conns, newConn(m.Addr))
	}
	return r
}

// post sends a request to the next member; see conn.post.
func (r *ring) post(ctx context.Context, q request) (int, []byte, error) {
	c := r.conns[r.next]
	r.next = (r.next + 1) % len(r.conns)
	return c.post(ctx, q)
}

func (r *ring) close() {
	for _, c := range r.conns {
		c.close()
	}
}

// requestTimeout bounds one request; far more than any should take.
const requestTimeout = 30 * time.Second

func newConn(addr string) *conn { return &conn{addr: addr, timeout: requestTimeout} }

// conn is one connection. It opens itself with the first request and
// again after a failure. It is used by one goroutine.
type conn struct {
	addr    string
	timeout time.Duration // of one request with its answer
	nc      net.Conn
	r       *bufio.Reader
	out, in bytes.Buffer
}

// request is what changes from one request to the next of a subject.
type request struct {
	path    string
	headers string // whole lines, each with CR LF
	body    []byte
}

// post sends a request and returns status and body. The body is valid until
// the next call. An error closes the connection.
func (c *conn) post(ctx context.Context, q request) (int, []byte, error) {
	status, body, err := c.exchange(ctx, q)
	if err != nil {
		c.close()
	}
	return status, body, err
}

func (c *conn) exchange(ctx context.Context, q request) (int, []byte, error) {
	if c.nc == nil {
		nc, err := (&net.Dialer{Timeout: c.timeout}).DialContext(ctx, "tcp", c.addr)
		if err != nil {
			return 0, nil, fmt.Errorf("connect: %w", err)
		}
		c.nc, c.r = nc, bufio.NewReader(nc)
	}
	if err := c.nc.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, nil, fmt.Errorf("set deadline: %w", err)
	}
	c.write(q)
	if _, err := c.nc.Write(c.out.Bytes()); err != nil {
		return 0, nil, fmt.Errorf("send: %w", err)
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	c.in.Reset()
	n, err := c.in.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	err = errors.Join(err, resp.Body.Close())
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("read answer: %w", err)
	case n > maxAnswer:
		return 0, nil, fmt.Errorf("answer is larger than %d bytes", maxAnswer)
	case resp.Close:
		c.close()
	}
	return resp.StatusCode, c.in.Bytes(), nil
}

// write builds the request. Every subject sends the header lines that AM's
// SDKs send, echo included, so that parsing them costs all the same.
func (c *conn) write(q request) {
	c.out.Reset()
	c.out.WriteString("POST ")
	c.out.WriteString(q.path)
	c.out.WriteString(" HTTP/1.1\r\nHost: ")
	c.out.WriteString(c.addr)
	c.out.WriteString("\r\nAccept: application/json\r\nAccept-API-Version: ")
	c.out.WriteString("protocol=1.0,resource=2.1\r\nContent-Type: application/json\r\nX-Requested-With: forgerock-sdk\r\n")
	c.out.WriteString(q.headers)
	c.out.WriteString("Content-Length: ")
	c.out.Write(strconv.AppendInt(c.out.AvailableBuffer(), int64(len(q.body)), 10))
	c.out.WriteString("\r\n\r\n")
	c.out.Write(q.body)
}

func (c *conn) close() {
	if c.nc != nil {
		_ = c.nc.Close() // nothing is lost with it that an error has not told
		c.nc, c.r = nil, nil
	}
}

// Loopback refuses an address that is not on this machine: the load would be an
// attack anywhere else.
func Loopback(hostPort string) error {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT", hostPort)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not a loopback address; bench loads this machine only", host)
}
