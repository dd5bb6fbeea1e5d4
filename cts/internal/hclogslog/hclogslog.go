// Package hclogslog hands the log lines of HashiCorp's libraries to slog.
package hclogslog

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// New returns a logger that writes to log. Lines below warning become debug
// lines: what an operator acts on is said by the store itself.
func New(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(sink{log})
	return l
}

type sink struct{ log *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case hclog.Warn:
		to = slog.LevelWarn
	case hclog.Error:
		to = slog.LevelError
	}
	log := s.log
	if name != "" {
		log = log.With("part", name)
	}
	log.Log(context.Background(), to, msg, args...)
}
