package peer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"sojourn/actors/identity"
)

// Kinds of changes. Numbers are never used again.
const (
	changeStatus        = 1
	changeCountLogin    = 2
	changeCountFailure  = 3
	changeClearFailures = 4
	changeRetries       = 5
	changePassword      = 6
	changeReplaceHash   = 7
	changeAttributes    = 8
	changeOnce          = 9
	changeCountRetry    = 10
	changeReserve       = 11
	changeSettle        = 12
)

// appendChange writes kind (1) and the change as JSON; for an identity.Once its
// key, its time and the change inside.
func appendChange(b []byte, c identity.Change) ([]byte, error) {
	switch c := c.(type) {
	case identity.Once:
		b = append(append(b, changeOnce), c.Key[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(c.Until.Unix())) //nolint:gosec // the same bits come back
		return appendChange(b, c.Change)
	case identity.SetStatus:
		b = append(b, changeStatus)
	case identity.CountLogin:
		b = append(b, changeCountLogin)
	case identity.CountFailure:
		b = append(b, changeCountFailure)
	case identity.ClearFailures:
		b = append(b, changeClearFailures)
	case identity.SetRetries:
		b = append(b, changeRetries)
	case identity.CountRetry:
		b = append(b, changeCountRetry)
	case identity.Reserve:
		b = append(b, changeReserve)
	case identity.Settle:
		b = append(b, changeSettle)
	case identity.SetPassword:
		b = append(b, changePassword)
	case identity.ReplaceHash:
		b = append(b, changeReplaceHash)
	case identity.SetAttributes:
		b = append(b, changeAttributes)
	default:
		panic(fmt.Sprintf("peer: change of type %T", c))
	}
	text, err := json.Marshal(c)
	if err != nil {
		return b, fmt.Errorf("encode a change of type %T: %w", c, err)
	}
	return append(b, text...), nil
}

// change reads what is left as a change.
func (r *reader) change() identity.Change {
	kind := r.Byte()
	if kind == changeOnce {
		once := identity.Once{Key: r.ID(), Until: time.Unix(int64(r.Uint64()), 0).UTC()} //nolint:gosec // as above
		once.Change = r.plainChange(r.Byte())
		return once
	}
	return r.plainChange(kind)
}

// plainChange reads a change that is not a Once.
func (r *reader) plainChange(kind byte) identity.Change {
	switch kind {
	case changeStatus:
		return changeOf[identity.SetStatus](r)
	case changeCountLogin:
		return changeOf[identity.CountLogin](r)
	case changeCountFailure:
		return changeOf[identity.CountFailure](r)
	case changeClearFailures:
		return changeOf[identity.ClearFailures](r)
	case changeRetries:
		return changeOf[identity.SetRetries](r)
	case changeCountRetry:
		return changeOf[identity.CountRetry](r)
	case changeReserve:
		return changeOf[identity.Reserve](r)
	case changeSettle:
		return changeOf[identity.Settle](r)
	case changePassword:
		return changeOf[identity.SetPassword](r)
	case changeReplaceHash:
		return changeOf[identity.ReplaceHash](r)
	case changeAttributes:
		return changeOf[identity.SetAttributes](r)
	default:
		r.Fail("unknown change %d", kind)
		return nil
	}
}

func changeOf[T identity.Change](r *reader) (c T) {
	if r.Err() == nil {
		if err := json.Unmarshal(r.End(), &c); err != nil {
			r.Fail("a change: %T", err) // the text could quote a hash
		}
	}
	return c
}
