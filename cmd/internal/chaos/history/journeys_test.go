package history

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// answer makes a request of journey 1, which asks three questions, with the
// answers gave. An OK has the reply that is due.
func answer(number int, gave uint64, o Outcome, start, end int) Step {
	s := Step{Journey: 1, Number: number, Of: 3, Gave: gave, Outcome: o, Member: number % 2, Start: time.Duration(start) * ms, End: time.Duration(end) * ms}
	if o == OK {
		s.Reply = Reply{s.due(), gave}
		if number == s.Of {
			s.Reply.Shown = 99
		}
	}
	return s
}

// shows gives a step another reply.
func (s Step) shows(page Page, shown uint64) Step {
	s.Reply = Reply{page, shown}
	return s
}

func TestCheckJourneys(t *testing.T) {
	start, one, two, three := answer(0, 0, OK, 0, 1), answer(1, 11, OK, 10, 11), answer(2, 12, OK, 20, 21), answer(3, 13, OK, 30, 31)
	with := func(more ...Step) []Step { return append([]Step{start, one}, more...) }
	rest := []Step{two, three}
	tests := map[string]struct {
		steps []Step
		// want is what Err says, in order; none for a history without fault.
		want []string
		// model is set where the model alone finds a fault.
		model bool
	}{
		"a journey to its end":   {steps: with(rest...)},
		"it never begins":        {steps: []Step{answer(0, 0, Unavailable, 0, 1)}},
		"it must not begin":      {steps: []Step{answer(0, 0, Unauthorized, 0, 1)}, want: []string{"were refused"}},
		"nobody answers":         {steps: with(answer(2, 12, Unavailable, 20, 21)), want: []string{"never answered"}},
		"nobody asks any more":   {steps: with(), want: []string{"never answered"}},
		"lost":                   {steps: with(answer(2, 12, Unauthorized, 20, 21)), want: []string{"were lost"}},
		"lost without a word":    {steps: with(answer(2, 12, Gone, 20, 21)), want: []string{"were lost"}},
		"lost after a 503":       {steps: with(answer(2, 12, Unavailable, 15, 16), answer(2, 12, Unauthorized, 20, 21)), want: []string{"were lost"}},
		"lost and found":         {steps: with(append(rest, answer(2, 12, Unauthorized, 15, 16))...), want: []string{"were lost"}},
		"lost at the last step":  {steps: with(two, answer(3, 13, Unauthorized, 30, 31)), want: []string{"were lost"}},
		"sent again":             {steps: with(append(rest, answer(2, 12, Cut, 12, 13), answer(2, 12, OK, 22, 23))...)},
		"sent again to the end":  {steps: with(append(rest, answer(3, 13, OK, 40, 41))...)},
		"sent again, and denied": {steps: with(append(rest, answer(2, 12, Unauthorized, 22, 23))...), want: []string{"were refused"}},
		"sent again too late":    {steps: with(append(rest, answer(2, 12, Unauthorized, 25, 36))...)},
		"other answers":          {steps: with(append(rest, answer(2, 22, Unauthorized, 22, 23))...)},
		"other answers beside":   {steps: with(append(rest, answer(2, 22, Unauthorized, 20, 21))...)},
		"other answers before they can": {
			steps: with(append(rest, answer(2, 22, Unauthorized, 15, 16))...), want: []string{"were lost"},
		},
		"one of two was taken, not known which": {steps: with(answer(2, 22, Timeout, 12, 13), answer(2, 12, Unauthorized, 14, 15), answer(2, 22, OK, 20, 21), answer(3, 13, OK, 30, 31))},
		"none of two was taken": {
			steps: with(answer(2, 22, Timeout, 12, 13), answer(2, 12, Timeout, 12, 13), answer(2, 12, Unauthorized, 14, 15), answer(2, 22, Unauthorized, 16, 17)),
			want:  []string{"were lost"},
		},
		"a request that came to nobody is no excuse": {
			steps: with(answer(2, 22, Refused, 12, 13), answer(2, 12, Unauthorized, 14, 15)), want: []string{"were lost"},
		},
		"both of two were taken":    {steps: with(append(rest, answer(2, 22, OK, 20, 22))...), want: []string{"were doubled"}},
		"another token":             {steps: with(append(rest, answer(3, 13, OK, 32, 33).shows(Session, 98))...), want: []string{"were doubled"}},
		"two users":                 {steps: with(append(rest, answer(3, 23, OK, 30, 33).shows(Session, 98))...), want: []string{"were doubled"}},
		"a page with old answers":   {steps: with(two.shows(Last, 11)), want: []string{"were rolled back"}},
		"a question asked again":    {steps: with(two.shows(More, 12)), want: []string{"were rolled back"}},
		"a step counted twice":      {steps: []Step{start, one.shows(Last, 11)}, want: []string{"were rolled back"}},
		"a session too early":       {steps: with(two.shows(Session, 99)), want: []string{"were rolled back"}},
		"another page sent again":   {steps: with(append(rest, answer(2, 12, OK, 22, 23).shows(More, 12))...), want: []string{"were rolled back"}},
		"sent again after the next": {steps: with(append(rest, answer(1, 11, OK, 40, 41), answer(2, 12, OK, 42, 43), answer(1, 11, Unauthorized, 44, 45))...)},
		"an answer that is none":    {steps: with(append(rest, answer(2, 12, Wrong, 20, 21))...), want: []string{"1 answers to journeys are none"}},
		"failures that may be":      {steps: with(append(rest, answer(2, 12, Unavailable, 12, 13), answer(2, 22, Refused, 13, 14), answer(2, 12, Timeout, 14, 90))...)},
		"what had no answer is not": {steps: with(answer(2, 12, OK, 20, 21), answer(2, 22, Timeout, 15, 16), answer(3, 13, Timeout, 30, 31)), want: []string{"never answered"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := CheckJourneys(tc.steps).Err(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if !slices.EqualFunc(got, tc.want, strings.Contains) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			// The model knows none of the counts and must come to the same.
			v := CheckJourneys(tc.steps)
			begins := len(v.Faults) == 0 || v.Faults[0].Step > 0
			if faulty := len(v.Faults) > 0 || tc.model; begins && faulty != (len(v.Illegal) > 0) {
				t.Errorf("faults %v, and the model finds %v", v.Faults, v.Illegal)
			}
		})
	}
}

// TestLongOutage: requests that nobody answered for long are no work for the
// search.
func TestLongOutage(t *testing.T) {
	steps := []Step{answer(0, 0, OK, 0, 1), answer(1, 11, OK, 10, 11)}
	for i := range 1000 {
		steps = append(steps, answer(2, uint64(12+i%3), Unavailable, 20+i, 21+i))
	}
	steps = append(steps, answer(2, 12, Unauthorized, 2000, 2001), answer(2, 13, OK, 2002, 2003), answer(3, 14, OK, 2004, 2005))
	if err := CheckJourneys(steps).Err(); err != nil {
		t.Error(err)
	}
}

// TestJourneyCounts: faults name journey, step, member and time, and the counts
// are of journeys.
func TestJourneyCounts(t *testing.T) {
	var steps []Step
	for n := range 3 {
		for _, s := range []Step{answer(0, 0, OK, 0, 1), answer(1, 11, OK, 10, 11), answer(2, 12, OK, 20, 21), answer(3, 13, OK, 30, 31)} {
			s.Journey = n + 1
			if n == 1 && s.Number == 3 {
				s.Outcome, s.Member = Unauthorized, 4
			}
			steps = append(steps, s)
		}
	}
	v := CheckJourneys(steps)
	want := Fault{Lost, 2, 3, 4, 31 * ms}
	if v.Begun != 3 || v.Ended != 2 || v.Steps != 8 || v.Moved != 8 || !slices.Equal(v.Faults, []Fault{want}) || v.Count(Lost) != 1 || v.Count(Doubled) != 0 {
		t.Errorf("%+v", v)
	}
	if text := v.Err().Error(); !strings.Contains(text, "1 of 3 journeys were lost, such as journey 2 lost at step 3 by member 4, 31ms after the start") {
		t.Error(text)
	}
}

func TestTell(t *testing.T) {
	other := answer(0, 0, OK, 0, 1)
	other.Journey = 2
	again := answer(1, 0xab, OK, 12, 13)
	again.Watch = true
	got := Tell([]Step{again, other, answer(1, 0xab, Cut, 10, 11), answer(0, 0, OK, 0, 1)}, 1)
	want := []string{
		"0s to 1ms, member 0, step 0 of 3, answers 00000000: ok, more 00000000",
		"10ms to 11ms, member 1, step 1 of 3, answers 000000ab: cut",
		"12ms to 13ms, member 1, step 1 of 3, answers 000000ab: ok, more 000000ab (watcher)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	v := JourneyVerdict{Stuck: []int{4}, Illegal: []int{7, 2}, Faults: []Fault{{Journey: 2}, {Journey: 9}}}
	if got := v.Suspects(); !slices.Equal(got, []int{2, 4, 7, 9}) {
		t.Errorf("%v", got)
	}
}

func TestStalls(t *testing.T) {
	steps := []Step{
		answer(0, 0, OK, 0, 2),
		answer(1, 11, Cut, 10, 11), answer(1, 21, Unauthorized, 12, 20), answer(1, 11, OK, 15, 60), answer(1, 11, OK, 16, 70),
		answer(2, 12, Timeout, 80, 90),
	}
	other := answer(0, 0, OK, 100, 101)
	other.Journey = 2
	waits := Waits(append(steps, other))
	for name, tc := range map[string]struct {
		from, to int
		want     StallFigures
	}{
		"all":                    {0, 1000, StallFigures{Journeys: 2, Steps: 3, P50: 2 * ms, P99: 50 * ms, Max: 50 * ms}},
		"one that reaches in":    {40, 50, StallFigures{Journeys: 1, Steps: 1, P50: 50 * ms, P99: 50 * ms, Max: 50 * ms}},
		"one that has no answer": {80, 90, StallFigures{}},
		"ended before":           {2, 10, StallFigures{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Stalls(waits, time.Duration(tc.from)*ms, time.Duration(tc.to)*ms); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// TestCorrectJourneys: whatever requests overlap, get no answer or are repeated,
// a journey that takes each step once is never blamed; and one that breaks its
// word at a request that was answered always is.
func TestCorrectJourneys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const of = 3
		var at place
		now, gave := 1, uint64(100)
		steps := []Step{answer(0, 0, OK, 0, 1)}
		var sure []int // answered, and nothing else was under way
		for at.number < of && len(steps) < 30 {
			// Some requests are under way at once; each is carried out in its turn
			// between the start of the first and the end of the last.
			var wave []Step
			for range rapid.IntRange(1, 3).Draw(t, "wave") {
				gave++
				s := Step{Journey: 1, Of: of, Number: at.number + 1, Gave: gave}
				if at.number > 0 && rapid.IntRange(0, 3).Draw(t, "repeat") == 0 {
					s.Number, s.Gave = at.number, at.gave
				}
				wave = append(wave, s)
			}
			start := now
			for i, s := range wave {
				s.Start = time.Duration(start+i) * ms
				s.End = time.Duration(start+rapid.IntRange(20, 30).Draw(t, "length")) * ms
				fate := rapid.SampledFrom([]string{"ok", "ok", "ok", "cut", "nobody"}).Draw(t, "fate")
				s = carry(&at, s, fate != "nobody")
				switch fate {
				case "nobody":
					s.Outcome, s.Reply = Refused, Reply{}
				case "cut":
					s.Outcome, s.Reply = Cut, Reply{}
				default:
					if len(wave) == 1 {
						sure = append(sure, len(steps))
					}
				}
				steps = append(steps, s)
			}
			now = start + 40
		}
		v := CheckJourneys(steps)
		v.Stuck = nil // the last answer may have been cut off
		if err := v.Err(); err != nil {
			t.Fatalf("%v, of %+v", err, steps)
		}
		if len(sure) == 0 {
			return
		}
		i := sure[rapid.IntRange(0, len(sure)-1).Draw(t, "which")]
		s := &steps[i]
		if rapid.Bool().Draw(t, "refuse") {
			s.Outcome, s.Reply = Unauthorized, Reply{}
		} else {
			s.Reply.Page = (s.Reply.Page + 1) % (Session + 1)
		}
		if v := CheckJourneys(steps); len(v.Illegal) == 0 {
			t.Fatalf("nothing is found wrong with request %d of %+v", i, steps)
		}
	})
}

// carry takes a step as a right cluster does.
func carry(at *place, s Step, arrives bool) Step {
	switch {
	case !arrives:
	case s.Number == at.number+1:
		*at = at.take(s)
		fallthrough
	case s.Number == at.number && s.Gave == at.gave:
		s.Outcome, s.Reply = OK, Reply{s.due(), s.Gave}
	default:
		s.Outcome = Unauthorized
	}
	return s
}
