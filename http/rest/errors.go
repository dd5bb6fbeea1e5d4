package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// fault is an answer that is not a success: an HTTP status and what AM's error
// object says. It is an error so that endpoints can return it.
type fault struct {
	status int
	// message is for the client; empty stands for the status's own phrase.
	message string
	// detail is left out when nil.
	detail []callback.Entry
	// retryAfter, when not zero, is told to the client.
	retryAfter time.Duration
}

func (f fault) Error() string { return f.message }

// Refusals that more than one endpoint gives.
var (
	errUnauthorised = fault{status: 401, message: "Access Denied"}
	errForbidden    = fault{status: 403}
	errMethod       = fault{status: 405, message: "Method Not Allowed"}
	errSlowBody     = fault{status: 408, message: "The request body took too long"}
	errTooLarge     = fault{status: 413, message: "The request body is too large"}
	errMediaType    = fault{status: 415, message: "Unsupported Media Type"}
	errBusy         = fault{status: 503, message: "Too many requests in progress", retryAfter: retryAfter}
	errCutBody      = fault{status: 400, message: "The request body ended early"}
	errNotJSON      = fault{status: 400, message: "The request could not be processed because the provided content is not valid JSON"}
)

// timedOut is AM's error 110, on which clients start the journey again. The
// number travels as a string.
func timedOut() fault {
	return fault{
		status:  401,
		message: journey.ErrGone.Error(),
		detail:  []callback.Entry{{Name: "errorCode", Value: "110"}},
	}
}

// retryAfter is what a client is told when nobody said when to come back.
const retryAfter = time.Second

// faultOf is the one table from errors to answers (am-contract section 1.7).
// The second result is false for an error that it does not list: a bare 500.
func faultOf(err error) (fault, bool) {
	var (
		own         fault
		value       *callback.ValueError
		unavailable *session.UnavailableError
		syntax      *wire.SyntaxError
	)
	switch {
	case errors.As(err, &own):
		return own, true
	case errors.Is(err, journey.ErrGone):
		return timedOut(), true
	case errors.Is(err, journey.ErrSuspended):
		return fault{status: 401, message: suspendedGone}, true
	case errors.Is(err, journey.ErrNoTree):
		return fault{status: 400, message: journey.ErrNoTree.Error()}, true
	case errors.Is(err, journey.ErrLevel):
		return errLevelDenied, true
	case errors.Is(err, journey.ErrNoRealm):
		return fault{status: 400, message: "Org is inactive"}, true
	case errors.Is(err, journey.ErrOtherUser):
		return fault{status: 400, message: journey.ErrOtherUser.Error()}, true
	case errors.Is(err, callback.ErrCount):
		return fault{status: 400, message: callback.ErrCount.Error()}, true
	case errors.Is(err, callback.ErrType):
		return fault{status: 400, message: callback.ErrType.Error()}, true
	case errors.Is(err, callback.ErrInput):
		return fault{status: 500, message: callback.ErrInput.Error()}, true
	case errors.As(err, &value):
		return fault{status: 400, message: value.Error()}, true
	case errors.Is(err, wire.ErrNotJWT):
		return fault{status: 400, message: err.Error()}, true
	case errors.Is(err, wire.ErrSignature):
		return fault{status: 400, message: wire.ErrSignature.Error()}, true
	case errors.Is(err, wire.ErrExpired):
		return timedOut(), true
	case errors.Is(err, wire.ErrAuthIDSize):
		return fault{status: 400, message: "The authIndexValue is too long"}, true
	case errors.As(err, &syntax):
		return errNotJSON, true
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrToken):
		return errUnauthorised, true
	case errors.Is(err, session.ErrClientSide):
		return fault{status: 400, message: "A client-side session cannot be changed"}, true
	case errors.As(err, &unavailable):
		return fault{status: 503, retryAfter: max(unavailable.RetryAfter, retryAfter)}, true
	case errors.Is(err, identity.ErrOverloaded),
		errors.Is(err, identity.ErrUnavailable),
		errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled):
		return fault{status: 503, retryAfter: retryAfter}, true
	}
	if f, ok := transactionFault(err); ok {
		return f, true
	}
	if f, ok := resourceFault(err); ok {
		return f, true
	}
	return fault{status: http.StatusInternalServerError}, false
}

// fail answers with what the table says of err.
func (c *call) fail(err error) {
	f, listed := faultOf(err)
	c.log(err, f, listed)
	if f.retryAfter > 0 {
		seconds := (f.retryAfter + time.Second - 1) / time.Second
		c.w.Header()["Retry-After"] = []string{strconv.FormatInt(int64(seconds), 10)}
	}
	reason := reasonOf(f.status)
	if f.message == "" {
		f.message = reason
	}
	body := wire.Failure{Code: f.status, Reason: reason, Message: f.message, Detail: f.detail}
	if c.endpoint != nil && c.endpoint.legacyErrors {
		if c.api.major == 1 {
			c.buf = wire.AppendFailureV1(c.buf[:0], body)
		} else {
			c.buf = wire.AppendFailure(c.buf[:0], body)
		}
		c.plain(f.status, c.buf)
		return
	}
	c.buf = wire.AppendFailure(c.buf[:0], body)
	c.crest(f.status, c.buf)
}

// log tells the operator what a client is not told: an error that the table
// does not list, or why there was no answer. Overload is told at Debug, as it
// must not flood the log as well; an outage at Warn once a second, else at
// Debug: the disk that is full may be the log's.
func (c *call) log(err error, f fault, listed bool) {
	var unavailable *session.UnavailableError
	level := slog.LevelDebug
	switch {
	case !listed:
		level = slog.LevelError
	case errors.As(err, &unavailable), errors.Is(err, identity.ErrUnavailable):
		if second := c.now.Unix(); c.h.warned.Swap(second) != second {
			level = slog.LevelWarn
		}
	case f.status != http.StatusServiceUnavailable:
		return
	}
	ctx := c.context()
	c.h.cfg.Log.LogAttrs(ctx, level, "request refused",
		slog.Int("status", f.status),
		slog.String("realm", string(c.realm)),
		slog.String("txid", c.h.cfg.TransactionID(ctx)),
		slog.Any("err", err))
}

// reasonOf is the phrase that AM uses for a status.
func reasonOf(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return strconv.Itoa(status)
}
