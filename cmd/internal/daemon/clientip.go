package daemon

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// clientIPs returns the function that says where a request comes from: the
// peer, or what the nearest proxies of ours say in X-Forwarded-For. The header
// is read from the right, past the proxies we know; what stands further left
// could have been written by anybody.
func clientIPs(proxies []string) (func(*http.Request) string, error) {
	trusted := make([]netip.Prefix, 0, len(proxies))
	for _, text := range proxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("proxy %q is neither an address nor a network", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		trusted = append(trusted, prefix)
	}
	known := func(addr netip.Addr) bool {
		for _, prefix := range trusted {
			if prefix.Contains(addr.Unmap()) {
				return true
			}
		}
		return false
	}
	return func(r *http.Request) string {
		at, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return r.RemoteAddr
		}
		client := at.Addr()
		for _, line := range reversed(r.Header.Values("X-Forwarded-For")) {
			for _, hop := range reversed(strings.Split(line, ",")) {
				if !known(client) {
					return client.String()
				}
				next, err := netip.ParseAddr(strings.TrimSpace(hop))
				if err != nil {
					return client.String()
				}
				client = next
			}
		}
		return client.String()
	}, nil
}

func reversed(list []string) []string {
	out := make([]string, len(list))
	for i, text := range list {
		out[len(list)-1-i] = text
	}
	return out
}
