package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValidateCluster(t *testing.T) {
	three := []string{"10.0.0.1:7946", "10.0.0.2:7946", "10.0.0.3:7946"}
	names := []string{"a.example:7946", "b.example:7946", "c.example:7946"}
	for name, tc := range map[string]struct {
		cluster Cluster
		key     string // of the one fault; empty for none
		says    string // a part of it
	}{
		"alone":                       {Cluster{}, "", ""},
		"the first of many":           {Cluster{Addr: "10.0.0.1:7946"}, "", ""},
		"port from the kernel":        {Cluster{Addr: "127.0.0.1:0"}, "", ""},
		"no port":                     {Cluster{Addr: "10.0.0.1"}, "cluster.addr", `"10.0.0.1" is not HOST:PORT`},
		"port of clients":             {Cluster{Addr: "127.0.0.1:8080"}, "cluster.addr", "is http.addr"},
		"every address":               {Cluster{Addr: "0.0.0.0:7946"}, "cluster.addr", "cluster.advertise"},
		"every address, IPv6":         {Cluster{Addr: "[::]:7946"}, "cluster.addr", "cluster.advertise"},
		"every address, no host":      {Cluster{Addr: ":7946"}, "cluster.addr", "cluster.advertise"},
		"every address, mapped":       {Cluster{Addr: "[::ffff:0.0.0.0]:7946"}, "cluster.addr", "cluster.advertise"},
		"every address, advertised":   {Cluster{Addr: "0.0.0.0:7946", Advertise: "10.0.0.1:7946"}, "", ""},
		"advertised by name":          {Cluster{Addr: ":7946", Advertise: "a.example:7946"}, "", ""},
		"advertised, port as bound":   {Cluster{Addr: ":0", Advertise: "10.0.0.1:0"}, "", ""},
		"advertised, every address":   {Cluster{Addr: ":7946", Advertise: "0.0.0.0:7946"}, "cluster.advertise", "no address that others could reach"},
		"advertised, no port":         {Cluster{Addr: ":7946", Advertise: "10.0.0.1"}, "cluster.advertise", "is not HOST:PORT"},
		"advertised, no name":         {Cluster{Addr: ":7946", Advertise: "my host:7946"}, "cluster.advertise", "neither an IP address nor a host's name"},
		"advertised without address":  {Cluster{Advertise: "10.0.0.1:7946"}, "cluster.addr", "an address is needed"},
		"advertised loopback":         {Cluster{Addr: "127.0.0.1:7946", Join: []string{"10.0.0.2:7946"}}, "cluster.advertise", "this machine alone"},
		"loopback among themselves":   {Cluster{Addr: "127.0.0.1:7946", Join: []string{"127.0.0.1:7947", "localhost:7948"}, Expect: 2}, "", ""},
		"join":                        {Cluster{Addr: "10.0.0.9:7946", Join: three}, "", ""},
		"join without address":        {Cluster{Join: three}, "cluster.addr", "an address is needed"},
		"join, no port":               {Cluster{Addr: "10.0.0.9:7946", Join: []string{"10.0.0.1"}}, "cluster.join", `"10.0.0.1" is not HOST:PORT`},
		"join, port 0":                {Cluster{Addr: "10.0.0.9:7946", Join: []string{"10.0.0.1:0"}}, "cluster.join", "needs the port"},
		"join, every address":         {Cluster{Addr: "10.0.0.9:7946", Join: []string{"0.0.0.0:1"}}, "cluster.join", "no address that others could reach"},
		"join a URL":                  {Cluster{Addr: "10.0.0.9:7946", Join: []string{"http://a:1"}}, "cluster.join", "is not HOST:PORT"},
		"expect of three":             {Cluster{Addr: three[0], Join: three, Expect: 2}, "", ""},
		"expect all":                  {Cluster{Addr: three[0], Join: three, Expect: 3}, "", ""},
		"expect more than are listed": {Cluster{Addr: three[0], Join: three[1:2], Expect: 5}, "", ""},
		"expect of the others":        {Cluster{Addr: three[0], Join: three[1:], Expect: 2}, "", ""},
		"expect half of four":         {Cluster{Addr: "10.0.0.9:7946", Join: three, Expect: 2}, "cluster.expect", "of the 4 members that are planned: two groups of them could found a cluster each; give 3"},
		"expect, one twice":           {Cluster{Addr: "10.0.0.9:7946", Join: []string{"10.0.0.8:7946", "10.0.0.7:7946", "10.0.0.7:7946"}, Expect: 2}, "", ""},
		"expect, listed by name":      {Cluster{Addr: three[0], Join: names, Expect: 2}, "", ""},
		"expect, other port by name":  {Cluster{Addr: "10.0.0.1:7000", Join: names, Expect: 2}, "cluster.expect", "give 3"},
		"expect without join":         {Cluster{Addr: three[0], Expect: 3}, "", ""},
		"expect without address":      {Cluster{Expect: 3}, "cluster.addr", "an address is needed"},
		"expect nobody":               {Cluster{Addr: three[0], Expect: -1}, "cluster.expect", "-1 is not between 1 and 9"},
		"expect too many":             {Cluster{Addr: three[0], Expect: 10}, "cluster.expect", "10 is not between 1 and 9"},
		"too slow":                    {Cluster{Slow: 11}, "cluster.slow", "11 is not between 1 and 10"},
		"slow":                        {Cluster{Addr: three[0], Slow: 10}, "", ""},
		"own PKI":                     {Cluster{Addr: three[0], TLSCert: "c", TLSKey: "k", TLSCA: "a"}, "", ""},
		"own PKI without authorities": {Cluster{Addr: three[0], TLSCert: "c", TLSKey: "k"}, "cluster.tlsCert", "are needed together"},
		"own PKI without certificate": {Cluster{Addr: three[0], TLSCA: "a"}, "cluster.tlsCert", "are needed together"},
		"own PKI, alone":              {Cluster{TLSCert: "c", TLSKey: "k", TLSCA: "a"}, "cluster.tlsCert", "no other members"},
	} {
		t.Run(name, func(t *testing.T) {
			c := ready()
			if c.Cluster = tc.cluster; c.Cluster.Expect == 0 {
				c.Cluster.Expect = 1
			}
			if c.Cluster.Slow == 0 {
				c.Cluster.Slow = 1
			}
			faults := c.faults()
			switch {
			case tc.key == "" && len(faults) > 0:
				t.Errorf("faults %v", faults)
			case tc.key != "" && (len(faults) != 1 || faults[0].Key != tc.key || !strings.Contains(faults[0].Message, tc.says)):
				t.Errorf("faults %v, want one of %s with %q", faults, tc.key, tc.says)
			}
		})
	}
}

func TestValidateDevCluster(t *testing.T) {
	for name, tc := range map[string]struct {
		addr, secret, key string
	}{
		"loopback":      {"127.0.0.1:0", "s", ""},
		"every address": {"10.0.0.1:7946", "s", "cluster.addr"},
		"own secret":    {"127.0.0.1:0", "", "secretFile"},
	} {
		t.Run(name, func(t *testing.T) {
			c := ready()
			dev(&c)
			c.SecretFile, c.Cluster.Addr = tc.secret, tc.addr
			faults := c.faults()
			if tc.key == "" && len(faults) > 0 || tc.key != "" && (len(faults) != 1 || faults[0].Key != tc.key) {
				t.Errorf("faults %v, want one of %q", faults, tc.key)
			}
		})
	}
}

func TestAdvertised(t *testing.T) {
	for _, tc := range []struct{ addr, advertise, want string }{
		{"127.0.0.1:0", "", "127.0.0.1:4711"},
		{"[::1]:0", "", "[::1]:4711"},
		{"localhost:4711", "", "localhost:4711"},
		{":4711", "a.example:0", "a.example:4711"},
		{":4711", "10.0.0.1:7946", "10.0.0.1:7946"},
	} {
		if got := (Cluster{Addr: tc.addr, Advertise: tc.advertise}).Advertised("4711"); got != tc.want {
			t.Errorf("%q, %q: advertised %q, want %q", tc.addr, tc.advertise, got, tc.want)
		}
	}
}

// Whatever is accepted: of the members that a list plans, no two groups without
// a common member are large enough to found a cluster each.
func TestNoTwoFoundations(t *testing.T) {
	hosts := []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1", "10.0.0.5:1", "10.0.0.6:1", "10.0.0.7:1"}
	rapid.Check(t, func(t *rapid.T) {
		members := hosts[:rapid.IntRange(2, len(hosts)).Draw(t, "members")]
		self := rapid.IntRange(0, len(members)-1).Draw(t, "self")
		c := ready()
		c.Cluster.Addr, c.Cluster.Join = members[self], members
		if rapid.Bool().Draw(t, "others only") {
			c.Cluster.Join = append(append([]string{}, members[:self]...), members[self+1:]...)
		}
		c.Cluster.Expect = rapid.IntRange(2, maxExpect).Draw(t, "expect")
		fits := len(members)/c.Cluster.Expect >= 2 // two groups of that size side by side
		if refused := c.Validate() != nil; refused != fits {
			t.Errorf("%d of %d members: refused %t", c.Cluster.Expect, len(members), refused)
		}
	})
}
