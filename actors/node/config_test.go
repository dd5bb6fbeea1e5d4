package node_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/node"
	"sojourn/actors/tree"
)

// sample has a property of every kind.
func sample() *node.Type {
	return &node.Type{
		Name: "SampleNode",
		Properties: []node.Property{
			{Name: "text", Kind: node.Text, Default: "preset"},
			{Name: "choice", Kind: node.Text, Default: "A", Options: []string{"A", "B"}},
			{Name: "flag", Kind: node.Flag, Default: true},
			{Name: "whole", Kind: node.Whole, Default: 7, Min: 2},
			{Name: "list", Kind: node.List},
			{Name: "dict", Kind: node.Dict},
			{Name: "locales", Kind: node.Localised},
			{Name: "raw", Kind: node.Raw},
			{Name: "needed", Kind: node.Text, Required: true},
			{Name: "preset", Kind: node.Text, Required: true, Default: "there"},
		},
	}
}

func TestConfigureReadsExports(t *testing.T) {
	type values struct {
		Text, Choice, Needed, Preset string
		Flag                         bool
		Whole                        int
		List                         []string
		Dict, Locales                map[string]string
		Raw                          string
	}
	defaults := values{Text: "preset", Choice: "A", Flag: true, Whole: 7, Needed: "x", Preset: "there"}
	with := func(change func(*values)) values {
		v := defaults
		change(&v)
		return v
	}
	tests := map[string]struct {
		attributes string
		want       values
	}{
		"defaults":           {`{"needed":"x"}`, defaults},
		"null is default":    {`{"needed":"x","text":null,"flag":null,"whole":null,"list":null,"preset":null}`, defaults},
		"unknown attributes": {`{"needed":"x","other":{"a":[1]}}`, defaults},
		"numbers as text":    {`{"needed":5,"text":1.5,"whole":"42"}`, with(func(v *values) { v.Needed, v.Text, v.Whole = "5", "1.5", 42 })},
		"booleans as text":   {`{"needed":"x","text":true,"flag":"false"}`, with(func(v *values) { v.Text, v.Flag = "true", false })},
		"empty text":         {`{"needed":"x","text":""}`, with(func(v *values) { v.Text = "" })},
		"one for a list":     {`{"needed":"x","list":"a"}`, with(func(v *values) { v.List = []string{"a"} })},
		"mixed list":         {`{"needed":"x","list":["a",1,true,null]}`, with(func(v *values) { v.List = []string{"a", "1", "true", ""} })},
		"maps":               {`{"needed":"x","dict":{"a":1},"locales":{"en":"hi"}}`, with(func(v *values) { v.Dict, v.Locales = map[string]string{"a": "1"}, map[string]string{"en": "hi"} })},
		"raw":                {`{"needed":"x","raw": [1, {"a":2}] }`, with(func(v *values) { v.Raw = `[1, {"a":2}]` })},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := sample().Configure(config(t, "SampleNode", test.attributes))
			if err != nil {
				t.Fatal(err)
			}
			got := values{
				Text: c.Text("text"), Choice: c.Text("choice"), Needed: c.Text("needed"), Preset: c.Text("preset"),
				Flag: c.Flag("flag"), Whole: c.Whole("whole"), List: c.List("list"),
				Dict: c.Dict("dict"), Locales: c.Dict("locales"), Raw: string(c.Raw("raw")),
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestConfigureNamesEveryFault(t *testing.T) {
	_, err := sample().Configure(config(t, "SampleNode",
		`{"text":{},"choice":"C","flag":"maybe","whole":1,"list":[[]],"dict":"x","preset":""}`))
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"text:", "choice:", "flag:", "whole:", "list:", "dict:", "needed:", "preset:", "SampleNode n1"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q is not in %q", name, err)
		}
	}
}

func TestConfigPanicsOnMistakesOfATypeAlone(t *testing.T) {
	c, err := sample().Configure(config(t, "SampleNode", `{"needed":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(){
		"undeclared": func() { c.Text("other") },
		"other kind": func() { c.Whole("text") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "n1") {
					t.Errorf("the panic does not name the node: %s", said)
				}
			}()
			read()
		})
	}
}

func TestMinutesNeverOverflow(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for whole, want := range map[string]time.Duration{
		"5": 5 * time.Minute, "-2": -2 * time.Minute, "9223372036854775807": century, "-9223372036854775808": -century,
	} {
		typ := node.Type{Properties: []node.Property{{Name: "m", Kind: node.Whole}}}
		c, err := typ.Configure(config(t, "T", `{"m":`+whole+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Minutes("m"); got != want {
			t.Errorf("%s minutes are %v, want %v", whole, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	types := node.Builtin()
	if d, ok := types.Describe(config(t, "OS_Auth_VisualCodeNode", `{"a":1}`)); ok || !reflect.DeepEqual(d, tree.Description{}) {
		t.Errorf("a type of somebody else is known: %+v", d)
	}
	for name, test := range map[string]struct {
		c    tree.Config
		want tree.Description
	}{
		"good": {
			config(t, "product-PollingWaitNode", `{"exitable":true,"newer":1,"a":2}`),
			tree.Description{Title: "Polling Wait Node", Outcomes: []tree.Outcome{"DONE", "EXITED"}, Unknown: []string{"a", "newer"}},
		},
		"bad attributes": {
			config(t, "RetryLimitDecisionNode", `{"retryLimit":"x","incrementUserAttributeOnFailure":"y"}`),
			tree.Description{Title: "Retry Limit Decision", Faults: []string{
				`retryLimit: "x" is not a whole number`, `incrementUserAttributeOnFailure: "y" is not true or false`,
			}},
		},
		"bad together": {
			config(t, "AttributeValueDecisionNode", `{"comparisonAttribute":"sn"}`),
			tree.Description{Title: "Attribute Value Decision", Faults: []string{"comparisonValue: EQUALS needs a value"}},
		},
		"page": {
			config(t, "PageNode", `{"nodes":[{"_id":"a","nodeType":"MessageNode"}]}`),
			tree.Description{Title: "Page Node"},
		},
		"inner tree": {
			config(t, "InnerTreeEvaluatorNode", `{"tree":"Other","displayErrorOutcome":"true"}`),
			tree.Description{Title: "Inner Tree Evaluator", Outcomes: []tree.Outcome{"true", "false", "error"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := types.Describe(test.c)
			if !ok || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestSchemaAndTemplate(t *testing.T) {
	types := node.Builtin()
	fields, ok := types.Schema("product-UpdateJourneyTimeoutNode")
	want := []node.Field{
		{Name: "operation", Title: "Operation", Type: "string", Required: true, Options: []string{"SET", "MODIFY"}},
		{Name: "value", Title: "Value", Type: "integer", Required: true},
	}
	if !ok || !reflect.DeepEqual(fields, want) {
		t.Errorf("got %+v, want %+v", fields, want)
	}
	template, ok := types.Template("PollingWaitNode")
	wantTemplate := `{"exitMessage":{},"exitable":false,"secondsToWait":8,"spamDetectionEnabled":false,"spamDetectionTolerance":3,"waitingMessage":{}}`
	if !ok || compact(template) != wantTemplate {
		t.Errorf("got %s, want %s", compact(template), wantTemplate)
	}
	_, schema := types.Schema("RESTNode")
	_, template2 := types.Template("RESTNode")
	if schema || template2 {
		t.Error("a type that is not there has a schema or a template")
	}
}

// A template must be a configuration: what an editor starts from may lack
// required values, and nothing else.
func TestEveryTemplateIsAConfiguration(t *testing.T) {
	types := node.Builtin()
	for _, typ := range types.Types() {
		template, _ := types.Template(typ.Name)
		fields, _ := types.Schema(typ.Name)
		if len(fields) != len(typ.Properties) {
			t.Errorf("%s: %d properties, %d fields", typ.Name, len(typ.Properties), len(fields))
		}
		for _, f := range fields {
			if f.Title == "" || f.Type == "" {
				t.Errorf("%s: %+v has no title or type", typ.Name, f)
			}
			if f.Required && template[f.Name] == nil {
				template[f.Name] = "1"
				if len(f.Options) > 0 {
					template[f.Name] = f.Options[0]
				}
			}
		}
		if typ.Name == "AttributeValueDecisionNode" {
			template["comparisonValue"] = "1"
		}
		for name := range template {
			if list, ok := template[name].([]string); ok && len(list) == 0 {
				template[name] = []string{"1"}
			}
		}
		c := config(t, typ.Name, compact(template))
		if d, _ := types.Describe(c); typ.Name != node.PageType && len(d.Faults) > 0 {
			t.Errorf("%s: %s: %v", typ.Name, compact(template), d.Faults)
		}
	}
}

func TestRegistryPanicsOnMistakes(t *testing.T) {
	good := node.Type{Name: "A", New: func(node.Config) (node.Node, error) { return nil, nil }}
	for name, types := range map[string][]node.Type{
		"twice":   {good, good},
		"unnamed": {{New: good.New}},
		"no New":  {{Name: "B"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			node.NewRegistry(types...)
		})
	}
}

// TestLocalise compares with the rule read aloud: for every wanted locale, and
// then for English, take the text with exactly that name, else the text of the
// bare language, else any text of the language; in the end the first by name.
func TestLocalise(t *testing.T) {
	locales := rapid.SampledFrom([]string{"en", "EN", "en-GB", "en_US", "de", "de-AT", "de_CH", "fr-CA", "pt-BR", "es"})
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfNDistinct(locales, 0, 4, func(s string) string {
			return strings.ToLower(strings.ReplaceAll(s, "_", "-"))
		}).Draw(rt, "names")
		texts := map[string]string{}
		for _, name := range names {
			texts[name] = "text of " + name
		}
		wanted := rapid.SliceOfN(locales, 0, 3).Draw(rt, "wanted")
		got := node.Localise(texts, wanted, "built in")
		if allowed := best(texts, wanted); !slices.Contains(allowed, got) {
			rt.Fatalf("got %q of %v for %v, want one of %q", got, slices.Sorted(maps.Keys(texts)), wanted, allowed)
		}
	})
}

func best(texts map[string]string, wanted []string) []string {
	if len(texts) == 0 {
		return []string{"built in"}
	}
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "-")) }
	language := func(s string) string { return strings.Split(plain(s), "-")[0] }
	pick := func(fits func(name string) bool) (all []string) {
		for name, text := range texts {
			if fits(name) {
				all = append(all, text)
			}
		}
		return all
	}
	for _, want := range append(slices.Clone(wanted), "en") {
		for _, fits := range []func(string) bool{
			func(name string) bool { return plain(name) == plain(want) },
			func(name string) bool { return plain(name) == language(want) },
			func(name string) bool { return language(name) == language(want) },
		} {
			if all := pick(fits); len(all) > 0 {
				return all
			}
		}
	}
	return []string{texts[slices.Sorted(maps.Keys(texts))[0]]}
}

func FuzzDescribe(f *testing.F) {
	types := node.Builtin()
	names := make([]string, 0, len(types.Types()))
	for _, typ := range types.Types() {
		names = append(names, typ.Name)
	}
	f.Add(0, `{"choices":["a"],"retryLimit":"3","nodes":[{"_id":"a","nodeType":"b"}]}`)
	f.Add(3, `{"attributes":{"a":null},"length":6e0,"propertyNames":"x"}`)
	f.Fuzz(func(t *testing.T, which int, attributes string) {
		c := tree.Config{ID: "n1", Type: names[uint(which)%uint(len(names))]}
		if json.Unmarshal([]byte(attributes), &c.Attributes) != nil {
			return
		}
		d, ok := types.Describe(c)
		if !ok {
			t.Fatalf("%s is not known", c.Type)
		}
		typ, _ := types.Type(c.Type)
		configured, err := typ.Configure(c)
		if len(d.Faults) > 0 || typ.New == nil {
			return
		}
		if err != nil {
			t.Fatalf("no faults, and yet %v", err)
		}
		if _, err := typ.New(configured); err != nil {
			t.Fatalf("no faults, and yet %v", err)
		}
		if len(typ.OutcomesOf(configured)) == 0 {
			t.Fatal("a node without outcomes")
		}
		typ.InputsOf(configured)
	})
}

func config(t *testing.T, typeName, attributes string) tree.Config {
	t.Helper()
	c := tree.Config{ID: "n1", Type: typeName}
	if err := json.Unmarshal([]byte(attributes), &c.Attributes); err != nil {
		t.Fatalf("%s: %v", attributes, err)
	}
	return c
}
