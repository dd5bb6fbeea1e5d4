package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"
)

const hint = "members of one cluster need the same secret, or certificates of one authority"

var errSetup = errors.New("no answer to the handshake in time")

// connect dials addr, shakes hands and presents itself. Nothing but the preamble
// has been sent when it fails.
func (l *Link) connect(ctx context.Context, k Kind, addr string) (*stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(ErrClosed) })() //nolint:contextcheck // it ends with the link as well
	dialCtx, dialed := context.WithTimeout(ctx, connectTimeout*l.slow)
	raw, err := l.c.Dial(dialCtx, addr)
	dialed()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	if !l.track(raw) {
		_ = raw.Close()
		return nil, ErrClosed
	}
	s, err := l.present(ctx, k, addr, raw)
	if err != nil {
		l.untrack(raw)
		_ = raw.Close()
	}
	return s, err
}

// present does the dialling side of handshake and preamble.
func (l *Link) present(ctx context.Context, k Kind, addr string, raw net.Conn) (*stream, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTimeout*l.slow, errSetup)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	conn := tls.Client(raw, l.identity().client)
	a, err := l.exchange(ctx, conn, raw, k)
	if !stop() {
		return nil, context.Cause(ctx)
	}
	var refused *RefusedError
	switch {
	case err == nil:
		return &stream{Conn: conn, raw: raw, l: l}, nil
	case errors.As(err, &refused):
		if refused.Reason != RefusedClosing && l.refusals.due(addr+refused.Reason.String()) {
			l.log.LogAttrs(ctx, slog.LevelWarn, "connection refused by member",
				slog.String("addr", addr), slog.String("member", a.member), slog.String("kind", k.String()), slog.Any("err", err))
		}
	case passing(err):
		l.log.LogAttrs(ctx, slog.LevelDebug, "connection ended in its handshake", slog.String("addr", addr), slog.Any("err", err))
	case l.refusals.due(addr):
		l.log.LogAttrs(ctx, slog.LevelWarn, "connection given up: no mutual proof of belonging to one cluster",
			slog.String("addr", addr), slog.String("kind", k.String()), slog.Any("err", err), slog.String("hint", hint))
	}
	return nil, err
}

// exchange shakes hands, sends the preamble and reads the answer.
func (l *Link) exchange(ctx context.Context, conn *tls.Conn, raw net.Conn, k Kind) (answer, error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return answer{}, fmt.Errorf("handshake: %w", err)
	}
	l.mu.Lock()
	cluster := l.cluster
	l.mu.Unlock()
	p := preamble{min: protocolMin, max: protocolMax, kind: k, cluster: cluster, member: l.c.Member}
	// A peer that does not like our certificate says so now: read, even if it
	// takes no preamble.
	_, writeErr := conn.Write(p.encode())
	b, err := readBlock(conn)
	if err != nil && writeErr != nil && passing(err) {
		err = writeErr
	}
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	a, err := decodeAnswer(b)
	if err != nil {
		return answer{}, err
	}
	if a.verdict != 0 {
		return a, &RefusedError{a.verdict, printable(a.detail)}
	}
	if a.version < protocolMin || a.version > protocolMax {
		return a, &RefusedError{RefusedProtocol, fmt.Sprintf("peer chose version %d", a.version)}
	}
	if named := namedMember(conn.ConnectionState().PeerCertificates[0]); named != "" && named != a.member {
		return a, &RefusedError{RefusedMember, fmt.Sprintf("certificate of %s", named)}
	}
	if ours, ok := l.meet(raw, a.cluster); !ok {
		return a, otherCluster(ours, a.cluster)
	}
	return a, nil
}

func otherCluster(ours, theirs [clusterLen]byte) *RefusedError {
	return &RefusedError{RefusedCluster, fmt.Sprintf("ours is %x, the peer's is %x", ours, theirs)}
}

// accept takes connections until the link closes.
func (l *Link) accept() {
	pause := time.Duration(0)
	for {
		raw, err := l.c.Listener.Accept()
		if err != nil {
			l.mu.Lock()
			closed := l.closed
			l.mu.Unlock()
			if closed {
				return
			}
			if errors.Is(err, net.ErrClosed) {
				l.log.LogAttrs(l.ctx, slog.LevelError, "cluster port was closed", slog.Any("err", err))
				return
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if l.refusals.due("accept") {
				l.log.LogAttrs(l.ctx, slog.LevelWarn, "cluster port does not accept", slog.Any("err", err))
			}
			select {
			case <-time.After(pause):
			case <-l.ctx.Done():
				return
			}
			continue
		}
		pause = 0
		select {
		case l.slots <- struct{}{}:
			l.wg.Go(func() { l.welcome(raw) })
		default:
			_ = raw.Close()
			if l.refusals.due("handshakes") {
				l.log.LogAttrs(l.ctx, slog.LevelWarn, "connection refused: too many handshakes at a time", addrOf(raw))
			}
		}
	}
}

// welcome sees a connection through its handshake and to whom it is for.
func (l *Link) welcome(raw net.Conn) {
	s, p, taker := l.admit(raw)
	<-l.slots
	switch {
	case s == nil:
	case p.kind == Call:
		l.serve(s, p.member)
	case !taker.give(s):
		_ = s.Close()
		if l.refusals.due(hostOf(raw) + p.kind.String()) {
			l.log.LogAttrs(l.ctx, slog.LevelWarn, "connection closed: nobody takes it", addrOf(raw), slog.String("kind", p.kind.String()))
		}
	}
}

// admit does the accepting side of handshake and preamble; nil: turned away.
func (l *Link) admit(raw net.Conn) (*stream, preamble, *listener) {
	if !l.track(raw) {
		_ = raw.Close()
		return nil, preamble{}, nil
	}
	_ = raw.SetDeadline(time.Now().Add(setupTimeout * l.slow))
	conn := tls.Server(raw, l.identity().server)
	s := &stream{Conn: conn, raw: raw, l: l}
	p, taker, err := l.examine(conn, raw)
	if err == nil && raw.SetDeadline(time.Time{}) == nil {
		return s, p, taker
	}
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		if refused.Reason != RefusedClosing && l.refusals.due(hostOf(raw)+refused.Reason.String()) {
			l.log.LogAttrs(l.ctx, slog.LevelWarn, "connection refused",
				addrOf(raw), slog.String("member", p.member), slog.String("kind", p.kind.String()), slog.Any("err", err))
		}
		_ = s.Close()
	case passing(err):
		l.log.LogAttrs(l.ctx, slog.LevelDebug, "connection ended in its handshake", addrOf(raw), slog.Any("err", err))
	default:
		if l.refusals.due(hostOf(raw)) {
			l.log.LogAttrs(l.ctx, slog.LevelWarn, "connection refused: the peer does not prove that it belongs to this cluster",
				addrOf(raw), slog.Any("err", err), slog.String("hint", hint))
		}
	}
	l.untrack(raw)
	_ = raw.Close()
	return nil, p, nil
}

// examine shakes hands, reads the preamble and answers it.
func (l *Link) examine(conn *tls.Conn, raw net.Conn) (preamble, *listener, error) {
	if err := conn.HandshakeContext(l.ctx); err != nil {
		return preamble{}, nil, fmt.Errorf("handshake: %w", err)
	}
	b, err := readBlock(conn)
	if err != nil {
		return preamble{}, nil, fmt.Errorf("read preamble: %w", err)
	}
	p, err := decodePreamble(b)
	if err != nil {
		return preamble{}, nil, err
	}
	taker, refused := l.judge(p, namedMember(conn.ConnectionState().PeerCertificates[0]))
	ours, ok := l.meet(raw, p.cluster)
	if refused == nil && !ok {
		refused = otherCluster(ours, p.cluster)
	}
	a := answer{version: min(p.max, protocolMax), cluster: ours, member: l.c.Member}
	if refused != nil {
		a.verdict, a.detail = refused.Reason, refused.Detail
	}
	if _, err := conn.Write(a.encode()); err != nil {
		return p, nil, fmt.Errorf("write answer: %w", err)
	}
	if refused != nil {
		return p, nil, refused
	}
	return p, taker, nil
}

// judge decides all about a preamble but its cluster.
func (l *Link) judge(p preamble, named string) (*listener, *RefusedError) {
	l.mu.Lock()
	closed, taker := l.closed, l.takers[p.kind]
	l.mu.Unlock()
	switch {
	case closed:
		return nil, &RefusedError{RefusedClosing, ""}
	case p.max < protocolMin || p.min > protocolMax:
		return nil, &RefusedError{RefusedProtocol, fmt.Sprintf("the acceptor speaks versions %d to %d, the other side %d to %d", protocolMin, protocolMax, p.min, p.max)}
	case named != "" && named != p.member:
		return nil, &RefusedError{RefusedMember, fmt.Sprintf("member %s with the certificate of %s", p.member, named)}
	case p.kind != Call && (taker == nil || !taker.open()):
		return nil, &RefusedError{RefusedKind, p.kind.String()}
	}
	return taker, nil
}

// identity returns the credentials for a new connection.
func (l *Link) identity() *identity {
	id, err := l.c.TLS.current()
	if err != nil && l.refusals.due("files") {
		l.log.LogAttrs(l.ctx, slog.LevelWarn, "changed certificate files are not usable, the former stay in force", slog.Any("err", err))
	}
	return id
}

// passing tells the errors of a peer that went away from those of one that does
// not belong here.
func passing(err error) bool {
	var timeout net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

func addrOf(conn net.Conn) slog.Attr { return slog.String("addr", conn.RemoteAddr().String()) }

func hostOf(conn net.Conn) string {
	addr := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// printable is what of a peer's text goes into errors and logs.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
