package tree_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"sojourn/actors/tree"
)

// A journey's email templates come out of an export as they went in, under the
// ids that frodo gives them.
func TestEmailTemplates(t *testing.T) {
	const one = `"welcome":{"_id":"emailTemplate/welcome","_rev":"1","subject":{"en":"x"},"enabled":true}`
	raw := `{"tree":{"_id":"Mail","entryNodeId":"00000000-0000-4000-8000-000000000001","nodes":{
		"00000000-0000-4000-8000-000000000001":{"nodeType":"EmailTemplateNode","connections":{}}}},
		"nodes":{"00000000-0000-4000-8000-000000000001":{"_type":{"_id":"EmailTemplateNode"},"emailTemplateName":"welcome"}},
		"emailTemplates":{` + one + `}}`
	export, err := tree.DecodeExport([]byte(raw))
	if err != nil || len(export.Ignored) > 0 {
		t.Fatal(err, export.Ignored)
	}
	j := export.Journeys[0]
	if names := j.EmailTemplateNames(); !slices.Equal(names, []string{"welcome"}) || len(j.EmailTemplates) != 1 {
		t.Fatalf("named %q, has %d", names, len(j.EmailTemplates))
	}
	out, err := tree.EncodeExport(export.Journeys, tree.Meta{}, fakeTypes{"EmailTemplateNode": nil})
	if err != nil {
		t.Fatal(err)
	}
	var exported struct {
		Trees map[string]struct {
			EmailTemplates json.RawMessage `json:"emailTemplates"`
		} `json:"trees"`
	}
	if err := json.Unmarshal(out, &exported); err != nil {
		t.Fatal(err)
	}
	same(t, "templates", exported.Trees["Mail"].EmailTemplates, []byte(`{"welcome":{"_id":"emailTemplate/welcome","enabled":true,"subject":{"en":"x"}}}`))
	again, err := tree.DecodeExport(out)
	if err != nil || len(again.Journeys[0].EmailTemplates) != 1 {
		t.Errorf("read again: %v", err)
	}
	for _, wrong := range []string{`"x"`, `{"welcome":"x"}`} {
		if _, err := tree.DecodeExport([]byte(strings.Replace(raw, `{`+one+`}`, wrong, 1))); err == nil || !strings.Contains(err.Error(), "/emailTemplates") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
