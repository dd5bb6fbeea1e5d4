// Package hclogslog hands the log lines of HashiCorp's libraries to slog.
package hclogslog

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// New returns a logger that writes to log. Lines below error become debug lines:
// raft warns of each election, also of one that a member alone must hold.
func New(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(sink{log})
	return l
}

type sink struct{ log *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	if level == hclog.Error {
		to = slog.LevelError
	}
	log := s.log
	if name != "" {
		log = log.With("part", name)
	}
	log.Log(context.Background(), to, msg, args...) //nolint:sloglint // another library's message
}
