package config

import (
	"net"
	"net/netip"
	"strings"
)

// What the fields of Cluster allow at most: more members than these founding a
// cluster together are not planned for, and slower timings help nobody.
const (
	maxExpect = 9
	maxSlow   = 10
)

// Advertised is the HOST:PORT under which other members reach this one. bound
// is the port that the listener of Addr got.
func (c Cluster) Advertised(bound string) string {
	at := c.Advertise
	if at == "" {
		at = c.Addr
	}
	host, port, _ := net.SplitHostPort(at)
	if c.Advertise == "" || port == "0" {
		port = bound
	}
	return net.JoinHostPort(host, port)
}

func (c Config) validateCluster(v *verdict) {
	x := c.Cluster
	v.between("cluster.expect", x.Expect, 1, maxExpect)
	v.between("cluster.slow", x.Slow, 1, maxSlow)
	switch given := countGiven(x.TLSCert, x.TLSKey, x.TLSCA); {
	case given != 0 && given != 3:
		v.add("cluster.tlsCert", "a certificate, a key and the authorities (tlsCert, tlsKey, tlsCA) are needed together")
	case given == 3 && x.Addr == "":
		v.add("cluster.tlsCert", "names a certificate, but without cluster.addr there are no other members")
	}
	if x.Addr == "" {
		if len(x.Join) > 0 || x.Expect > 1 || x.Advertise != "" {
			v.add("cluster.addr", "an address is needed to meet other members (--cluster HOST:PORT)")
		}
		return
	}
	c.validateAddresses(v)
	if planned := x.planned(); x.Expect > 1 && 2*x.Expect <= planned {
		v.add("cluster.expect", "%d is not more than half of the %d members that are planned: two groups of them could found a cluster each; give %d",
			x.Expect, planned, planned/2+1)
	}
}

func (c Config) validateAddresses(v *verdict) {
	x := c.Cluster
	if !v.hostPort("cluster.addr", x.Addr) {
		return
	}
	host, port, _ := net.SplitHostPort(x.Addr)
	if c.Dev && !loopback(x.Addr) {
		v.add("cluster.addr", "--dev listens on a loopback address only, not on %q", x.Addr)
	}
	if c.Dev && c.SecretFile == "" && c.Secret == "" {
		v.add("secretFile", "members of a cluster share one secret, and --dev makes one for each: give it (--secret FILE)")
	}
	if port != "0" && x.Addr == c.HTTP.Addr {
		v.add("cluster.addr", "is http.addr; other members need an address of their own")
	}
	switch {
	case x.Advertise != "":
		v.reachable("cluster.advertise", x.Advertise)
	case everyAddress(host):
		v.add("cluster.addr", "%q is every address of this machine: say in cluster.advertise under which one others reach it", x.Addr)
	}
	for _, j := range x.Join {
		v.reachable("cluster.join", j)
		if _, port, _ := net.SplitHostPort(j); port == "0" {
			v.add("cluster.join", "%q needs the port of another member", j)
		}
	}
	if self := x.Advertised(port); loopback(self) {
		for _, j := range x.Join {
			if host, _, _ := net.SplitHostPort(j); isIP(host) && !loopback(j) {
				v.add("cluster.advertise", "%q means this machine alone, and %s is another: say under which address others reach this member", self, j)
				break
			}
		}
	}
}

// planned is how many members there are to be, as far as Join tells: those that
// it lists, and this one unless one of them may be it.
func (c Cluster) planned() int {
	_, port, _ := net.SplitHostPort(c.Addr)
	self := c.Advertised(port)
	all := map[string]bool{}
	listed := false
	for _, j := range c.Join {
		all[strings.ToLower(j)] = true
		listed = listed || mayBe(j, self)
	}
	if listed {
		return len(all)
	}
	return len(all) + 1
}

// mayBe reports whether two addresses can mean the same: a name may stand for
// any address and for another name.
func mayBe(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if portA != portB || portA == "0" {
		return false
	}
	ipA, errA := netip.ParseAddr(hostA)
	ipB, errB := netip.ParseAddr(hostB)
	return errA != nil || errB != nil || ipA == ipB
}

// reachable checks an address that members dial.
func (v *verdict) reachable(key, value string) {
	if !v.hostPort(key, value) {
		return
	}
	switch host, _, _ := net.SplitHostPort(value); {
	case everyAddress(host):
		v.add(key, "%q is no address that others could reach", value)
	case !isIP(host) && !hostName(host):
		v.add(key, "%q is neither an IP address nor a host's name", host)
	}
}

func (v *verdict) between(key string, value, least, most int) {
	if value < least || value > most {
		v.add(key, "%d is not between %d and %d", value, least, most)
	}
}

// everyAddress reports whether listening on host means all addresses.
func everyAddress(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.Unmap().WithZone("").IsUnspecified()
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func hostName(host string) bool {
	for _, r := range host {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_' {
			return false
		}
	}
	return host != ""
}

func countGiven(texts ...string) int {
	n := 0
	for _, text := range texts {
		if text != "" {
			n++
		}
	}
	return n
}
