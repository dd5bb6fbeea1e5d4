package rest

import (
	"log/slog"
	"net/http"
)

// takeBackup streams the whole store to the operator. Once bytes are out, an
// error can only be told by cutting the connection.
func takeBackup(c *call) error {
	w := &firstByte{w: c.w}
	err := c.h.cfg.Resources.Backups.Backup(c.context(), w)
	switch {
	case err == nil:
		w.begin()
		return nil
	case !w.begun:
		return err
	}
	ctx := c.context()
	c.h.cfg.Log.LogAttrs(ctx, slog.LevelError, "backup cut short",
		slog.String("txid", c.h.cfg.TransactionID(ctx)), slog.Any("err", err))
	panic(http.ErrAbortHandler)
}

// firstByte writes the header of a backup with its first byte.
type firstByte struct {
	w     http.ResponseWriter
	begun bool
}

func (f *firstByte) begin() {
	if f.begun {
		return
	}
	f.begun = true
	h := f.w.Header()
	h["Content-Type"] = []string{"application/octet-stream"}
	h["Cache-Control"] = cacheNoStore
	h["X-Content-Type-Options"] = noSniff
	f.w.WriteHeader(http.StatusOK)
}

func (f *firstByte) Write(p []byte) (int, error) {
	f.begin()
	return f.w.Write(p)
}

// restoreBackup replaces the whole store by a backup.
func restoreBackup(c *call) error {
	if err := c.h.cfg.Resources.Backups.Restore(c.context(), c.r.Body); err != nil {
		return err
	}
	return c.success()
}
