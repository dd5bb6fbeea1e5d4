package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
)

// fsyncSize is what one operation of Fsync appends, in bytes: about what one
// login adds to a member's log.
const fsyncSize = 512

// Fsync appends to a file in folder and flushes it to the disk, in the process
// with this id and by one writer: what no write alone can do without there.
func Fsync(name, folder string, pid int) Subject {
	return Subject{Name: name, PIDs: []int{pid}, Workers: 1, bare: true, prepare: func(context.Context) (operation, error) {
		f, err := os.CreateTemp(folder, "fsync-")
		if err != nil {
			return operation{}, fmt.Errorf("prepare %s: %w", name, err)
		}
		block := bytes.Repeat([]byte{'x'}, fsyncSize)
		return operation{
			close: func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }, // its folder goes as well
			do: func(context.Context) error {
				if _, err := f.Write(block); err != nil {
					return err
				}
				return f.Sync()
			},
		}, nil
	}}
}
