package command_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// The bytes of every command of this release. A change here is a new version
// byte, not an edit of the old bytes: logs and backups hold them.
var golden = map[string]struct {
	command command.Command
	bytes   string
}{
	"noop":       {command.Noop{}, "0101"},
	"cluster id": {command.ClusterID{ID: [16]byte{1, 2}}, "020101020000000000000000000000000000"},
	"put session": {
		command.PutSession{Session: session.Session{
			ID: session.ID{1}, Journey: [16]byte{2},
			Principal: session.Principal{Realm: "/a", Username: "demo", UniversalID: "id"},
			Policy:    session.Policy{MaxSession: time.Hour, MaxIdle: time.Minute, TouchInterval: time.Second},
			Created:   start, LastAccess: start, AuthLevel: -1, Trees: []string{"T"}, Admin: true,
			Properties: map[string]string{"k": "v"},
		}, Replaces: &session.ID{3}},
		"030101030000000000000000000000000000000100000000000000000000000000000002000000000000000000000000000000" +
			"18ea0da41e9d800018ea0da41e9d80008080c58bc6d10180e0ba84bf0380a8d6b90701010" +
			"22f610464656d6f02696401015401016b0176",
	},
	"delete sessions": {
		command.DeleteSessions{Reason: session.Logout, IDs: []session.ID{{1}}, At: start},
		"040118ea0da41e9d80000101000000000000000000000000000000",
	},
	"delete sessions for a reason": {
		command.DeleteSessions{Reason: session.Destroyed, IDs: []session.ID{{1}}, At: start},
		"04020318ea0da41e9d80000101000000000000000000000000000000",
	},
	"touch": {
		command.Touch{Accesses: []command.Access{{ID: session.ID{1}, At: start}}},
		"0501010100000000000000000000000000000018ea0da41e9d8000",
	},
	"expire": {
		command.Expire{At: start, Dues: []command.Due{{Minute: 5, Kind: command.DueJourney, ID: [16]byte{6}}}},
		"060118ea0da41e9d80000100000000000000050206000000000000000000000000000000",
	},
	"set properties": {
		command.SetProperties{ID: session.ID{1}, Properties: map[string]string{"b": "2", "a": "1"}},
		"0701010000000000000000000000000000000201610131016201" + "32",
	},
	"put identity": {
		command.PutIdentity{Identity: identity.Identity{Realm: "/a", Name: "demo", Hash: "$h"}},
		"0801" + hex.EncodeToString([]byte(`{"realm":"/a","name":"demo","hash":"$h"}`)),
	},
	"change identity": {
		command.ChangeIdentity{
			Key: [16]byte{1}, Minute: 5, Kept: []byte("k"), Identity: identity.Identity{Realm: "/a", Name: "demo"},
		},
		"0f01" + "01000000000000000000000000000000" + "0000000000000005" + "016b" +
			hex.EncodeToString([]byte(`{"realm":"/a","name":"demo"}`)),
	},
	"expire a change": {
		command.Expire{At: start, Dues: []command.Due{{Minute: 5, Kind: command.DueChange, ID: [16]byte{6}}}},
		"060118ea0da41e9d80000100000000000000050306000000000000000000000000000000",
	},
	"put token": {
		command.PutToken{At: start, Put: token.Put{Kind: token.Journey, ID: token.ID{1}, Seq: 2, Expires: start.Add(time.Minute), Body: []byte("b")}},
		"1101" + "18ea0da41e9d8000" + "01" + "01000000000000000000000000000000" + "0000000000000002" + "18ea0db216e4d800" + "0162",
	},
	"deny": {
		command.Deny{Reason: session.Logout, At: start, Denials: []session.Denial{{ID: session.ID{1}, Until: start}}},
		"1201" + "01" + "18ea0da41e9d8000" + "01" + "01000000000000000000000000000000" + "18ea0da41e9d8000",
	},
	"deny user": {
		command.DenyUser{Realm: "/a", Username: "demo", Before: start, Until: start},
		"1301" + "022f61" + "0464656d6f" + "18ea0da41e9d8000" + "18ea0da41e9d8000",
	},
	"create session": {
		command.CreateSession{
			Put:  command.PutSession{Session: session.Session{ID: session.ID{1}}, Replaces: &session.ID{3}},
			Ends: []command.End{{ID: session.ID{4}, Reason: session.Destroyed}},
		},
		"1001" + "01" + "04000000000000000000000000000000" + "03" + "01" + "03000000000000000000000000000000" +
			"01000000000000000000000000000000" + "00000000000000000000000000000000" + "80000000000000008000000000000000" +
			"00000000" + "00" + "000000" + "00" + "00",
	},
	"delete identity": {command.DeleteIdentity{Realm: "/a", Name: "demo"}, "0901022f610464656d6f"},
	"put document": {
		command.PutDocument{Document: realm.Document{
			Kind: realm.KindTree, Realm: "/a", ID: "x", Rev: "7", Body: json.RawMessage(`{}`),
		}},
		"0a010474726565022f6101780137027b7d",
	},
	"delete document": {
		command.DeleteDocument{Kind: realm.KindTree, Realm: "/a", ID: "x"},
		"0b010474726565022f610178",
	},
	"wipe": {command.Wipe{Restore: [16]byte{1}}, "0c0101000000000000000000000000000000"},
	"restore chunk": {
		command.RestoreChunk{Restore: [16]byte{1}, Pairs: []command.Pair{{Key: []byte("k"), Value: []byte("v")}}},
		"0d010100000000000000000000000000000001016b0176",
	},
	"restore done": {
		command.RestoreDone{Restore: [16]byte{1}, Totals: command.Totals{Count: 2, Sum: 3}},
		"0e010100000000000000000000000000000000000000000000020000000000000003",
	},
}

func TestGolden(t *testing.T) {
	for name, test := range golden {
		t.Run(name, func(t *testing.T) {
			data, err := command.Append(nil, test.command)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(data); got != test.bytes {
				t.Errorf("bytes = %s\nwant    %s", got, test.bytes)
			}
			got, err := command.Decode(data)
			if err != nil || !reflect.DeepEqual(got, test.command) {
				t.Errorf("decoded = %+v, %v\nwant      %+v", got, err, test.command)
			}
			for n := range data {
				if got, err := command.Decode(data[:n]); err == nil && len(data) > 2 {
					t.Errorf("the first %d bytes decode to %+v", n, got)
				}
			}
		})
	}
}

func TestEntry(t *testing.T) {
	noop, _ := command.Append(nil, command.Noop{})
	entry := command.Entry{Term: 7, Commands: [][]byte{noop, noop}}
	data := command.AppendEntry(nil, entry)
	if got := hex.EncodeToString(data); got != "01"+"0000000000000007"+"020101"+"020101" {
		t.Errorf("bytes = %s", got)
	}
	if got, err := command.DecodeEntry(data); err != nil || !reflect.DeepEqual(got, entry) {
		t.Errorf("decoded = %+v, %v", got, err)
	}
	var version *command.VersionError
	if _, err := command.DecodeEntry(append([]byte{2}, data[1:]...)); !errors.As(err, &version) {
		t.Errorf("an entry of version 2 = %v", err)
	}
	for _, n := range []int{0, 1, 8, len(data) - 1} {
		if _, err := command.DecodeEntry(data[:n]); !errors.Is(err, command.ErrMalformed) {
			t.Errorf("the first %d bytes = %v", n, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := strings.Repeat("00", 1)
	tests := map[string]struct {
		bytes   string
		version bool
	}{
		"nothing":                     {"", false},
		"unknown command":             {"ff01", true},
		"later version":               {"0102", true},
		"version of another command":  {"0302", true},
		"later version of a delete":   {"0403", true},
		"no reason":                   {"040200" + "0000000000000000" + "00", false},
		"token of no kind":            {"1101" + "0000000000000000" + "00" + strings.Repeat("00", 32) + "00", false},
		"token of a kind too high":    {"1101" + "0000000000000000" + "80" + strings.Repeat("00", 32) + "00", false},
		"token without an end":        {"1101" + "0000000000000000" + "01" + strings.Repeat("00", 24) + "8000000000000000" + "00", false},
		"logout, at length":           {"040201" + "0000000000000000" + "00", false},
		"unknown reason":              {"040206" + "0000000000000000" + "00", false},
		"bytes left over":             {"010100", false},
		"number written long":         {"0401" + "0000000000000000" + "8100" + long, false},
		"more ids than bytes":         {"0401" + "0000000000000000" + "05", false},
		"truth value 2":               {"030102", false},
		"properties out of order":     {"0701" + strings.Repeat("00", 16) + "02" + "0162" + "00" + "0161" + "00", false},
		"property twice":              {"0701" + strings.Repeat("00", 16) + "02" + "0161" + "00" + "0161" + "00", false},
		"identity that is no JSON":    {"08017b", false},
		"revision that is no number":  {"0a010474726565022f610178017a027b7d", false},
		"restoring the store's own":   {"0d01" + strings.Repeat("00", 16) + "01" + "0121" + "0176", false},
		"restoring an empty key":      {"0d01" + strings.Repeat("00", 16) + "01" + "00" + "0176", false},
		"more kept than is allowed":   {"0f01" + strings.Repeat("00", 24) + "8108" + strings.Repeat("00", 1025) + "7b7d", false},
		"text longer than the record": {"0901" + "ffff03" + "00", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := hex.DecodeString(test.bytes)
			if err != nil {
				t.Fatal(err)
			}
			c, err := command.Decode(data)
			var version *command.VersionError
			if err == nil || errors.As(err, &version) != test.version || (!test.version && !errors.Is(err, command.ErrMalformed)) {
				t.Errorf("Decode = %+v, %v", c, err)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	big := strings.Repeat("x", command.MaxRecord+1)
	for name, c := range map[string]command.Command{
		"session":    command.PutSession{Session: session.Session{Properties: map[string]string{"p": big}}},
		"properties": command.SetProperties{Properties: map[string]string{"p": big}},
		"identity":   command.PutIdentity{Identity: identity.Identity{Name: big}},
		"bad time":   command.PutIdentity{Identity: identity.Identity{Failures: identity.Failures{Since: time.Unix(1<<60, 0)}}},
		"document":   command.PutDocument{Document: realm.Document{Body: make(json.RawMessage, realm.MaxDocument+1)}},
		"deletes":    command.DeleteSessions{IDs: make([]session.ID, command.MaxDelete+1)},
		"touches":    command.Touch{Accesses: make([]command.Access, command.MaxTouches+1)},
		"dues":       command.Expire{Dues: make([]command.Due, command.MaxExpire+1)},
		"kept":       command.ChangeIdentity{Kept: make([]byte, command.MaxKept+1)},
		"token":      command.PutToken{Put: token.Put{Kind: 1, Expires: start, Body: make([]byte, token.MaxBody+1)}},
		"denials":    command.Deny{Reason: session.Logout, Denials: make([]session.Denial, command.MaxDeny+1)},
		"reason":     command.DeleteSessions{Reason: session.MaxTimeout + 1},
		"no reason":  command.Deny{},
		"ends":       command.CreateSession{Ends: make([]command.End, command.MaxDelete+1)},
		"no kind":    command.PutToken{Put: token.Put{Expires: start}},
		"kind":       command.PutToken{Put: token.Put{Kind: 128, Expires: start}},
		"no end":     command.PutToken{Put: token.Put{Kind: 1}},
		"chunk":      command.RestoreChunk{Pairs: []command.Pair{{Key: []byte("k"), Value: make([]byte, command.MaxCommand)}}},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := []byte("kept")
			got, err := command.Append(prefix, c)
			if err == nil || !bytes.Equal(got, prefix) {
				t.Errorf("Append = %d bytes, %v", len(got), err)
			}
		})
	}
}

// The zero time survives, and all times come back in UTC without a monotonic
// reading.
func TestTimes(t *testing.T) {
	local := time.Now()
	in := command.DeleteSessions{At: local}
	data, _ := command.Append(nil, in)
	got, err := command.Decode(data)
	if at := got.(command.DeleteSessions).At; err != nil || !at.Equal(local) || at.Location() != time.UTC {
		t.Errorf("time = %v, %v", got, err)
	}
	data, _ = command.Append(nil, command.DeleteSessions{})
	if got, _ = command.Decode(data); !got.(command.DeleteSessions).At.IsZero() {
		t.Errorf("zero time = %v", got)
	}
}

// Whatever decodes has one encoding, and applies without a panic.
func FuzzDecode(f *testing.F) {
	for _, test := range golden {
		data, err := hex.DecodeString(test.bytes)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := command.Decode(data)
		if err != nil {
			return
		}
		switch c.(type) {
		case command.PutIdentity, command.ChangeIdentity: // JSON has many encodings
		default:
			again, err := command.Append(nil, c)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("%x decodes to %+v, which encodes to %x (%v)", data, c, again, err)
			}
		}
		tx := newTable()
		for index := uint64(1); index < 3; index++ {
			_, _ = command.Apply(tx, index, c, func(command.Effect) {})
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 7, 2, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		entry, err := command.DecodeEntry(data)
		if err == nil && !bytes.Equal(command.AppendEntry(nil, entry), data) {
			t.Errorf("%x decodes to %+v", data, entry)
		}
	})
}

// Records come from disks and backups: no bytes may make a reader panic.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{1})
	f.Add(append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 9}, command.AppendSession(nil, aSession(1))...))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _, _ = command.DecodeSession(data)
		_, _ = command.WithAccess(session.Session{}, data)
		_, _ = command.DecodeIdentity(data)
		_, _ = command.DecodeDocument(data)
		_, _ = command.DecodeKept(data)
		_, _ = command.DecodeDenial(data)
		_, _ = command.DecodeUserDenial(data)
		_, _ = command.DecodeToken(token.Journey, token.ID{}, data)
	})
}

func BenchmarkPutSession(b *testing.B) {
	s := aSession(1)
	b.ReportAllocs()
	for b.Loop() {
		data, err := command.Append(nil, command.PutSession{Session: s})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := command.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
