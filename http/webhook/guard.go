package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"sojourn/actors/realm"
)

// What keeps a webhook from being called.
var (
	errPlain    = errors.New("a host that is called without TLS must be listed in webhooks.hosts")
	errInternal = errors.New("an address of this machine or of its link is called for hosts of webhooks.hosts alone")
)

// hosts are those that may be called without TLS and at any address: "host" or
// "host:port", in lower case.
type hosts []string

func newHosts(list []string) hosts {
	var out hosts
	for _, h := range list {
		out = append(out, strings.ToLower(h))
	}
	return out
}

// list reports whether a host, with its port, is listed.
func (h hosts) list(host, port string) bool {
	host = strings.ToLower(host)
	return slices.Contains(h, host) || slices.Contains(h, net.JoinHostPort(host, port))
}

// check says why a URL is not called.
func (h hosts) check(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("not a URL")
	}
	if u.Scheme != "https" && !h.list(u.Hostname(), portOf(u)) {
		return errPlain
	}
	return nil
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// Check says why this sender would not call a webhook.
func (s *Sender) Check(w realm.Webhook) error { return s.hosts.check(w.URL) }

// dial connects to a host, unless it is one that is not listed and has an address
// that nobody but the operator may point at. The address is looked at after the
// name was resolved, so that no name can lead there.
func (s *Sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if s.hosts.list(host, port) {
		return s.config.Dial(ctx, network, address, nil)
	}
	return s.config.Dial(ctx, network, address, public)
}

// public refuses a connection to an internal address. It is a control function of
// a net.Dialer.
func public(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	if internal(at.Addr().Unmap()) {
		return errInternal
	}
	return nil
}

// internal reports whether an address means this machine or its link. Private
// networks are not internal in this sense: most receivers live there, and have to
// show a certificate.
func internal(a netip.Addr) bool {
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.IsInterfaceLocalMulticast()
}

// Dial is the system's way to connect, for Config.Dial.
func Dial(ctx context.Context, network, address string, control func(network, address string, c syscall.RawConn) error) (net.Conn, error) {
	d := net.Dialer{Timeout: attemptTime, Control: control}
	return d.DialContext(ctx, network, address)
}
