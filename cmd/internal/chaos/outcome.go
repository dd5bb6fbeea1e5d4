package chaos

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
)

// outcome says what an error of the client means.
func outcome(err error) history.Outcome {
	var refusal *client.Error
	var broken *net.OpError
	switch {
	case err == nil:
		return history.OK
	case errors.As(err, &refusal):
		return refused(refusal)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return history.Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return history.Refused
	case errors.As(err, &broken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		// net/http has no other way to tell this one.
		strings.Contains(err.Error(), "server closed idle connection"):
		return history.Cut
	}
	return history.Wrong
}

func refused(e *client.Error) history.Outcome {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return history.Unauthorized
	case http.StatusServiceUnavailable:
		if e.RetryAfter > 0 {
			return history.Unavailable
		}
	}
	return history.Wrong
}
