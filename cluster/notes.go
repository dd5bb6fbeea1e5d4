package cluster

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// queuedNotes is how many log lines may wait for a slow log. More are
	// dropped: gossip must not wait for a disk or a pipe.
	queuedNotes = 256
	// every is how often one matter is logged that may come up all the time.
	every = time.Minute
	// maxLine bounds what a peer can bring into the log through memberlist.
	maxLine = 300
)

// notes hands log lines from memberlist's callbacks to a goroutine.
type notes struct {
	log   *slog.Logger
	lines chan note

	mu   sync.Mutex
	last map[string]time.Time
}

type note struct {
	level slog.Level
	text  string
	args  []any
}

func newNotes(log *slog.Logger) *notes {
	return &notes{log: log, lines: make(chan note, queuedNotes), last: map[string]time.Time{}}
}

// run writes the lines until ctx ends, and those that wait then.
func (n *notes) run(ctx context.Context) {
	write := func(l note) { n.log.Log(context.WithoutCancel(ctx), l.level, l.text, l.args...) } //nolint:sloglint // texts are constants of the callers
	for {
		select {
		case l := <-n.lines:
			write(l)
		case <-ctx.Done():
			for {
				select {
				case l := <-n.lines:
					write(l)
				default:
					return
				}
			}
		}
	}
}

// add queues a line; it never waits.
func (n *notes) add(level slog.Level, text string, args ...any) {
	select {
	case n.lines <- note{level, text, args}:
	default:
	}
}

// seldom is add, once a minute for each matter.
func (n *notes) seldom(level slog.Level, text, matter string, args ...any) {
	now := time.Now()
	n.mu.Lock()
	last, known := n.last[matter]
	if known && now.Sub(last) < every {
		n.mu.Unlock()
		return
	}
	if len(n.last) >= queuedNotes {
		clear(n.last)
	}
	n.last[matter] = now
	n.mu.Unlock()
	n.add(level, text, args...)
}

// Write takes the lines of memberlist's logger, "[LEVEL] memberlist: text".
func (n *notes) Write(b []byte) (int, error) {
	level, text := slog.LevelInfo, string(bytes.TrimSpace(b))
	if tag, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(tag, "[") {
		text = rest
		switch tag {
		case "[DEBUG":
			level = slog.LevelDebug
		case "[WARN", "[ERR", "[ERROR":
			level = slog.LevelWarn
		}
	}
	text = strings.TrimPrefix(text, "memberlist: ")
	// Metadata is long, and its owner logs it better.
	text, _, _ = strings.Cut(text, " meta:(")
	for _, ordinary := range []string{
		"ignoring alive message for",   // NotifyAlive has said why
		"Got ping for unexpected node", // the name that an earlier process had at this address
	} {
		if strings.HasPrefix(text, ordinary) {
			level = slog.LevelDebug
		}
	}
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "")
	}
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "?")
	}
	if level < slog.LevelInfo {
		n.add(level, "gossip", "detail", text)
	} else {
		n.seldom(level, "gossip", matter(text), "detail", text)
	}
	return len(b), nil
}

// matter is a line without the port that a peer happened to connect from.
func matter(text string) string {
	if i := strings.Index(text, "from="); i >= 0 {
		if j := strings.LastIndexByte(text, ':'); j > i {
			return text[:j]
		}
	}
	return text
}
