package runs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cluster/placement"
	"sojourn/cluster/runs"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestFolder(t *testing.T) {
	var f runs.Folder
	begin := func(id placement.MemberID, want bool) {
		t.Helper()
		next, changed := f.Begin(id, noon)
		if changed != want {
			t.Errorf("begin %s: changed %t", id, changed)
		}
		f = next
	}
	retire := func(id placement.MemberID, want bool) {
		t.Helper()
		next, changed := f.Retire(id, noon)
		if changed != want {
			t.Errorf("retire %s: changed %t", id, changed)
		}
		f = next
	}
	state := func(want string) {
		t.Helper()
		var over []string
		for _, r := range f.Retired {
			over = append(over, string(r.ID))
		}
		if got := string(f.Current) + "|" + strings.Join(over, ","); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	state("|")
	begin("a", true)
	begin("a", false)
	state("a|")
	begin("b", true) // a was killed
	state("b|a")
	begin("a", false) // and does not come back
	state("b|a")
	retire("a", false)
	retire("", false)
	retire("b", true) // in order
	state("|a,b")
	begin("b", false)
	begin("c", true)
	state("c|a,b")
	retire("x", true) // of a folder that was restored from a backup
	state("c|a,b,x")
}

// TestRetiredRunsAreForgotten: after a day, and the oldest of too many.
func TestRetiredRunsAreForgotten(t *testing.T) {
	var f runs.Folder
	for i := range runs.MaxRetired + 10 {
		f, _ = f.Begin(placement.MemberID(fmt.Sprint("run", i)), noon.Add(time.Duration(i)*time.Minute))
	}
	if len(f.Retired) != runs.MaxRetired || f.Over("run8") || !f.Over("run9") || !f.Over("run72") || f.Over("run73") {
		t.Errorf("%d runs are remembered, the first %v", len(f.Retired), f.Retired[0])
	}
	if len(f.Encode()) > 16<<10 {
		t.Errorf("the document has %d bytes", len(f.Encode()))
	}
	f, _ = f.Retire("run73", noon.Add(2*time.Hour))
	if f.Stale(noon.Add(25 * time.Hour)) {
		t.Error("stale though the last run ended less than a day ago")
	}
	if !f.Stale(noon.Add(27 * time.Hour)) {
		t.Error("not stale after a day")
	}
	if f, _ = f.Begin("late", noon.Add(27*time.Hour)); len(f.Retired) != 0 || f.Stale(noon.Add(100*time.Hour)) {
		t.Errorf("a day later: %+v", f)
	}
}

// TestHistory: whatever happens, in whatever order, a run that is over is never
// current again, at most one is current, and values are not shared.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f runs.Folder
		over := map[placement.MemberID]bool{}
		now := noon
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			now = now.Add(time.Second)
			id := placement.MemberID(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "run"))
			before := string(f.Encode())
			var next runs.Folder
			was := f.Current
			if rapid.Bool().Draw(t, "retire") {
				next, _ = f.Retire(id, now)
				over[id] = true
			} else {
				var began bool
				if next, began = f.Begin(id, now); began {
					over[was] = true
				}
				if began == (over[id] || was == id) {
					t.Fatalf("begin %s in %s: %t", id, before, began)
				}
			}
			if string(f.Encode()) != before {
				t.Fatal("a value was changed")
			}
			f = next
			for id := range over {
				if id != "" && (!f.Over(id) || f.Current == id) {
					t.Fatalf("%s is not over in %s", id, f.Encode())
				}
			}
			again, err := runs.Decode(f.Encode())
			if err != nil || string(again.Encode()) != string(f.Encode()) {
				t.Fatalf("%s became %s, %v", f.Encode(), again.Encode(), err)
			}
		}
	})
}

func TestCollect(t *testing.T) {
	a, _ := runs.Folder{}.Begin("a1", noon)
	a, _ = a.Begin("a2", noon)
	b, _ := runs.Folder{}.Begin("b1", noon)
	c, _ := runs.Folder{}.Begin("c1", noon)
	c, _ = c.Retire("c1", noon)
	// An old backup may say that a run is current which another folder's
	// document knows to be over.
	d, _ := runs.Folder{}.Begin("c1", noon)
	r := runs.Collect([]runs.Folder{b, a, c, d})
	if got := r.Current(); !slices.Equal(got, []placement.MemberID{"a2", "b1"}) {
		t.Errorf("current are %v", got)
	}
	for id, want := range map[placement.MemberID]bool{"a1": true, "a2": false, "b1": false, "c1": true, "x": false} {
		if r.Dead(id) != want {
			t.Errorf("%s is dead: %t", id, r.Dead(id))
		}
	}
	var none runs.Registry
	if none.Dead("a1") || len(none.Current()) != 0 {
		t.Error("an empty registry knows something")
	}
}

func TestFounding(t *testing.T) {
	f := runs.Founding{Set: []placement.MemberID{"2f", "3a"}, Expires: noon.Add(5 * time.Minute)}
	const want = `{"set":["2f","3a"],"expires":"2026-03-01T12:05:00Z"}`
	if got := string(f.Encode()); got != want {
		t.Errorf("encoded as %s, want %s", got, want)
	}
	got, err := runs.DecodeFounding([]byte(want))
	if err != nil || !slices.Equal(got.Set, f.Set) || !got.Expires.Equal(f.Expires) {
		t.Errorf("decoded as %+v, %v", got, err)
	}
	if f.Stale(noon.Add(15*time.Minute)) || !f.Stale(noon.Add(16*time.Minute)) {
		t.Error("kept for another time than the grace")
	}
	if id := runs.FoundingID([16]byte{1, 15: 0xff}); id != "010000000000000000000000000000ff" {
		t.Errorf("id %s", id)
	}
}

func TestFormat(t *testing.T) {
	f, _ := runs.Folder{}.Begin("1e", noon)
	f, _ = f.Begin("2f", noon.Add(time.Second))
	const want = `{"current":"2f","since":"2026-03-01T12:00:01Z","retired":[{"id":"1e","at":"2026-03-01T12:00:01Z"}]}`
	if got := string(f.Encode()); got != want {
		t.Errorf("encoded as %s\nwant %s", got, want)
	}
	long := strings.Repeat("x", 65)
	for name, body := range map[string]string{
		"no JSON":                "{",
		"another type":           `[]`,
		"long id":                `{"current":"` + long + `"}`,
		"long retired id":        `{"current":"","retired":[{"id":"` + long + `"}]}`,
		"retired without an id":  `{"current":"","retired":[{}]}`,
		"current and over":       `{"current":"a","retired":[{"id":"a"}]}`,
		"a time that is no time": `{"current":"a","since":"noon"}`,
	} {
		if _, err := runs.Decode([]byte(body)); !errors.Is(err, runs.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, body := range map[string]string{
		"no JSON":   "",
		"no set":    `{"expires":"2026-03-01T12:05:00Z"}`,
		"too late":  `{"set":["2f"],"expires":"9999-12-31T23:59:59-01:00"}`,
		"an empty":  `{"set":[""],"expires":"2026-03-01T12:05:00Z"}`,
		"a long id": `{"set":["` + long + `"],"expires":"2026-03-01T12:05:00Z"}`,
		"too many":  `{"set":["` + strings.Repeat(`a","`, 16) + `a"],"expires":"2026-03-01T12:05:00Z"}`,
	} {
		if _, err := runs.DecodeFounding([]byte(body)); !errors.Is(err, runs.ErrFormat) {
			t.Errorf("founding, %s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"current":"2f","since":"2026-03-01T12:00:01Z","retired":[{"id":"1e","at":"2026-03-01T12:00:01Z"}]}`))
	f.Add([]byte(`{"set":["2f","3a"],"expires":"2026-03-01T12:05:00Z"}`))
	f.Add([]byte(`{"set":["2f"],"expires":"9999-12-31T23:59:59-01:00"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if folder, err := runs.Decode(body); err == nil {
			if !json.Valid(folder.Encode()) {
				t.Errorf("%q is stored as %q", body, folder.Encode())
			}
			_, _ = folder.Begin("self", noon)
		}
		if founding, err := runs.DecodeFounding(body); err == nil {
			if again, err := runs.DecodeFounding(founding.Encode()); err != nil || len(again.Set) != len(founding.Set) {
				t.Errorf("%q became %+v, %v", body, again, err)
			}
		}
	})
}
