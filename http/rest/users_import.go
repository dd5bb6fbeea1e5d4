package rest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"sojourn/actors/identity"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// Limits of an import.
const (
	importers       = 32 // users being stored at a time: writes share flushes
	maxImportErrors = 20 // lines whose error is told
)

// importUsers stores users from JSON lines, each a wire.User. A line that cannot
// be taken is counted and does not keep the others from coming in; a store that
// is not available ends the import, which may then simply be repeated. Users
// that exist stay as they are unless overwrite=true.
func importUsers(c *call) error {
	in := &importer{c: c, overwrite: c.query.get("overwrite") == "true"}
	in.report.Errors = []wire.ImportError{}
	group, ctx := errgroup.WithContext(c.context())
	group.SetLimit(importers)
	lines := bufio.NewScanner(c.r.Body)
	lines.Buffer(make([]byte, 0, bufferSize), maxUserLine)
	for n := 1; lines.Scan() && ctx.Err() == nil; n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		line = bytes.Clone(line)
		group.Go(func() error { return in.line(ctx, n, line) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return errTooLarge
	case err != nil:
		return bodyError(err)
	}
	slices.SortFunc(in.report.Errors, func(a, b wire.ImportError) int { return a.Line - b.Line })
	return c.answerJSON(in.report)
}

// importer counts what becomes of lines.
type importer struct {
	c         *call
	overwrite bool

	mu     sync.Mutex
	report wire.ImportReport
}

func (in *importer) line(ctx context.Context, n int, line []byte) error {
	created, err := in.store(ctx, line)
	var unavailable *session.UnavailableError
	if errors.As(err, &unavailable) || errors.Is(err, identity.ErrUnavailable) ||
		errors.Is(err, identity.ErrOverloaded) || ctx.Err() != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err != nil:
		in.report.Failed++
		if len(in.report.Errors) < maxImportErrors {
			in.report.Errors = append(in.report.Errors, wire.ImportError{Line: n, Message: in.reason(err)})
		}
	case created:
		in.report.Created++
	case in.overwrite:
		in.report.Replaced++
	default:
		in.report.Existing++
	}
	return nil
}

// reason is the text of an error that the table of errors has, nothing of any
// other.
func (in *importer) reason(err error) string {
	if syntax, ok := errors.AsType[*wire.SyntaxError](err); ok {
		return syntax.Error()
	}
	f, listed := faultOf(err)
	if !listed || f.message == "" {
		return reasonOf(f.status)
	}
	return f.message
}

func (in *importer) store(ctx context.Context, line []byte) (created bool, err error) {
	var u wire.User
	if err := u.UnmarshalJSON(line); err != nil {
		return false, err
	}
	if err := in.c.checkUser(u); err != nil {
		return false, err
	}
	i, err := in.c.newIdentity(ctx, u)
	if err != nil {
		return false, err
	}
	created, err = in.c.h.cfg.Resources.Identities.PutIdentity(ctx, i, !in.overwrite)
	if err == nil && !created && in.overwrite && i.Status == identity.Inactive {
		err = in.c.expel(ctx, i.Realm, i.Name)
	}
	return created, err
}
