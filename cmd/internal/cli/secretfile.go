package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"sojourn/cmd/internal/secret"
)

// readSecret reads the cluster secret from a file that only its owner may read,
// or from any file when shared.
func readSecret(path string, shared bool) (secret.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("open secret: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return secret.Secret{}, fmt.Errorf("open secret: %w", err)
	}
	if err := secret.CheckMode(info.Mode()); err != nil && !shared && info.Mode().IsRegular() {
		return secret.Secret{}, fmt.Errorf("%s: %w, or say --secret-shared", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4*secret.MaxSize))
	if err != nil {
		return secret.Secret{}, fmt.Errorf("read secret: %w", err)
	}
	return parseSecret(path, text)
}

func parseSecret(from string, text []byte) (secret.Secret, error) {
	s, err := secret.Parse(text)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("%s: %w; \"sojourn keys new FILE\" makes a good one", from, err)
	}
	return s, nil
}

// writeSecret puts a new secret into a file that must not exist yet.
func writeSecret(path string, random io.Reader) error {
	text, err := secret.Generate(random)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create secret: %w", err)
	}
	_, err = io.WriteString(f, text+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}
