package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
)

// transactionHeader carries a transaction id, as AM names it; transactionKey is the
// name under which net/http has it.
const (
	transactionHeader = "X-ForgeRock-TransactionId"
	transactionKey    = "X-Forgerock-Transactionid"
)

// maxTransactionID bounds an id that a client may give, in bytes.
const maxTransactionID = 128

// TransactionID is the id of the request that ctx belongs to, empty outside
// one. It ties log records of one request together and is no secret.
func TransactionID(ctx context.Context) string {
	c, ok := ctx.Value(requestKey{}).(*requestContext)
	if !ok {
		return ""
	}
	return c.txid
}

// transactionIDs makes ids: unique across processes by a random prefix, within
// one by a number.
type transactionIDs struct {
	prefix string
	last   atomic.Uint64
}

func newTransactionIDs() (*transactionIDs, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("transaction ids: %w", err)
	}
	return &transactionIDs{prefix: hex.EncodeToString(random[:]) + "-"}, nil
}

func (t *transactionIDs) of(r *http.Request, trust func(context.Context) bool) string {
	if given := r.Header[transactionKey]; trust != nil && len(given) > 0 && sound(given[0]) && trust(r.Context()) {
		return given[0]
	}
	return t.prefix + strconv.FormatUint(t.last.Add(1), 10)
}

// sound reports whether an id may stand in a log: printable ASCII without
// spaces, of bounded length.
func sound(id string) bool {
	if id == "" || len(id) > maxTransactionID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return false
		}
	}
	return true
}
