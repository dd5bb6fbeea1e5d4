package register

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sojourn/cluster/placement"
)

const (
	alpha = placement.MemberID("000102030405060708090a0b0c0d0e0f")
	beta  = placement.MemberID("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
)

// TestGolden fixes the format: members of other versions read it.
func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		record *Record
		hex    string
	}{
		"a step of three replicas, amid a change": {
			&Record{
				Epoch: Epoch{300, alpha}, Seq: 7, Replicas: Set{alpha, beta, "c"}, Prev: Set{beta},
				Expires: 1_700_000_000, Body: []byte("step"),
			},
			"01" + // version
				"ac02" + "01" + string(alpha) + // epoch
				"07" + // seq
				"03" + "01" + string(alpha) + "01" + string(beta) + "03" + "63" + // replicas
				"01" + "01" + string(beta) + // before
				"80c49fd50c" + // expires
				"05" + "73746570", // body
		},
		"a stub": {
			&Record{Epoch: Epoch{1, beta}, Seq: 1, Replicas: Set{beta}},
			"01" + "01" + "01" + string(beta) + "01" + "01" + "01" + string(beta) + "00" + "00" + "00",
		},
		"nothing in it": {&Record{Body: []byte{}}, "01" + "00" + "00" + "00" + "00" + "00" + "00" + "01"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := AppendRecord(nil, c.record)
			if got := hex.EncodeToString(raw); got != c.hex {
				t.Errorf("\n got %s\nwant %s", got, c.hex)
			}
			back, err := ReadRecord(raw, Member)
			if err != nil || !reflect.DeepEqual(back, c.record) {
				t.Errorf("%+v, %v", back, err)
			}
			for n := range raw {
				if _, err := ReadRecord(raw[:n], Member); !errors.Is(err, ErrMalformed) {
					t.Errorf("the first %d bytes: %v", n, err)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	epoch := func(raw string) func() error {
		return func() error { _, _, err := ParseEpoch([]byte(raw)); return err }
	}
	set := func(raw string) func() error {
		return func() error { _, _, err := ParseSet([]byte(raw)); return err }
	}
	record := func(raw string) func() error {
		return func() error { _, err := ReadRecord([]byte(raw), Member); return err }
	}
	many := make(Set, MaxSet+1)
	for i := range many {
		many[i] = placement.MemberID(strings.Repeat("m", i+1))
	}
	for name, parse := range map[string]func() error{
		"no bytes":                        record(""),
		"another version":                 record("\x02\x00\x00\x00\x00\x00\x01"),
		"a body longer than what comes":   record("\x01\x00\x00\x00\x00\x00\x00\x03x"),
		"a body of all memory":            record("\x01\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
		"a counter without room for more": epoch("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00"),
		"a number in too many bytes":      epoch("\x81\x00\x00"),
		"a number that never ends":        epoch("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		"a short member":                  epoch("\x01\x01abc"),
		"a member by another name":        epoch("\x01\x22" + string(alpha)),
		"a member of no bytes":            epoch("\x01\x02"),
		"a member twice":                  set("\x02\x03a\x03a"),
		"an empty member in a set":        set("\x01\x00"),
		"more members than there can be":  set(string(AppendSet(nil, many))),
		"more members than bytes":         set("\x1f\x03a"),
	} {
		t.Run(name, func(t *testing.T) {
			if err := parse(); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
	if s, _, err := ParseSet(AppendSet(nil, many[:MaxSet])); err != nil || len(s) != MaxSet {
		t.Errorf("a set of the greatest size: %d, %v", len(s), err)
	}
}

func drawMember(t *rapid.T) placement.MemberID {
	if rapid.Bool().Draw(t, "usual") {
		return placement.MemberID(rapid.StringMatching("[0-9a-f]{32}").Draw(t, "member"))
	}
	return placement.MemberID(rapid.StringMatching("[0-9A-Fa-f]{1,40}|.{1,9}").Draw(t, "member"))
}

func drawSet(t *rapid.T, most int) Set {
	s := rapid.SliceOfNDistinct(rapid.Custom(drawMember), 0, most, rapid.ID).Draw(t, "set")
	if len(s) == 0 {
		return nil
	}
	return s
}

func TestEveryRecordComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &Record{
			Epoch:    Epoch{Counter: rapid.Uint64Max(maxCounter).Draw(t, "counter")},
			Seq:      rapid.Uint64().Draw(t, "seq"),
			Replicas: drawSet(t, 5), Prev: drawSet(t, 5),
			Expires: rapid.Int64().Draw(t, "expires"),
		}
		if rapid.Bool().Draw(t, "written") {
			r.Epoch.Member = drawMember(t)
		}
		if rapid.Bool().Draw(t, "full") {
			r.Body = rapid.SliceOf(rapid.Byte()).Draw(t, "body")
			r.Body = append([]byte{}, r.Body...)
		}
		raw := AppendRecord([]byte("before"), r)
		back, err := ReadRecord(raw[len("before"):], Member)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%v, %v; want %v", back, err, r)
		}
	})
}

// TestReadWithoutCopies: bodies are the bytes that were read, and all records
// share the ids of their members.
func TestReadWithoutCopies(t *testing.T) {
	r := &Record{Epoch: Epoch{3, alpha}, Seq: 7, Replicas: Set{alpha, beta, "c"}, Prev: Set{"c"}, Body: []byte("step")}
	raw := AppendRecord(nil, r)
	known := map[string]placement.MemberID{}
	var asked int
	names := func(encoded []byte) placement.MemberID {
		if id, ok := known[string(encoded)]; ok {
			return id
		}
		asked++
		id := Member(encoded)
		known[string(encoded)] = id
		return id
	}
	for range 3 {
		got, err := ReadRecord(raw, names)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%v, %v", got, err)
		}
		if &got.Body[0] != &raw[len(raw)-len(r.Body)] {
			t.Error("the body was copied")
		}
	}
	if asked != 3 {
		t.Errorf("%d ids were made for three members", asked)
	}
	if _, err := ReadRecord(append(raw, 0), names); !errors.Is(err, ErrMalformed) {
		t.Errorf("with a byte behind it: %v", err)
	}
	for name, encoded := range map[string]string{"nothing": "", "no member": "\x00", "cut": "\x01abc", "too long": "\x03abc"} {
		if id := Member([]byte(encoded)); id != "" {
			t.Errorf("%s is read as %q", name, id)
		}
	}
}

// FuzzReadRecord: no bytes do harm, and a record has one form.
func FuzzReadRecord(f *testing.F) {
	f.Add(AppendRecord(nil, &Record{Epoch: Epoch{300, alpha}, Seq: 7, Replicas: Set{alpha, beta, "c"}, Prev: Set{beta}, Expires: -5, Body: []byte("step")}))
	f.Add(AppendRecord(nil, &Record{Epoch: Epoch{1, beta}, Seq: 1, Replicas: Set{beta}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ReadRecord(raw, Member)
		if err != nil {
			return
		}
		if again := AppendRecord(nil, r); !bytes.Equal(again, raw) {
			t.Errorf("%x was read as %v, which is %x", raw, r, again)
		}
		for _, set := range []Set{r.Replicas, r.Prev} {
			for i, m := range set {
				if m == "" || set[:i].Has(m) {
					t.Errorf("%q stands in %q", m, set)
				}
			}
		}
	})
}

// TestMembersByTheirNames: what stands alone is read as in a record.
func TestMembersByTheirNames(t *testing.T) {
	e, s := Epoch{300, alpha}, Set{alpha, "c"}
	raw := AppendSet(AppendEpoch(nil, e), s)
	epoch, rest, err := ParseEpoch(append(raw, "more"...))
	if err != nil || epoch != e {
		t.Fatalf("%v, %v", epoch, err)
	}
	set, rest, err := ParseSet(rest)
	if err != nil || !reflect.DeepEqual(set, s) || string(rest) != "more" {
		t.Errorf("%v, rest %q, %v", set, rest, err)
	}
}
