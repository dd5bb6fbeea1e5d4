package history

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

// at makes an operation of session 1 at member 0.
func at(k Kind, o Outcome, start, end int) Op {
	op := Op{Kind: k, Outcome: o, Session: 1, Start: time.Duration(start) * ms, End: time.Duration(end) * ms}
	if k == Login && o == OK {
		op.Token = 7
	}
	return op
}

// final makes the last read of session 1 at a member.
func final(member int, o Outcome) Op {
	op := at(Validate, o, 9000+member, 9001+member)
	op.Final, op.Member = true, member
	return op
}

func TestCheck(t *testing.T) {
	other := at(Login, OK, 30, 40)
	other.Token = 8
	tests := map[string]struct {
		ops []Op
		// want is what Err says, in order; none for a history without fault.
		want []string
	}{
		"a session that stays": {
			ops: []Op{at(Begin, OK, 0, 1), at(Login, OK, 2, 10), at(Validate, OK, 20, 30), final(0, OK), final(1, OK)},
		},
		"a session that goes": {
			ops: []Op{at(Login, OK, 2, 10), at(Logout, OK, 20, 30), at(Validate, Gone, 31, 32), final(0, Gone), final(1, Gone)},
		},
		"lost everywhere": {
			ops:  []Op{at(Login, OK, 2, 10), final(0, Gone), final(1, Gone)},
			want: []string{"1 of 1 acknowledged sessions are lost", "not linearizable"},
		},
		"lost at one member": {
			ops:  []Op{at(Login, OK, 2, 10), final(0, OK), final(1, Unauthorized)},
			want: []string{"1 of 1 acknowledged sessions are lost", "valid at some members", "not linearizable"},
		},
		"a login without answer may be lost": {
			ops: []Op{at(Login, Timeout, 2, 10)},
		},
		"a logout without answer may have happened": {
			ops: []Op{at(Login, OK, 2, 10), at(Logout, Cut, 20, 30), final(0, Gone), final(1, Gone)},
		},
		"a logout without answer may happen later": {
			ops: []Op{at(Login, OK, 2, 10), at(Logout, Timeout, 20, 30), at(Validate, OK, 40, 41), final(0, Gone), final(1, Gone)},
		},
		"a logout without answer may not have happened": {
			ops: []Op{at(Login, OK, 2, 10), at(Logout, Unavailable, 20, 30), final(0, OK), final(1, OK)},
		},
		"a logout that met no listener has not happened": {
			ops:  []Op{at(Login, OK, 2, 10), at(Logout, Refused, 20, 30), final(0, Gone), final(1, Gone)},
			want: []string{"1 of 1 acknowledged sessions are lost", "not linearizable"},
		},
		"members that do not agree in the end": {
			ops:  []Op{at(Login, OK, 2, 10), at(Logout, Timeout, 20, 30), final(1, OK), final(0, Gone)},
			want: []string{"valid at some members"},
		},
		"a stale read after the logout": {
			ops:  []Op{at(Login, OK, 2, 10), at(Logout, OK, 20, 30), at(Validate, OK, 31, 32), final(0, Gone), final(1, Gone)},
			want: []string{"1 of 1 sessions were valid after their acknowledged logout", "not linearizable"},
		},
		"a read beside the logout may say either": {
			ops: []Op{
				at(Login, OK, 2, 10), at(Logout, OK, 20, 30), at(Validate, Gone, 21, 22), at(Validate, OK, 23, 24),
				at(Validate, Gone, 25, 26), at(Validate, OK, 29, 31), final(0, Gone), final(1, Gone),
			},
		},
		"a session that comes back": {
			ops:  []Op{at(Login, OK, 2, 10), at(Logout, OK, 20, 30), final(0, OK), final(1, OK)},
			want: []string{"1 of 1 sessions were valid after", "not linearizable"},
		},
		"a late step that brings a session back": {
			ops: []Op{
				at(Login, Timeout, 0, 1), at(Login, OK, 2, 10), at(Logout, OK, 20, 30),
				at(Validate, Gone, 40, 41), at(Validate, OK, 50, 51), final(0, Gone), final(1, Gone),
			},
			want: []string{"1 of 1 sessions were valid after", "not linearizable"},
		},
		"a wrong 401": {
			ops:  []Op{at(Login, OK, 2, 10), at(Validate, Unauthorized, 20, 30), final(0, OK), final(1, OK)},
			want: []string{"1 requests in good standing were turned away", "not linearizable"},
		},
		"a wrong invalid": {
			ops:  []Op{at(Login, OK, 2, 10), at(Validate, Gone, 20, 30), final(0, OK), final(1, OK)},
			want: []string{"1 requests in good standing were turned away", "not linearizable"},
		},
		"a page that was not given": {
			ops:  []Op{at(Begin, Unauthorized, 0, 1)},
			want: []string{"1 requests in good standing were turned away"},
		},
		"a login that was turned away": {
			ops:  []Op{at(Login, Cut, 0, 1), at(Login, Unauthorized, 2, 3)},
			want: []string{"1 requests in good standing were turned away"},
		},
		"a logout of a session that was there": {
			ops:  []Op{at(Login, OK, 2, 10), at(Logout, Gone, 20, 30), final(0, OK), final(1, OK)},
			want: []string{"not linearizable"},
		},
		"a step that was sent again": {
			ops: []Op{at(Login, Cut, 0, 1), at(Login, OK, 2, 10), at(Login, OK, 3, 12), final(0, OK), final(1, OK)},
		},
		"a step that made two sessions": {
			ops:  []Op{at(Login, OK, 2, 10), other, final(0, OK), final(1, OK)},
			want: []string{"1 journeys gave two tokens"},
		},
		"an answer that is none": {
			ops:  []Op{at(Login, OK, 2, 10), at(Validate, Wrong, 20, 30), final(0, OK), final(1, OK)},
			want: []string{"1 answers are none that a member should give"},
		},
		"failures that may be": {
			ops: []Op{
				at(Begin, Refused, 0, 1), at(Login, OK, 2, 10), at(Validate, Unavailable, 20, 30), at(Validate, Timeout, 20, 30),
				at(Validate, Cut, 20, 30), final(0, OK), final(1, OK),
			},
		},
		"a member that was not asked in the end": {
			ops:  []Op{at(Login, OK, 2, 10), final(0, OK)},
			want: []string{"1 final reads got no answer"},
		},
		"a member that did not answer in the end": {
			ops:  []Op{at(Login, OK, 2, 10), final(0, OK), final(1, Unavailable)},
			want: []string{"1 final reads got no answer"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := Check(tc.ops, 2).Err(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if !slices.EqualFunc(got, tc.want, strings.Contains) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestSessionsApart: a fault of one session is none of another, and the verdict
// names the right one.
func TestSessionsApart(t *testing.T) {
	var ops []Op
	for n := range 5 {
		for _, op := range []Op{at(Login, OK, 2, 10), final(0, OK), final(1, OK)} {
			op.Session = n + 1
			if n == 3 && op.Final {
				op.Outcome = Gone
			}
			ops = append(ops, op)
		}
	}
	v := Check(ops, 2)
	if v.Acknowledged != 5 || !slices.Equal(v.Lost, []int{4}) || !slices.Equal(v.Illegal, []int{4}) {
		t.Errorf("%+v", v)
	}
}

func TestGap(t *testing.T) {
	tests := map[string]struct {
		ops      []Op
		from, to int
		want     int
	}{
		"no attempts, no gap":     {nil, 0, 1000, 0},
		"all is well":             {[]Op{at(Validate, OK, 0, 10), at(Validate, OK, 10, 20), at(Validate, OK, 15, 30)}, 0, 100, 10},
		"nobody asks for a while": {[]Op{at(Validate, OK, 0, 10), at(Validate, OK, 500, 510)}, 0, 1000, 10},
		"a slow answer":           {[]Op{at(Validate, OK, 0, 10), at(Validate, OK, 20, 420), at(Validate, OK, 425, 430)}, 0, 1000, 400},
		"refused, then served": {
			[]Op{at(Validate, OK, 0, 10), at(Validate, Unavailable, 20, 30), at(Validate, Refused, 200, 201), at(Validate, OK, 300, 310)},
			0, 1000, 290,
		},
		"in flight at the last success": {[]Op{at(Validate, Cut, 5, 300), at(Validate, OK, 0, 10), at(Validate, OK, 400, 410)}, 0, 1000, 400},
		"never served again":            {[]Op{at(Validate, OK, 0, 10), at(Validate, Unavailable, 20, 30), at(Validate, Timeout, 40, 840)}, 0, 1000, 820},
		"not known counts as failed":    {[]Op{at(Validate, Timeout, 0, 500)}, 0, 1000, 500},
		"gone is an answer":             {[]Op{at(Validate, OK, 0, 10), at(Validate, Gone, 10, 20), at(Validate, OK, 20, 30)}, 0, 1000, 10},
		"only within the stretch":       {[]Op{at(Validate, OK, 0, 10), at(Validate, Unavailable, 20, 30), at(Validate, OK, 900, 910)}, 100, 700, 0},
		"from before the stretch":       {[]Op{at(Validate, OK, 0, 10), at(Validate, OK, 50, 400)}, 100, 700, 300},
		"beyond the stretch":            {[]Op{at(Validate, OK, 100, 110), at(Validate, OK, 150, 900)}, 100, 700, 550},
		"other kinds do not help":       {[]Op{at(Validate, OK, 0, 10), at(Login, OK, 100, 110), at(Validate, OK, 20, 300)}, 0, 1000, 280},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := Summarize(tc.ops, Validate, time.Duration(tc.from)*ms, time.Duration(tc.to)*ms).Gap
			if want := time.Duration(tc.want) * ms; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	watched := at(Validate, Timeout, 0, 1)
	watched.Watch = true
	ops := []Op{final(0, OK), watched, at(Login, OK, 0, 1)}
	for i := range 100 {
		ops = append(ops, at(Validate, OK, i*10, i*10+i+1))
	}
	for _, o := range Outcomes() {
		ops = append(ops, at(Validate, o, 1500, 1501))
	}
	f := Summarize(ops, Validate, 0, 2*time.Second)
	if f.Attempts != 108 || f.Failed != 4 || f.Severed != 2 || f.Outcomes[Timeout] != 1 {
		t.Errorf("%+v", f)
	}
	if f.P50 != 50*ms || f.P99 != 99*ms || f.Max != 100*ms {
		t.Errorf("p50 %v, p99 %v, max %v", f.P50, f.P99, f.Max)
	}
	if f = Summarize(ops, Validate, 1500*ms, 1501*ms); f.Attempts != 8 {
		t.Errorf("%d attempts in a stretch of eight", f.Attempts)
	}
	if f = Summarize(ops, Logout, 0, 2*time.Second); f.Attempts != 0 || f.Max != 0 {
		t.Errorf("no logouts give %+v", f)
	}
}

// TestGapIsSlowGap compares with a twin that walks through time.
func TestGapIsSlowGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ops []Op
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			start := rapid.IntRange(0, 30).Draw(t, "start")
			length := rapid.IntRange(1, 12).Draw(t, "length")
			ops = append(ops, at(Validate, rapid.SampledFrom(Outcomes()).Draw(t, "outcome"), start, start+length))
		}
		from := rapid.IntRange(0, 20).Draw(t, "from")
		to := from + rapid.IntRange(1, 30).Draw(t, "length")
		// In a slot of a millisecond nobody is served when no success ends at
		// its end; it is part of a gap while an attempt is under way in it, or
		// was since the last success.
		longest, run := 0, 0
		for slot := from; slot < to; slot++ {
			wanted, served, last := false, false, 0
			for _, op := range ops {
				start, end := int(op.Start/ms), int(op.End/ms)
				if start >= to {
					continue
				}
				last = max(last, end)
				wanted = wanted || start <= slot && slot < end
				served = served || (op.Outcome == OK || op.Outcome == Gone) && end == slot+1
			}
			if last <= slot {
				break // nobody asks any more
			}
			if run > 0 || wanted {
				run++
			}
			longest = max(longest, run)
			if served {
				run = 0
			}
		}
		if got := Summarize(ops, Validate, time.Duration(from)*ms, time.Duration(to)*ms).Gap; got != time.Duration(longest)*ms {
			t.Fatalf("got %v, want %d ms, of %v", got, longest, ops)
		}
	})
}
