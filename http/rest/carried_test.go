package rest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/clientside"
	"sojourn/http/wire"
)

// newSealer seals with keys of one generation.
func newSealer(tb testing.TB, generation uint32) *clientside.Codec {
	tb.Helper()
	var all []clientside.Key
	for _, p := range []clientside.Purpose{clientside.Session, clientside.Journey} {
		for _, a := range []clientside.Algorithm{clientside.HS256, clientside.Direct} {
			secret := bytes.Repeat([]byte{byte(p), byte(generation)}, a.SecretSize()/2)
			all = append(all, clientside.Key{Purpose: p, Algorithm: a, Generation: generation, Active: true, Secret: secret})
		}
	}
	keys, err := clientside.NewKeys(all)
	if err != nil {
		tb.Fatal(err)
	}
	return clientside.New(func() *clientside.Keys { return keys }, rand.Reader)
}

// carriedRef is a step of a journey that its client carries.
func carriedRef(state string) journey.Ref {
	r := ref()
	r.Step, r.Store, r.State = 2, realm.JWT, journey.Carried(state)
	return r
}

// authIDIn is the authId of an answer.
func authIDIn(tb testing.TB, body []byte) string {
	tb.Helper()
	var answer struct{ AuthID string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.AuthID == "" {
		tb.Fatalf("no authId in %s", body)
	}
	return answer.AuthID
}

// TestCarriedJourneys: what a client carries of its journey comes back as it
// left, cannot be read on the way, and stands where AM has it.
func TestCarriedJourneys(t *testing.T) {
	const secret = "the password is 53cr3t"
	for name, how := range map[string]func(*realm.ClientSide){
		"as AM does by default": func(*realm.ClientSide) {},
		"without encryption":    func(c *realm.ClientSide) { c.Encryption = realm.EncryptionNone },
		"packed":                func(c *realm.ClientSide) { c.Compression = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.cfg.Sealer = newSealer(t, 1)
			how(&s.realms["/alpha"].ClientSide)
			reply := step()
			reply.Ref = carriedRef(secret)
			s.replies(reply, nil)
			first := authIDIn(t, s.do(s.request(start, "")).Body.Bytes())

			claims, err := base64.RawURLEncoding.DecodeString(strings.Split(first, ".")[1])
			if err != nil {
				t.Fatal(err)
			}
			var said struct{ SessionID, AuthIndexValue string }
			if err := json.Unmarshal(claims, &said); err != nil || said.AuthIndexValue != "Login" {
				t.Errorf("claims %s, %v", claims, err)
			}
			parts := strings.Split(said.SessionID, "*")
			if len(parts) != 3 || parts[0] != "" || strings.Count(parts[2], ".") != 2 {
				t.Fatalf("sessionId %s", said.SessionID)
			}
			inner, err := base64.RawURLEncoding.DecodeString(strings.Split(parts[2], ".")[0])
			if err != nil || !strings.HasPrefix(string(inner), `{"typ":"JWT",`) || !strings.Contains(string(inner), `"cty":"JWT","alg":"HS256"}`) {
				t.Errorf("the header of the sealed journey is %s, %v", inner, err)
			}
			readable := first
			for part := range strings.SplitSeq(parts[2], ".") {
				raw, _ := base64.RawURLEncoding.DecodeString(part)
				readable += string(raw)
			}
			if strings.Contains(readable, "53cr3t") || strings.Contains(readable, base64.RawURLEncoding.EncodeToString([]byte(secret))) {
				t.Error("the journey can be read")
			}

			var got journey.Ref
			s.journeys.resume = func(_ context.Context, r journey.ResumeRequest) (journey.Reply, error) {
				got = r.Ref
				return reply, nil
			}
			if w := s.do(s.request(start, `{"authId":"`+first+`"}`)); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if string(got.State) != secret || got.Journey != reply.Ref.Journey || got.Step != 2 || got.Store != realm.JWT || len(got.Trace) > 0 {
				t.Errorf("came back as %+v", got)
			}
			if printed := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(printed, "53cr3t") || strings.Contains(printed, "53 99 114") {
				t.Errorf("prints %s", printed)
			}
		})
	}
}

// TestReferencesComeBack: all that a reference says is what the next request says.
func TestReferencesComeBack(t *testing.T) {
	plain := ref()
	traced, stored, opened, carried := plain, plain, plain, carriedRef("state")
	traced.Trace = []byte{2, 0}
	stored.Store, stored.Index, stored.Step = realm.CTS, 1<<40, 7
	opened.Store, opened.Trace = realm.JWT, []byte{2, 0}
	for name, want := range map[string]journey.Ref{
		"in memory": plain, "kept nowhere yet": traced, "in the store": stored, "with its client": carried, "not with its client yet": opened,
	} {
		for _, listed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, allowlisted %t", name, listed), func(t *testing.T) {
				if listed {
					want.Allowlist = [16]byte{6: 0x40, 8: 0x80, 15: 1}
				}
				s := newStand(t)
				s.cfg.Sealer = newSealer(t, 1)
				reply := step()
				reply.Ref = want
				s.replies(reply, nil)
				text := authIDIn(t, s.do(s.request(start, "")).Body.Bytes())
				var got journey.Ref
				s.journeys.resume = func(_ context.Context, r journey.ResumeRequest) (journey.Reply, error) {
					got = r.Ref
					return reply, nil
				}
				if w := s.do(s.request(start, `{"authId":"`+text+`"}`)); w.Code != 200 || !reflect.DeepEqual(got, want) {
					t.Errorf("%d, came back as %+v, want %+v", w.Code, got, want)
				}
			})
		}
	}
}

// TestSealedJourneysRefused: another journey's content, another purpose's token
// and a key that is gone give no journey.
func TestSealedJourneysRefused(t *testing.T) {
	s := newStand(t)
	codec := newSealer(t, 1)
	s.cfg.Sealer = codec
	s.journeys.resume = func(_ context.Context, r journey.ResumeRequest) (journey.Reply, error) {
		return journey.Reply{}, errors.New("a journey was given: " + string(r.Ref.State))
	}
	right := clientside.Content{ID: ref().Journey, Realm: "/alpha", Issued: at, Expires: at, Body: []byte("state")}
	other, abroad := right, right
	other.ID[0]++
	abroad.Realm = "/"
	seal := func(codec *clientside.Codec, p clientside.Purpose, c clientside.Content) string {
		c.Body = []byte(`{"a":"b"}`)
		text, err := codec.Seal(p, realm.DefaultSettings().ClientSide, c)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		text string
		code int
	}{
		"another journey":           {seal(codec, clientside.Journey, other), 400},
		"another realm":             {seal(codec, clientside.Journey, abroad), 400},
		"a session":                 {seal(codec, clientside.Session, right), 401},
		"no token":                  {"a.b.c", 401},
		"under a key yet to come":   {seal(newSealer(t, 2), clientside.Journey, right), 503},
		"under a key that was lost": {strings.Replace(seal(codec, clientside.Journey, right), ".", ".A", 1), 401},
	} {
		t.Run(name, func(t *testing.T) {
			ids, err := wire.NewAuthIDs(authIDs)
			if err != nil {
				t.Fatal(err)
			}
			text, err := ids.Sign(wire.AuthID{
				Journey: ref().Journey, Step: 2, Realm: "/alpha", Issued: at, Expires: ref().Expires, Store: realm.JWT, Sealed: wire.Sealed(c.text),
			})
			if err != nil {
				t.Fatal(err)
			}
			if w := s.do(s.request(start, `{"authId":"`+string(text)+`"}`)); w.Code != c.code {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.code)
			}
		})
	}
	t.Run("where nothing is sealed", func(t *testing.T) {
		s.cfg.Sealer = nil
		reply := step()
		reply.Ref = carriedRef("x")
		s.replies(reply, nil)
		if w := s.do(s.request(start, "")); w.Code != 503 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestTooLargeForTheClient: a journey that has grown too large is an answer that
// says so, and told to the operator.
func TestTooLargeForTheClient(t *testing.T) {
	s := newStand(t)
	s.cfg.Sealer = newSealer(t, 1)
	state := make([]byte, 16<<10)
	for i := range state {
		state[i] = "0123456789"[i%10]
	}
	reply := step()
	reply.Ref = carriedRef(string(state))
	s.replies(reply, nil)
	w := s.do(s.request(start, ""))
	if w.Code != 401 || !strings.Contains(w.Body.String(), "too large") || strings.Contains(w.Body.String(), "errorCode") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(s.log.String(), "level=WARN") || !strings.Contains(s.log.String(), "bytes=16384") || strings.Contains(s.log.String(), "0123456789") {
		t.Errorf("the operator reads %s", s.log)
	}
	s.realms["/alpha"].ClientSide.Compression = true
	if w := s.do(s.request(start, "")); w.Code != 200 {
		t.Errorf("packed: %d %s", w.Code, w.Body)
	}
}
