package bench

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// threePages is a member with a journey of three pages in /alpha.
type threePages struct {
	t     *testing.T
	wrong func(at int) string // an answer instead; empty: the right one
	ends  int
}

func pagesOfThree() [3]string {
	return [...]string{
		`[{"_id":0,"input":[{"name":"IDToken1","value":"demo"}],"type":"NameCallback"}]`,
		`[{"_id":1,"input":[{"name":"IDToken1","value":0}],"type":"ChoiceCallback"}]`,
		`[{"_id":2,"input":[{"name":"IDToken1","value":"pw"}],"type":"PasswordCallback"}]`,
	}
}

func (p *threePages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/am/json/realms/root/realms/alpha/") {
		p.t.Errorf("asked for %s", r.URL.Path)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	if strings.Contains(r.URL.Path, "/sessions/") {
		_, _ = fmt.Fprintf(w, `{"valid":%t,"uid":"demo","realm":"/alpha"}`, strings.Contains(string(body), `"tok`))
		return
	}
	at, pages := 0, pagesOfThree()
	if len(body) > 0 {
		if _, err := fmt.Sscanf(string(body), `{"authId":"three.%d.c"`, &at); err != nil || !strings.HasSuffix(string(body), pages[at]+"}") {
			p.t.Errorf("answered with %s", body)
		}
		at++
	}
	if p.wrong != nil {
		if text := p.wrong(at); text != "" {
			_, _ = io.WriteString(w, text)
			return
		}
	}
	if at == len(pages) {
		p.ends++
		_, _ = fmt.Fprintf(w, `{"tokenId":"tok%d","successUrl":"/","realm":"/alpha"}`, p.ends)
		return
	}
	asks := strings.NewReplacer(`"demo"`, `""`, `"pw"`, `""`, `"value":0`, `"value":9`).Replace(pages[at])
	_, _ = fmt.Fprintf(w, `{"authId":"three.%d.c","callbacks":%s}`, at, asks)
}

// A journey is taken to its end each time, and what is no right answer on the way
// is an error.
func TestJourneyOfPages(t *testing.T) {
	m := &threePages{t: t}
	s := serve(t, m)
	s.Realm = "/alpha"
	op, err := Journey("journey", s, demo()).prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer op.close()
	for range 5 {
		if err := op.do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if m.ends != 6 { // and one to learn it
		t.Errorf("%d journeys ended, want 6", m.ends)
	}
	for name, tc := range map[string]struct {
		at   int
		body string
	}{
		"a page that was before":  {2, `{"authId":"three.1.c","callbacks":` + strings.ReplaceAll(pagesOfThree()[0], "demo", "") + `}`},
		"an early end":            {1, `{"tokenId":"t","successUrl":"/","realm":"/alpha"}`},
		"another page at the end": {3, `{"authId":"three.1.c","callbacks":[]}`},
		"another realm":           {3, loginBody},
		"a refusal":               {0, `{"code":401}`},
	} {
		m.wrong = func(at int) string {
			if at == tc.at {
				return tc.body
			}
			return ""
		}
		if err := op.do(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Many sessions are validated in turn, each made by a journey of its own.
func TestValidateMany(t *testing.T) {
	m := &threePages{t: t}
	s := serve(t, m)
	s.Realm = "/alpha"
	op, err := ValidateMany("validate", s, demo(), 4).prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer op.close()
	for range 9 {
		if err := op.do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if m.ends != 4 {
		t.Errorf("%d sessions were made, want 4", m.ends)
	}
}
