package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"sojourn/actors/identity"
)

// conn is one connection to a server. One operation uses it at a time.
type conn struct {
	*ldap.Conn
	raw    net.Conn // below TLS: its deadlines end every wait
	broken bool     // an operation on it failed otherwise than by its result
	reused bool     // it served another request before
	since  time.Time
}

// do runs one operation, for at most timeout and as long as ctx lasts. An
// answer of the server that is not a success comes back as an *ldap.Error;
// everything else is ctx's error or identity.ErrUnavailable, and the
// connection is broken then.
func (c *conn) do(ctx context.Context, timeout time.Duration, operation func() error) error {
	if err := c.raw.SetDeadline(time.Now().Add(timeout)); err != nil {
		c.broken = true
		return fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	err := operation()
	if !stop() {
		c.broken = true // the deadline may still be on its way
		if err != nil && !answered(err) {
			return context.Cause(ctx)
		}
	}
	if err != nil && !answered(err) {
		c.broken = true
		return fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	if resetErr := c.raw.SetDeadline(time.Time{}); resetErr != nil {
		c.broken = true // the answer stands
	}
	return err
}

// answered reports whether an error is a result code of the server, and not
// one that go-ldap makes for a connection that gave none.
func answered(err error) bool {
	var result *ldap.Error
	return errors.As(err, &result) && result.ResultCode < ldap.ErrorNetwork
}

// hangUp ends the connection without waiting for the server.
func (c *conn) hangUp() {
	_ = c.raw.SetDeadline(time.Unix(1, 0)) // go-ldap's Close waits for its reader and writer
	_ = c.Close()
}

// dialer makes connections, to the server that answered last if it still does.
type dialer struct {
	config Config
	// service says that connections are bound as the service account.
	service   bool
	preferred atomic.Int64 // index into the servers
	opened    atomic.Uint64
	failed    atomic.Uint64
}

// dial tries each server once.
func (d *dialer) dial(ctx context.Context) (*conn, error) {
	var faults []string
	first := int(d.preferred.Load())
	for i := range d.config.Servers {
		index := (first + i) % len(d.config.Servers)
		c, err := d.dialServer(ctx, d.config.Servers[index])
		if err == nil {
			d.preferred.Store(int64(index))
			d.opened.Add(1)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		d.failed.Add(1)
		faults = append(faults, fmt.Sprintf("connect to %s: %v", d.config.Servers[index], err))
	}
	// As text: a result code in there is about the service account, and a
	// deadline is the connection's.
	return nil, fmt.Errorf("%w: %s", identity.ErrUnavailable, strings.Join(faults, "; "))
}

func (d *dialer) dialServer(ctx context.Context, server string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.ConnectTimeout)
	defer cancel()
	hostPort, host, encrypted := address(server)
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", hostPort)
	if err != nil {
		return nil, err
	}
	security := d.config.TLS.Clone()
	if security.ServerName == "" {
		security.ServerName = host
	}
	transport := raw
	if encrypted {
		wrapped := tls.Client(raw, security)
		if err := wrapped.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		transport = wrapped
	}
	c := &conn{Conn: ldap.NewConn(transport, encrypted), raw: raw}
	c.SetTimeout(d.config.Timeout)
	c.Start()
	if err := c.do(ctx, d.config.ConnectTimeout, func() error { return d.greet(c, security, encrypted) }); err != nil {
		c.hangUp()
		return nil, err
	}
	return c, nil
}

// greet makes a new connection ready: encrypted where that is due, and bound
// as the service account where that is what it is for. The account's being
// refused is the operator's fault and no verdict on any user.
func (d *dialer) greet(c *conn, security *tls.Config, encrypted bool) error {
	if d.config.StartTLS && !encrypted {
		if err := c.StartTLS(security); err != nil {
			return fmt.Errorf("start TLS: %w", err)
		}
	}
	if !d.service || d.config.BindDN == "" {
		return nil
	}
	password, err := d.config.bindPassword()
	if err != nil {
		return err
	}
	if err := c.Bind(d.config.BindDN, password); err != nil {
		return fmt.Errorf("bind as %s: %w", d.config.BindDN, err)
	}
	return nil
}
