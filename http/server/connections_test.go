package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"sojourn/http/server"
)

// A client sees its answer before the server counts its connection as idle, so
// these have said nothing yet: they are idle from the moment they are accepted.
func TestConnectionCapClosesTheIdlest(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.Connections = 2 })
	first, second, third := r.dial(), r.dial(), r.dial()
	cut(t, first)
	for _, c := range []net.Conn{second, third} {
		send(t, c, post("{}"))
		if resp, _ := answer(t, bufio.NewReader(c)); resp.StatusCode != 200 {
			t.Fatalf("got %d", resp.StatusCode)
		}
	}
}

func TestConnectionCapRefusesWhenAllAreBusy(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Limits.Connections = 1 })
	busy := r.dial()
	send(t, busy, "POST /am/json/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	br := bufio.NewReader(busy)
	if line, err := br.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v", line, err)
	}
	_, _ = br.ReadString('\n')
	resp, body := answer(t, bufio.NewReader(r.dial()))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" ||
		body != `{"code":503,"reason":"Service Unavailable","message":"Too many connections"}` {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	send(t, busy, "{}")
	if resp, _ := answer(t, br); resp.StatusCode != 200 {
		t.Errorf("the busy one got %d", resp.StatusCode)
	}
}

const dialerEnv = "SOJOURN_TEST_DIAL"

// idleConnections must cost a bounded amount of memory: at most mostEach bytes,
// buffers and stacks included.
const (
	idleConnections = 10_000
	mostEach        = 24 << 10
)

// dialIdle is the other process of TestIdleConnections: it opens connections,
// makes one request on each, says so, and holds them until its input ends.
func dialIdle() int {
	conns := make([]net.Conn, 0, idleConnections)
	for range idleConnections {
		c, err := net.Dial("tcp", os.Getenv(dialerEnv)) //nolint:noctx // loopback
		if err != nil {
			fmt.Println(err)
			return 1
		}
		if _, err := io.WriteString(c, post("{}")); err != nil {
			fmt.Println(err)
			return 1
		}
		if line, err := bufio.NewReaderSize(c, 512).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			fmt.Println(line, err)
			return 1
		}
		conns = append(conns, c)
	}
	fmt.Println("idle", len(conns))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// Ten thousand idle connections, from a process of their own, cost the server
// a bounded amount of memory and nobody else their answer.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 10,000 sockets")
	}
	if err := raiseFileLimit(idleConnections + 500); err != nil {
		t.Skipf("too few file descriptors: %v", err)
	}
	r := start(t, nil)
	before := memory()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), dialerEnv+"="+r.addr)
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "idle "+strconv.Itoa(idleConnections)+"\n" {
		t.Fatalf("the dialer said %q", line)
	}
	each := (memory() - before) / idleConnections
	t.Logf("%d bytes for each idle connection", each)
	if each > mostEach {
		t.Errorf("an idle connection costs %d bytes, more than %d", each, mostEach)
	}
	began := time.Now()
	c := r.dial()
	send(t, c, post("{}"))
	answer(t, bufio.NewReader(c))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("another client waited %s", took)
	}
	_ = hold.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// memory is what the runtime holds for heap and stacks, in bytes.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse) //nolint:gosec // far below 2^63
}
