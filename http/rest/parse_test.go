package rest

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sojourn/actors/journey"
)

const service = "AuthenticateToServiceConditionAdvice"

func advices(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(`<AttributeValuePair><Attribute name="` + pairs[i] + `"/><Value>` + pairs[i+1] + `</Value></AttributeValuePair>`)
	}
	return "<Advices>" + b.String() + "</Advices>"
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       index
		fault      string
	}{
		{"service", advices(service, "Login"), index{tree: "Login"}, ""},
		{"tree", advices("AuthenticateToTreeConditionAdvice", "Login"), index{tree: "Login"}, ""},
		{"service of a realm", advices(service, "/alpha:Login"), index{tree: "Login", realm: "/alpha"}, ""},
		{"realm alone", advices("AuthenticateToRealmConditionAdvice", "/alpha"), index{realm: "/alpha"}, ""},
		{"both", advices("AuthenticateToRealmConditionAdvice", "/alpha", service, "Login"), index{tree: "Login", realm: "/alpha"}, ""},
		{"several", advices(service, "B", service, "A"), index{wanted: &journey.Wanted{Trees: []string{"B", "A"}}}, ""},
		{"white space and entities", " <Advices>\n<AttributeValuePair> <Attribute name='" + service + "'></Attribute>" +
			"<Value> A&amp;B\n</Value></AttributeValuePair></Advices>\n", index{tree: "A&B"}, ""},
		{"realms that disagree", advices("AuthenticateToRealmConditionAdvice", "/alpha", service, "/beta:A"), index{}, "Invalid realm"},
		{"realm that is none", advices("AuthenticateToRealmConditionAdvice", "/a b"), index{}, "Invalid realm"},
		{"level", advices("AuthLevelConditionAdvice", "5"), index{wanted: &journey.Wanted{Level: 5, ByLevel: true}}, ""},
		{"level of a realm", advices("AuthLevelConditionAdvice", "/alpha:5"), index{realm: "/alpha", wanted: &journey.Wanted{Level: 5, ByLevel: true}}, ""},
		{"the higher of two levels", advices("AuthLevelConditionAdvice", "7", "AuthLevelConditionAdvice", "5"), index{wanted: &journey.Wanted{Level: 7, ByLevel: true}}, ""},
		{"a tree that reaches a level", advices(service, "A", "AuthLevelConditionAdvice", "5"), index{wanted: &journey.Wanted{Trees: []string{"A"}, Level: 5, ByLevel: true}}, ""},
		{"level that is none", advices("AuthLevelConditionAdvice", "high"), index{}, "Invalid Auth Level."},
		{"level that every tree reaches", advices("AuthLevelConditionAdvice", "0"), index{}, "Invalid Auth Level."},
		{"transaction", advices("TransactionConditionAdvice", "x"), index{transaction: "x"}, ""},
		{"two transactions", advices("TransactionConditionAdvice", "x", "TransactionConditionAdvice", "y"), index{}, "not valid XML"},
		{"another", advices("SessionConditionAdvice", "deny"), index{}, "Unknown advice SessionConditionAdvice"},
		{"empty", "", index{}, "not valid XML"},
		{"no pair", "<Advices/>", index{}, "not valid XML"},
		{"no value", "<Advices><AttributeValuePair><Attribute name=\"" + service + "\"/></AttributeValuePair></Advices>", index{}, "not valid XML"},
		{"empty value", advices(service, ""), index{}, "not valid XML"},
		{"text", "Login", index{}, "not valid XML"},
		{"cut off", strings.TrimSuffix(advices(service, "A"), ">"), index{}, "not valid XML"},
		{"two roots", advices(service, "A") + advices(service, "B"), index{}, "not valid XML"},
		{"another root", "<Advice/>", index{}, "not valid XML"},
		{"another element", strings.Replace(advices(service, "A"), "<Value>", "<Value><b/>", 1), index{}, "not valid XML"},
		{"an attribute too many", strings.Replace(advices(service, "A"), "<Value>", "<Value x='1'>", 1), index{}, "not valid XML"},
		{"a namespace", strings.Replace(advices(service, "A"), "<Advices>", "<Advices xmlns='x'>", 1), index{}, "not valid XML"},
		{"a document type", "<!DOCTYPE a [<!ENTITY b \"c\">]>" + advices(service, "&b;"), index{}, "not valid XML"},
		{"an unknown entity", advices(service, "&b;"), index{}, "not valid XML"},
		{"a comment", "<!-- x -->" + advices(service, "A"), index{}, "not valid XML"},
		{"an instruction", "<?xml version='1.0' encoding='utf-7'?>" + advices(service, "A"), index{}, "not valid XML"},
		{"two names", strings.Replace(advices(service, "A"), "<Value>", "<Attribute name='x'/><Value>", 1), index{}, "not valid XML"},
		{"too many pairs", advices(many(2*(maxAdvices+1), service)...), index{}, "not valid XML"},
		{"too many values", "<Advices><AttributeValuePair><Attribute name='" + service + "'/>" +
			strings.Repeat("<Value>A</Value>", maxAdvices+1) + "</AttributeValuePair></Advices>", index{}, "not valid XML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseAdvice(c.text)
			var f fault
			switch {
			case c.fault == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
				t.Errorf("got %+v, %v", got, err)
			case c.fault != "" && (!errors.As(err, &f) || f.status != http.StatusBadRequest || !strings.Contains(f.message, c.fault)):
				t.Errorf("got %+v, %v; want %q", got, err, c.fault)
			}
		})
	}
}

func many(n int, text string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = text
	}
	return all
}

func FuzzAdvice(f *testing.F) {
	f.Add(advices(service, "Login"))
	f.Add(advices("AuthenticateToRealmConditionAdvice", "/alpha", service, "/alpha:Login"))
	f.Add("<Advices><AttributeValuePair><Value>A</Value><Attribute name='" + service + "'/></AttributeValuePair></Advices>")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseAdvice(text)
		if err == nil && got.tree == "" && got.realm == "" {
			t.Fatalf("%q means nothing", text)
		}
		var known fault
		if err != nil && (!errors.As(err, &known) || known.status != http.StatusBadRequest) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func FuzzAcceptVersion(f *testing.F) {
	f.Add("resource=2.0, protocol=1.0")
	f.Add("protocol=2.2,resource=4")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := acceptVersion([]string{text})
		if err != nil {
			var known fault
			if !errors.As(err, &known) || known.status != http.StatusBadRequest {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if got == (version{}) {
			return
		}
		again, err := acceptVersion([]string{"resource=" + got.String()})
		if err != nil || again != got {
			t.Fatalf("%q: %v became %v, %v", text, got, again, err)
		}
	})
}

func TestCredential(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		refused        bool
	}{
		{"plain", "bjensen", "bjensen", false},
		{"empty", "", "", false},
		{"UTF-8 as it stands", "Jürgen", "Jürgen", false},
		{"base64", "=?UTF-8?B?SsO8cmdlbg==?=", "Jürgen", false},
		{"lower case", "=?utf-8?b?SsO8cmdlbg==?=", "Jürgen", false},
		{"quoted", "=?UTF-8?Q?J=C3=BCrgen_K?=", "Jürgen K", false},
		{"two words are one text", "=?UTF-8?B?SsO8?= =?UTF-8?B?cmdlbg==?=", "Jürgen", false},
		{"Latin 1", "=?ISO-8859-1?Q?J=FCrgen?=", "Jürgen", false},
		{"what only looks like a word", "=?secret?=", "=?secret?=", false},
		{"bad base64 stays as it is", "=?UTF-8?B?!?=", "=?UTF-8?B?!?=", false},
		{"unknown charset", "=?utf-7?B?SsO8?=", "", true},
		{"raw Latin 1", "J\xfcrgen", "", true},
		{"too long", strings.Repeat("x", maxCredential+1), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := credential([]string{c.in}, "X-OpenAM-Username")
			if (err != nil) != c.refused || (err == nil && *got != c.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	if got, err := credential(nil, "x"); got != nil || err != nil {
		t.Errorf("absent: %v, %v", got, err)
	}
}

func FuzzCredential(f *testing.F) {
	f.Add("=?UTF-8?B?SsO8cmdlbg==?= x =?ISO-8859-1?Q?=FC?=")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := credential([]string{text}, "X-OpenAM-Username")
		if err == nil && (got == nil || !utf8.ValidString(*got)) {
			t.Fatalf("%q is %v", text, got)
		}
		if err == nil && !strings.Contains(text, "=?") && *got != text {
			t.Fatalf("%q became %q", text, *got)
		}
	})
}

func TestLocales(t *testing.T) {
	for _, c := range []struct {
		name, parameter string
		header          []string
		want            []string
	}{
		{"none", "", nil, nil},
		{"parameter wins", "fr_CA", []string{"de"}, []string{"fr_CA"}},
		{"parameter that is none", "../x", []string{"de"}, []string{"de"}},
		{"any language", "", []string{"*"}, nil},
		{"by quality, then order", "", []string{"de;q=0.5, fr;q=0.9,en-GB , it; q=0.9"}, []string{"en-GB", "fr", "it", "de"}},
		{"quality zero, and nonsense", "", []string{"de;q=0, fr;q=x, en;q=2, it;q=NaN, 9, es"}, []string{"es"}},
		{"at most ten", "", []string{strings.Repeat("en,", 30)}, many(maxLocales, "en")},
		{"cut at a comma", "", []string{strings.Repeat("x", 5) + "," + strings.Repeat("y", maxLanguageBytes)}, []string{"xxxxx"}},
		{"endless", "", []string{strings.Repeat("y", 2*maxLanguageBytes)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := locales(c.parameter, c.header); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// query reads what net/url reads.
func TestQueryAgreesWithNetURL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
			"a=1", "a", "a=", "=x", "", "b=%20+x", "%61=2", "c=a=b", "+=+", "d=%C3%BC", "realm=%2Falpha", "A=3",
		}), 0, 8).Draw(t, "pairs"), "&")
		q, err := parseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		want, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.all(func(string) bool { return false }); len(want)+len(got) > 0 && !reflect.DeepEqual(got, map[string][]string(want)) {
			t.Fatalf("%q: got %v, want %v", raw, got, want)
		}
		for _, name := range []string{"a", "A", "b", "c", "d", "realm", "none", " "} {
			value, ok := q.find(name)
			if value != want.Get(name) || ok != want.Has(name) {
				t.Fatalf("%q: %s is %q, %v", raw, name, value, ok)
			}
		}
	})
}

// A path that means an endpoint is spelled by its parts: realm, name, rest.
func FuzzSplit(f *testing.F) {
	f.Add("realms/root/realms/alpha/authenticate/")
	f.Add("alpha/eu/sessions/x/y")
	f.Add("realms/realms/realms/authenticate")
	h := &Handler{endpoints: map[string]*endpoint{"authenticate": {}, "sessions": {}}}
	f.Fuzz(func(t *testing.T, path string) {
		where, name, tail := h.split(path)
		if h.endpoints[name] == nil {
			return
		}
		// A slow twin: the parts of the path but the words "realms" and "root".
		all := strings.Split(path, "/")
		var want strings.Builder
		at := 0
		if where.long {
			for ; at+1 < len(all) && all[at] == "realms"; at += 2 {
				if at > 0 || all[at+1] != "root" {
					want.WriteString("/" + all[at+1])
				}
			}
		} else {
			for ; h.endpoints[all[at]] == nil; at++ {
				want.WriteString("/" + all[at])
			}
		}
		spelled := want.String()
		if spelled == "" || (!where.long && spelled == "/root") {
			spelled = "/"
		}
		if string(where.realm) != spelled || all[at] != name || strings.Join(all[at+1:], "/") != tail {
			t.Fatalf("%q: realm %q (want %q), endpoint %q, rest %q", path, where.realm, spelled, name, tail)
		}
		if strings.Contains(string(where.realm), "//") || (len(where.realm) > 1 && strings.HasSuffix(string(where.realm), "/")) {
			t.Fatalf("%q: realm %q has an empty part", path, where.realm)
		}
	})
}
