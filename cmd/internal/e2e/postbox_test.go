package e2e

import (
	"bufio"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"strings"
	"testing"
	"time"
)

// postbox is a mail server that keeps what it is given.
type postbox struct {
	addr  *net.TCPAddr
	mails chan string
}

func openPostbox(t *testing.T) *postbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own port
	must(t, err)
	b := &postbox{addr: l.Addr().(*net.TCPAddr), mails: make(chan string, 10)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.take(conn)
		}
	}()
	t.Cleanup(func() {
		must(t, l.Close())
		<-ended
	})
	return b
}

// settings make a member send its mails here.
func (b *postbox) settings() []string {
	return []string{
		"--set", "mail.host=127.0.0.1", "--set", fmt.Sprintf("mail.port=%d", b.addr.Port), "--set", "mail.tls=none",
		"--set", "mail.from=no-reply@example.com",
	}
}

func (b *postbox) take(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewScanner(conn)
	fmt.Fprint(conn, "220 postbox\r\n")
	var data *strings.Builder
	for in.Scan() {
		line := in.Text()
		switch {
		case data != nil && line != ".":
			data.WriteString(line + "\n")
			continue
		case data != nil:
			b.mails <- data.String()
			data = nil
		case strings.EqualFold(line, "DATA"):
			data = &strings.Builder{}
			fmt.Fprint(conn, "354 go on\r\n")
			continue
		}
		if strings.EqualFold(line, "QUIT") {
			fmt.Fprint(conn, "221 bye\r\n")
			return
		}
		fmt.Fprint(conn, "250 well\r\n")
	}
}

// mail is the next one, as text.
func (b *postbox) mail(t *testing.T) string {
	t.Helper()
	select {
	case raw := <-b.mails:
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(raw)))
		must(t, err)
		return string(text)
	case <-time.After(readyLimit):
		t.Fatal("no mail has come")
		return ""
	}
}
