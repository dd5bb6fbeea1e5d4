// Package hclogslog hands the log lines of HashiCorp's libraries to slog.
package hclogslog

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// New returns a logger that writes to log. Lines below error become debug lines:
// raft warns of each election, also of one that a member alone must hold. So do
// errors that only say that another member cannot be reached: raft repeats them
// as long as that is so, and who is alive is the membership's to tell.
func New(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(sink{log})
	return l
}

type sink struct{ log *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	if level == hclog.Error && !unreachable(msg) && !usual(args) {
		to = slog.LevelError
	}
	log := s.log
	if name != "" {
		log = log.With("part", name)
	}
	log.Log(context.Background(), to, msg, args...) //nolint:sloglint // another library's message
}

// unreachable reports whether a line says that another member does not answer.
func unreachable(msg string) bool {
	switch msg {
	case "failed to heartbeat to", "failed to appendEntries to", "failed to make requestVote RPC",
		"failed to pipeline appendEntries", "failed to start pipeline replication to", "failed to send snapshot to",
		"failed to install snapshot", "failed to decode incoming command", "failed to accept connection",
		"failed to flush response", "failed to receive whole snapshot", "failed to copy snapshot", "peer has newer term, stopping replication":
		return true
	default:
		return false
	}
}

// usual reports whether an error is no fault: a member is too far behind for the
// log, or there is nothing to take a snapshot of.
func usual(args []any) bool {
	for _, arg := range args {
		if err, ok := arg.(error); ok && (err.Error() == "log not found" || err.Error() == "nothing new to snapshot") {
			return true
		}
	}
	return false
}
