package server

import "context"

// Begins reports whether the request of ctx may begin something new: it may not
// while so many requests are in flight that the places that are left are reserved
// for those that go on with what was begun before. A handler asks once it knows
// which of the two its request is, and before it does anything for it; who is told
// no is to be answered 503 with Retry-After. Outside of a request it reports true.
func Begins(ctx context.Context) bool {
	c, ok := ctx.Value(requestKey{}).(*requestContext)
	if !ok {
		return true
	}
	f := c.door
	if f.inFlight.Load() <= int64(f.cfg.Limits.InFlight-f.cfg.Limits.Reserved) {
		return true
	}
	f.begins.Add(1)
	return false
}

// Metrics are a server's counters since its start, and a gauge.
type Metrics struct {
	// InFlight is how many requests handlers work on now, those to essential
	// mounts not counted.
	InFlight int64
	// Refused counts requests, and streams, that found no place, RefusedBegins those that Begins
	// said no to.
	Refused, RefusedBegins int64
	// Streams are the answers that last now.
	Streams int64
}

// Metrics returns the current figures.
func (s *Server) Metrics() Metrics {
	return Metrics{
		InFlight:      s.front.inFlight.Load(),
		Refused:       s.front.refused.Load(),
		RefusedBegins: s.front.begins.Load(),
		Streams:       s.front.streams.Load(),
	}
}
