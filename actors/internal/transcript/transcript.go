// Package transcript plays scripts that a person can read against code under
// test. A file is a list of blocks, parted by blank lines: commands, a line
// "----", and what was said to them. A block without that line only says
// something about the file. With -rewrite the files are written anew.
package transcript

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Flag registers -rewrite. Call it once in a test package.
func Flag() *bool { return flag.Bool("rewrite", false, "write the transcripts anew") }

// Do carries out one command and returns what is to be said to it.
type Do func(command string) string

// Play runs the files of a pattern, each as a subtest with a Do of its own. It
// reports whether all of them ran.
func Play(t *testing.T, pattern string, rewrite bool, start func(t *testing.T) Do) (all bool) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %s: %v", pattern, err)
	}
	played := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			played++
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(string(want), start(t))
			if rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // test data is for all to read
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("the transcript is not what it was (see -rewrite):\n%s", got)
			}
		})
	}
	return played == len(files)
}

func play(text string, do Do) string {
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		commands, _, hasOutput := strings.Cut(block+"\n", "----\n")
		out.WriteString(commands)
		if !hasOutput {
			continue
		}
		out.WriteString("----\n")
		for line := range strings.Lines(commands) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			out.WriteString(do(line))
		}
	}
	return out.String()
}
