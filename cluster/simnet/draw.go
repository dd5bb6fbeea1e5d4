package simnet

import (
	"hash/fnv"
	"time"
)

// What a draw decides. Two purposes never share a number.
const (
	forStream uint64 = iota + 1
	forPacket
	forLoss
)

// mix64 is the finisher of splitmix64.
func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// pathKey is the root of all draws for one direction between two hosts.
func pathKey(seed uint64, from, to string) uint64 {
	h := fnv.New64a()
	for _, name := range []string{from, to} {
		_, _ = h.Write([]byte(name))
		_, _ = h.Write([]byte{0})
	}
	return mix64(seed ^ mix64(h.Sum64()))
}

// draw returns a number in [0, 1) for the b-th event of the a-th series.
func (p *path) draw(purpose, a, b uint64) float64 {
	x := p.key
	for _, part := range [...]uint64{purpose, a, b} {
		x = mix64(x + part*0x9e3779b97f4a7c15)
	}
	return float64(x>>11) / (1 << 53)
}

// travel is how long event b of series a is on its way.
func (p *path) travel(purpose, a, b uint64) time.Duration {
	if p.local {
		return 0
	}
	jitter := time.Duration(p.draw(purpose, a, b) * float64(p.n.o.Jitter))
	return p.n.o.Latency + p.delay + jitter
}
