package bench

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A step is a new authId with the next page, and nothing else.
func TestStepsThatAreNone(t *testing.T) {
	page := func(at int, callbacks string) string {
		return fmt.Sprintf(`{"authId":"loop.%d.c","callbacks":%s}`, at, callbacks)
	}
	pages := loopPages()
	asked := strings.ReplaceAll(pages[1], `"value":0`, `"value":9`)
	for name, tc := range map[string]struct {
		answer string
		right  bool
	}{
		"the next page":        {page(1, asked), true},
		"the page that was":    {page(1, strings.ReplaceAll(pages[0], `"bench"`, `""`)), false},
		"the page after next":  {page(1, strings.ReplaceAll(pages[2], `"value":0`, `"value":9`)), false},
		"the authId that was":  {page(0, asked), false},
		"no authId":            {`{"callbacks":` + asked + `}`, false},
		"a login":              {loginBody, false},
		"a refusal":            {`{"code":401,"reason":"Unauthorized","message":"Login failure"}`, false},
		"a page with an error": {`{"code":503,"callbacks":` + asked + `}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			instead := ""
			s := serve(t, am{instead: func(r *http.Request) string {
				if r.ContentLength > 0 {
					return instead
				}
				return ""
			}})
			op, err := Step("step", s).prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer op.close()
			instead = tc.answer
			if err := op.do(t.Context()); (err == nil) != tc.right {
				t.Fatalf("answered with %v", err)
			}
			instead = ""
			if err := op.do(t.Context()); err != nil { // with a journey of its own after an error
				t.Errorf("the step after it: %v", err)
			}
		})
	}
}

// A journey that does not come back to its page is no loop, and one that asks
// for a password none that can be walked.
func TestLoopsThatAreNone(t *testing.T) {
	s := serve(t, am{})
	s.Loop = s.Journey
	if _, err := Step("step", s).prepare(t.Context()); err == nil {
		t.Error("a page with a password was answered")
	}
	pages := loopPages()
	s = serve(t, am{instead: func(r *http.Request) string {
		if r.ContentLength > 0 {
			return `{"authId":"a.b.c","callbacks":` + pages[1] + `}`
		}
		return ""
	}})
	if _, err := Step("step", s).prepare(t.Context()); err == nil {
		t.Error("a journey that stays at its second page is a loop")
	}
}

// A journey is left after a hundred answers: the beginning of the next is the
// only request besides.
func TestJourneysAreLeft(t *testing.T) {
	starts, answers := 0, 0
	s := serve(t, am{instead: func(r *http.Request) string {
		if r.ContentLength > 0 {
			answers++
		} else {
			starts++
		}
		return ""
	}})
	op, err := Step("step", s).prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer op.close()
	starts, answers = 0, 0
	for range 2*stepsOfJourney + 1 {
		if err := op.do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if starts != 3 || answers != 2*stepsOfJourney+1 {
		t.Errorf("%d starts and %d answers", starts, answers)
	}
}
