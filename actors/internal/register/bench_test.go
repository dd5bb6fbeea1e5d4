package register

import (
	"testing"

	"sojourn/cluster/placement"
)

func benchRecord() *Record {
	return &Record{
		Epoch: Epoch{300, alpha}, Seq: 7, Replicas: Set{alpha, beta, "0123456789abcdef0123456789abcdef"},
		Expires: 1_700_000_000, Body: make([]byte, 1024),
	}
}

func BenchmarkPromise(b *testing.B) {
	s := Slot{Record: benchRecord()}
	e := Epoch{301, beta}
	b.ReportAllocs()
	for b.Loop() {
		if _, p := s.Promise(e); !p.OK {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAccept(b *testing.B) {
	s := Slot{Record: benchRecord()}
	r := s.Record.Next(s.Record.Epoch)
	b.ReportAllocs()
	for b.Loop() {
		if _, a := s.Accept(r); !a.OK {
			b.Fatal("refused")
		}
	}
}

func BenchmarkQuorum(b *testing.B) {
	r := benchRecord()
	b.ReportAllocs()
	for b.Loop() {
		if !Quorum(r, func(m placement.MemberID) bool { return m != alpha }, nil) {
			b.Fatal("none")
		}
	}
}

// BenchmarkRound is what a leader counts for one step.
func BenchmarkRound(b *testing.B) {
	r := benchRecord()
	yes := Accepted{OK: true, Epoch: r.Epoch}
	b.ReportAllocs()
	for b.Loop() {
		n := NewRound(r, nil)
		n.Heard(alpha, yes)
		if n.Heard(beta, yes); !n.Committed() || n.Hopeless() {
			b.Fatal("not committed")
		}
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	r := benchRecord()
	raw := AppendRecord(nil, r)
	b.ReportAllocs()
	for b.Loop() {
		raw = AppendRecord(raw[:0], r)
	}
}

// BenchmarkReadRecord is what a replica does with a step's record.
func BenchmarkReadRecord(b *testing.B) {
	raw := AppendRecord(nil, benchRecord())
	known := map[string]placement.MemberID{}
	names := func(encoded []byte) placement.MemberID {
		if id, ok := known[string(encoded)]; ok {
			return id
		}
		known[string(encoded)] = Member(encoded)
		return known[string(encoded)]
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadRecord(raw, names); err != nil {
			b.Fatal(err)
		}
	}
}
