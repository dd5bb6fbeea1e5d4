package actors

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/actors/node"
)

// trace is all that is needed to replay the start of a journey that is kept
// nowhere: it travels inside the signed authId. It holds no secret.
type trace struct {
	tree      string
	version   journey.Version
	noSession bool
	request   node.Request // locales and parameters of the first request
	// set are the members that may begin the journey, the first by rank first;
	// empty in the traces of members that knew of no replicas.
	set register.Set
}

// maxTrace bounds an encoded trace, in bytes; a start with a longer one is
// kept like any other journey.
const maxTrace = 2 << 10

// The encoding is: version byte, flags, tree version (16), set, length of the
// tree's name (uvarint), name, then the request as JSON unless it is empty.
// Version 1 has no set.
const (
	traceVersion   = 2
	traceNoSession = 1 << 0
	traceRequest   = 1 << 1
)

var errTrace = errors.New("not a journey's trace")

func (t trace) encode() ([]byte, error) {
	var flags byte
	var request []byte
	if t.noSession {
		flags |= traceNoSession
	}
	if len(t.request.Locales) > 0 || len(t.request.Parameters) > 0 {
		flags |= traceRequest
		var err error
		if request, err = json.Marshal(t.request); err != nil {
			return nil, err
		}
	}
	b := make([]byte, 0, 24+17*len(t.set)+len(t.tree)+len(request))
	if len(t.set) == 0 {
		b = append(b, 1, flags)
		b = append(b, t.version[:]...)
	} else {
		b = append(b, traceVersion, flags)
		b = append(b, t.version[:]...)
		b = register.AppendSet(b, t.set)
	}
	b = binary.AppendUvarint(b, uint64(len(t.tree)))
	b = append(b, t.tree...)
	return append(b, request...), nil
}

func decodeTrace(raw []byte, names register.Names) (trace, error) {
	var t trace
	if len(raw) < 2+len(t.version) || len(raw) > maxTrace || raw[0] < 1 || raw[0] > traceVersion {
		return t, errTrace
	}
	version, flags := raw[0], raw[1]
	raw = raw[2+copy(t.version[:], raw[2:]):]
	if version > 1 {
		var err error
		if t.set, raw, err = register.ReadSet(raw, names); err != nil {
			return t, errTrace
		}
	}
	n, used := binary.Uvarint(raw)
	if used <= 0 || n > maxTrace || int(n) > len(raw)-used { //nolint:gosec // bounded by maxTrace
		return t, errTrace
	}
	t.tree, raw = string(raw[used:used+int(n)]), raw[used+int(n):] //nolint:gosec // bounded by the line above
	t.noSession = flags&traceNoSession != 0
	if flags&traceRequest != 0 {
		if err := json.Unmarshal(raw, &t.request); err != nil {
			return t, errTrace
		}
	}
	if len(t.request.Locales) == 0 {
		t.request.Locales = nil
	}
	if len(t.request.Parameters) == 0 {
		t.request.Parameters = nil
	}
	return t, nil
}

// replay runs the start again as it was at started. The result is the state
// that waits for the first answer.
func (t trace) replay(plan *plan, env journey.Env, started time.Time) (journey.State, bool) {
	env.Now = started
	env.Request = &t.request
	env.Rand = noRandom{}
	state, step := plan.start(env, t.noSession)
	_, asks := step.(journey.Ask)
	return state, asks && !state.Traced
}

// noRandom is the random source of a replay: a start that draws is not one
// that can be replayed.
type noRandom struct{}

var errReplayRandom = errors.New("a replayed start may not draw random bytes")

func (noRandom) Read([]byte) (int, error) { return 0, errReplayRandom }

// begunOld reports whether a trace is of a member that knows of no replicas.
func begunOld(trace []byte) bool { return len(trace) > 0 && trace[0] == 1 }
