package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// listing is what a listing command found: rows for a table, and the same as a
// value for JSON.
type listing struct {
	head []string
	rows [][]string
	json any
}

// jsonFlag adds --json to a listing command.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON instead of a table")
}

func (l listing) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, l.json)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{l.head}, l.rows...) {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, printable(cell))
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write listing: %w", err)
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// printable keeps what others chose (names, attributes) from steering a
// terminal or breaking a table.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// progress shows one changing line while long work goes on, on a terminal only.
type progress struct {
	w    io.Writer
	live bool
}

func newProgress(w io.Writer) progress {
	f, ok := w.(*os.File)
	return progress{w: w, live: ok && term.IsTerminal(int(f.Fd()))}
}

func (p progress) show(format string, args ...any) {
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
	}
}

func (p progress) done() { p.show("") }
