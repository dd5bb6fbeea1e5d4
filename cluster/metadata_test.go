package cluster

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"pgregory.net/rapid"

	"sojourn/cluster/placement"
)

func sample() record {
	return record{
		oldest:  1,
		started: time.UnixMicro(1_790_000_000_000_000),
		leaving: true,
		member: placement.Member{
			ID: "0123456789abcdef0123456789abcdef", Name: "node-1",
			Address: "10.0.0.1:8700", HTTP: "[fd00::1]:8080",
			Store: "fedcba9876543210fedcba9876543210", Cluster: [16]byte{1, 2, 3, 15: 9},
			Expect: 3, Protocol: 2, Draining: true, Starting: true,
		},
	}
}

func TestRecordTravels(t *testing.T) {
	want := sample()
	b, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(string(want.member.ID), b)
	if err != nil || got != want {
		t.Fatalf("decoded %+v, %v\nwant %+v", got, err, want)
	}
	// A later version may add fields at the end.
	got, err = decodeRecord(string(want.member.ID), append(b, 7, 7))
	if err != nil || got != want {
		t.Fatalf("with a later field: %+v, %v", got, err)
	}
}

// TestRecordIsNeverTooLong: memberlist panics at 513 bytes.
func TestRecordIsNeverTooLong(t *testing.T) {
	if maxRecord >= memberlist.MetaMaxSize {
		t.Fatalf("a record may have %d bytes, memberlist takes %d", maxRecord, memberlist.MetaMaxSize)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string, upTo int) string {
			return strings.Repeat("x", rapid.IntRange(0, upTo).Draw(t, name))
		}
		r := sample()
		r.member.ID = placement.MemberID(text("id", 80))
		r.member.Name, r.member.Store = text("name", 80), text("store", 80)
		r.member.Address, r.member.HTTP = text("address", 200)+":1", text("http", 200)+":1"
		b, err := r.encode()
		if err != nil {
			if !errors.Is(err, errRecord) || b != nil {
				t.Fatalf("%d bytes and %v", len(b), err)
			}
			return
		}
		if len(b) > maxRecord {
			t.Fatalf("%d bytes", len(b))
		}
	})
}

func TestRecordRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*record)
		want  string
	}{
		{"no id", func(r *record) { r.member.ID = "" }, "no id"},
		{"long id", func(r *record) { r.member.ID = placement.MemberID(strings.Repeat("i", 65)) }, "id has 65 bytes"},
		{"long name", func(r *record) { r.member.Name = strings.Repeat("n", 64) }, "name has 64 bytes"},
		{"line break in name", func(r *record) { r.member.Name = "a\nb" }, "has '\\n' in it"},
		{"name not UTF-8", func(r *record) { r.member.Name = "\xff" }, "is not UTF-8"},
		{"no address", func(r *record) { r.member.Address = "" }, "address"},
		{"address without host", func(r *record) { r.member.Address = ":8700" }, "no host"},
		{"address without port", func(r *record) { r.member.Address = "a:" }, "no port"},
		{"address with port 0", func(r *record) { r.member.Address = "a:0" }, "no port"},
		{"http address without port", func(r *record) { r.member.HTTP = "a" }, "http address"},
		{"expect", func(r *record) { r.member.Expect = 256 }, "expect 256"},
		{"no protocol", func(r *record) { r.oldest = 0 }, "protocol 0 to 2"},
		{"protocols the wrong way round", func(r *record) { r.oldest = 3 }, "protocol 3 to 2"},
		{"started long ago", func(r *record) { r.started = time.UnixMicro(-1) }, "before 1970"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sample()
			c.spoil(&r)
			if _, err := r.encode(); err == nil || !errors.Is(err, errRecord) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestRecordCutShort(t *testing.T) {
	b, err := sample().encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := decodeRecord("id", b[:n]); !errors.Is(err, errRecord) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	b[0]++
	if _, err := decodeRecord("id", b); !errors.Is(err, errRecord) {
		t.Errorf("version %d: %v", b[0], err)
	}
}

func FuzzRecord(f *testing.F) {
	whole, err := sample().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("id", whole)
	f.Add("id", whole[:40])
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, id string, b []byte) {
		r, err := decodeRecord(id, b)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatalf("decoded %+v, which cannot be encoded: %v", r, err)
		}
		if len(again) > maxRecord || len(again) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
		if twice, err := decodeRecord(id, again); err != nil || twice != r {
			t.Fatalf("%+v became %+v, %v", r, twice, err)
		}
	})
}

// TestRecordFormat is the example of DESIGN.md.
func TestRecordFormat(t *testing.T) {
	r := record{oldest: 1, started: time.Unix(1, 0), member: placement.Member{ID: "x", Store: "s1", Name: "a", Address: "h:1", Expect: 3, Protocol: 1}}
	b, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	want := "01 00 0001 0001 03 " + strings.Repeat("00", 16) + " 00000000000f4240  02 7331  01 61  03 683a31  00"
	if got := hex.EncodeToString(b); got != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
