package actors

import (
	"testing"
	"time"

	"sojourn/cluster/placement"
)

// A trace can be read by every member of the view: while one speaks the older
// protocol, it is as that one writes it.
func TestTraceForAll(t *testing.T) {
	other := placement.Member{ID: "two", Protocol: placement.ReplicaProtocol}
	m := newMember(t, time.Now)
	m.Close()
	m.open(t, time.Now, func(c *Config) {
		c.View = func() placement.View {
			return placement.NewView(1, placement.Member{ID: "one", Protocol: placement.ReplicaProtocol}, other)
		}
	})
	for protocol, want := range map[int]byte{placement.ReplicaProtocol: 2, placement.ReplicaProtocol - 1: 1} {
		other.Protocol = protocol
		raw := m.start(t, "Login").Ref.Trace
		decoded, err := decodeTrace(raw, nil)
		if err != nil || raw[0] != want || (len(decoded.set) == 0) != (want == 1) || decoded.tree != "Login" {
			t.Errorf("with a member of protocol %d: version %d, set %v, %v", protocol, raw[0], decoded.set, err)
		}
	}
}
