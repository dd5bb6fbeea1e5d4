// Package damage names files of the token store that are not what was written.
package damage

import (
	"fmt"
	"strings"
)

// Error says that a file or folder is damaged, missing or foreign, and what to
// do about it. It is never repaired silently: that could lose what was
// acknowledged.
type Error struct {
	Path   string
	Err    error
	Remedy string
}

// Remedy is the way out for a store whose data cannot be trusted.
const Remedy = "move the folder aside and start with an empty one; " +
	"then restore the last backup, or on a cluster let the member join again"

func (e *Error) Error() string {
	remedy := e.Remedy
	if remedy == "" {
		remedy = Remedy
	}
	return fmt.Sprintf("%s: %v: %s", e.Path, e.Err, remedy)
}

func (e *Error) Unwrap() error { return e.Err }

// At returns err as damage of path, as it is when it says so already.
func At(path string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*Error); ok { //nolint:errorlint // only the outermost counts
		return err
	}
	return &Error{Path: path, Err: err}
}

// Catch turns a panic of a library that reads damaged files into damage of
// path. Use it deferred.
func Catch(path string, err *error) {
	if fault := recover(); fault != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(fmt.Sprint(fault)), "\n") // Badger's go on for pages
		*err = &Error{Path: path, Err: fmt.Errorf("cannot be read: %s", text)}
	}
}
