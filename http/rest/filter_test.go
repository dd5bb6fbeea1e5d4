package rest

import (
	"slices"
	"strings"
	"testing"
)

func TestParseFilter(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []term
		ok   bool
	}{
		{`true`, nil, true},
		{` true `, nil, true},
		{`name eq "N"`, []term{{"name", opEquals, "N"}}, true},
		{`/name co 'it\'s "x"'`, []term{{"name", opContains, `it's "x"`}}, true},
		{`a sw "" and b eq "and b eq \"x\""`, []term{{"a", opStarts, ""}, {"b", opEquals, `and b eq "x"`}}, true},
		{`a  eq  "x"  and  b eq "y" `, []term{{"a", opEquals, "x"}, {"b", opEquals, "y"}}, true},
		{``, nil, false},
		{`false`, nil, false},
		{`a eq x`, nil, false},
		{`a gt "x"`, nil, false},
		{`a eq "x" or b eq "y"`, nil, false},
		{`a eq "x"and b eq "y"`, nil, false},
		{`a eq "x" and`, nil, false},
		{`a eq "x" and `, nil, false},
		{`a eq "x`, nil, false},
		{`a eq "x\`, nil, false},
		{`(a eq "x")`, nil, false},
		{`a eq "x" b`, nil, false},
		{"a eq \"x\ny\"", nil, false},
		{strings.Repeat(`a eq "x" and `, maxTerms) + `a eq "x"`, nil, false},
	} {
		got, ok := parseFilter(tt.text)
		if ok != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v %t, want %v %t", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

// Whatever is understood can be written down again and means the same.
func FuzzFilter(f *testing.F) {
	f.Add(`username eq "x" and realm eq "/alpha"`)
	f.Add(`true`)
	f.Add(`a sw 'b\'' and c co "\\"`)
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, text string) {
		terms, ok := parseFilter(text)
		if !ok || terms == nil {
			return
		}
		parts := make([]string, len(terms))
		for i, term := range terms {
			parts[i] = term.field + " " + string(term.op) + ` "` + quote.Replace(term.value) + `"`
		}
		written := strings.Join(parts, " and ")
		if len(written) > maxFilter {
			return
		}
		again, ok := parseFilter(written)
		if !ok || !slices.Equal(again, terms) {
			t.Fatalf("%q was understood as %v, written as %q and then understood as %v", text, terms, written, again)
		}
	})
}
