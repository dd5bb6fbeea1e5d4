package cli

import (
	"fmt"
	"io"
	"os"

	"sojourn/cmd/internal/config"
)

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	return readAll(f, path, limit)
}

// readInput is readLimited, or reads the standard input for "-".
func readInput(env Env, path string, limit int64) ([]byte, error) {
	if path == "-" {
		return readAll(env.Stdin, "the standard input", limit)
	}
	return readLimited(path, limit)
}

func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("%s is larger than %s", name, config.Size(limit))
	}
	return text, nil
}

// openInput opens a file, or the standard input for "-". size is zero when it
// is not known.
func openInput(env Env, path string) (r io.ReadCloser, size int64, err error) {
	if path == "-" {
		return io.NopCloser(env.Stdin), 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open file: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, size, nil
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err //nolint:wrapcheck // a reader's own error
}
