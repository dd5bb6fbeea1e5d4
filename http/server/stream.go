package server

import (
	"context"
	"errors"
)

// ErrTooManyStreams says that as many answers last as may; who is told so is to be
// answered 503 with Retry-After.
var ErrTooManyStreams = errors.New("too many streams are open")

// Stream makes the answer to the request of ctx one that lasts. A quarter of
// Limits.Streams is kept for those who are preferred. It returns the
// context of that answer, which has no deadline and ends when the client leaves, or
// with the cause ErrServerClosed as soon as the server begins to stop: the handler
// is to return then. The answer counts among Limits.Streams from now on and no
// more among the requests in flight, and its connection has no time limits but
// those that the handler sets. Outside of a request ctx itself is returned.
func Stream(ctx context.Context, preferred bool) (context.Context, error) {
	c, ok := ctx.Value(requestKey{}).(*requestContext)
	if !ok {
		return ctx, nil
	}
	return c.exchange.stream(preferred)
}

func (e *exchange) stream(preferred bool) (context.Context, error) {
	f := e.ctx.door
	places := f.cfg.Limits.Streams
	if !preferred {
		places -= places / 4
	}
	if f.streams.Add(1) > int64(places) {
		f.streams.Add(-1)
		f.refused.Add(1)
		return nil, ErrTooManyStreams
	}
	f.lift(e)
	if e.counted {
		e.counted = false
		f.inFlight.Add(-1)
	}
	ctx, end := context.WithCancelCause(context.WithValue(e.ctx.Context, requestKey{}, &e.ctx))
	stop := context.AfterFunc(f.stopping, func() { end(ErrServerClosed) })
	e.release = func() {
		stop()
		end(context.Canceled)
		f.streams.Add(-1)
	}
	return ctx, nil
}

// finished ends what the request was counted among.
func (e *exchange) finished() {
	if e.counted {
		e.ctx.door.inFlight.Add(-1)
	}
	if e.release != nil {
		e.release()
	}
}
