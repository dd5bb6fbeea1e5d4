package cli

import (
	"os"
	"testing"
)

// The reference in docs is what the program says of its settings.
func TestReferenceIsUpToDate(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(raw) != settingsReference() {
		t.Error("docs/settings.md is out of date: sojourn config reference > docs/settings.md")
	}
}
