package actors

import (
	"context"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	cmap "github.com/orcaman/concurrent-map"
)

// init has protoactor keep actors in 1,024 maps. It makes each of them a map of 32,
// 65,536 objects that every collection would look at, for locks that nobody waits
// for: an actor is looked up when it is made. The library reads the number whenever
// it uses a map, so it must be set before the first.
//
//nolint:gochecknoinits // see above
func init() { cmap.SHARD_COUNT = 1 }

// newSystem starts an actor system that logs through logger.
func newSystem(logger *slog.Logger) *actor.ActorSystem {
	quiet := slog.New(&withoutBodies{logger.Handler()})
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }),
		actor.WithDeadLetterRequestLogging(false),
	)
}

// withoutBodies drops what protoactor logs of messages: at Info it prints dead
// letters with their bodies, and bodies hold passwords. Debug is dropped whole.
type withoutBodies struct{ slog.Handler }

func (h *withoutBodies) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo && h.Handler.Enabled(ctx, level)
}

func (h *withoutBodies) Handle(ctx context.Context, record slog.Record) error {
	kept := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	record.Attrs(func(a slog.Attr) bool {
		if a.Key != "message" && a.Key != "reason" {
			kept.AddAttrs(a)
		}
		return true
	})
	return h.Handler.Handle(ctx, kept)
}

func (h *withoutBodies) WithAttrs(attrs []slog.Attr) slog.Handler {
	kept := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		if a.Key != "message" && a.Key != "reason" {
			kept = append(kept, a)
		}
	}
	return &withoutBodies{h.Handler.WithAttrs(kept)}
}

func (h *withoutBodies) WithGroup(name string) slog.Handler {
	return &withoutBodies{h.Handler.WithGroup(name)}
}
