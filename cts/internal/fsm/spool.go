package fsm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
)

// spool is a snapshot in a file of its own, on its way to or from another
// member. In an encrypted folder it is encrypted: 16 random bytes, then the
// stream under AES-CTR. The stream has its own check.
type spool struct {
	file *os.File
	key  []byte // 32 bytes, nil for a plain file
	to   io.Writer
	from io.Reader
}

func (s *spool) cipher(iv []byte) (cipher.Stream, error) {
	block, err := aes.NewCipher(s.key)
	if err != nil {
		return nil, fmt.Errorf("encrypt snapshot: %w", err)
	}
	return cipher.NewCTR(block, iv), nil
}

// newSpool begins a file that is written.
func newSpool(file *os.File, key []byte) (*spool, error) {
	s := &spool{file: file, key: key, to: file}
	if key == nil {
		return s, nil
	}
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv) // never fails
	stream, err := s.cipher(iv)
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(iv); err != nil {
		return nil, fmt.Errorf("spool snapshot: %w", err)
	}
	s.to = cipher.StreamWriter{S: stream, W: file}
	return s, nil
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	if err != nil {
		err = fmt.Errorf("spool snapshot: %w", err)
	}
	return n, err
}

// readSpool begins to read a file and returns how long its content is.
func readSpool(file *os.File, key []byte) (*spool, int64, error) {
	s := &spool{file: file, key: key, from: file}
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read snapshot: %w", err)
	}
	if key == nil {
		return s, size, nil
	}
	iv := make([]byte, aes.BlockSize)
	if _, err := io.ReadFull(file, iv); err != nil {
		return nil, 0, fmt.Errorf("read snapshot: %w", err)
	}
	stream, err := s.cipher(iv)
	if err != nil {
		return nil, 0, err
	}
	s.from = cipher.StreamReader{S: stream, R: file}
	return s, size - aes.BlockSize, nil
}

// Read implements io.Reader.
func (s *spool) Read(p []byte) (int, error) { return s.from.Read(p) }

// Close removes the file.
func (s *spool) Close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }
