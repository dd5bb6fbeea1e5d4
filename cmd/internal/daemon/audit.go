package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"sojourn/cmd/internal/config"
	"sojourn/cts/feed"
)

// audit is where lines of the audit go.
type audit struct {
	log  *slog.Logger
	file *os.File // nil when they go to the log
}

// openAudit opens the audit: JSON lines in a file of their own, or the log at its
// level for details, for nobody acts on them. Lines in a file have AM's names for
// what slog calls time and message, and no level.
func openAudit(c config.Audit, log *slog.Logger) (audit, error) {
	if c.File == "" {
		return audit{log: slog.New(asDebug{log.With("part", "audit").Handler()})}, nil
	}
	file, err := os.OpenFile(c.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return audit{}, fmt.Errorf("open the audit: %w", err)
	}
	handler := slog.NewJSONHandler(file, &slog.HandlerOptions{ReplaceAttr: amNames})
	return audit{slog.New(handler), file}, nil
}

func amNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	case slog.MessageKey:
		a.Key = "eventName"
	case slog.LevelKey:
		return slog.Attr{}
	}
	return a
}

// asDebug takes every line for one of level debug.
type asDebug struct{ slog.Handler }

func (h asDebug) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

func (h asDebug) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // slog's own
}

// hear tells the audit of what became of sessions by nobody's doing.
func (d *Daemon) hear(ctx context.Context, from *feed.Listener) {
	for {
		change, err := from.Next(ctx)
		switch {
		case errors.Is(err, feed.ErrMissed):
			d.config.Log.Warn("sessions may have timed out that the audit does not know of")
		case err != nil:
			return
		default:
			d.sessions.Heard(change.Event)
		}
	}
}

func (a audit) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
