package cts

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// across sends an error to another member.
func across(t *testing.T, err error) error {
	t.Helper()
	b, encodeErr := peer.AppendAnswer(nil, failureOf(err))
	if encodeErr != nil {
		t.Fatal(encodeErr)
	}
	_, got := resultOf(b)
	return got
}

// Errors mean the same at the member that was asked as where they arose.
func TestErrorsAcrossMembers(t *testing.T) {
	for _, sentinel := range []error{
		session.ErrNotFound, identity.ErrNotFound, realm.ErrNoDocument, realm.ErrConflict, ErrExists, ErrLimit, ErrNoMember, ErrRefused,
	} {
		for _, err := range []error{sentinel, fmt.Errorf("more: %w", sentinel)} {
			if got := across(t, err); !errors.Is(got, sentinel) || got.Error() != err.Error() {
				t.Errorf("%v becomes %v", err, got)
			}
			if again(peer.Delete{}, across(t, err)) {
				t.Errorf("%v is tried again", err)
			}
		}
	}
	limit := command.TooLarge("a document", 2, 1)
	if got := across(t, limit); !errors.Is(got, ErrLimit) || got.Error() != limit.Error() {
		t.Errorf("%v becomes %v", limit, got)
	}
	for name, test := range map[string]struct {
		err                  error
		elsewhere, uncertain bool
	}{
		"full disk":  {unavailable("the disk is full: no writes"), false, false},
		"no leader":  {elsewhere("no leader"), true, false},
		"not known":  {unknown("closing"), false, true},
		"after 3 s":  {&session.UnavailableError{Reason: "x", RetryAfter: 3 * time.Second}, false, false},
		"not listed": {errors.New("read key 0102: broken"), false, false},
	} {
		got := across(t, test.err)
		if isElsewhere(got) != test.elsewhere || isUnknown(got) != test.uncertain {
			t.Errorf("%s becomes %v", name, got)
		}
		var was, is *session.UnavailableError
		if errors.As(test.err, &was) && (!errors.As(got, &is) || !reflect.DeepEqual(was, is)) {
			t.Errorf("%s: %+v becomes %+v", name, was, is)
		}
	}
}

// What may have been done is asked for again only if that does no harm.
func TestAgain(t *testing.T) {
	once := peer.UpdateIdentity{Change: identity.CountLogin{}}
	for name, test := range map[string]struct {
		operation peer.Operation
		err       error
		want      bool
	}{
		"done":                        {once, nil, false},
		"not done":                    {once, elsewhere("no leader"), true},
		"perhaps done, once":          {once, unknown("lost"), false},
		"perhaps done, as often":      {peer.Delete{}, unknown("lost"), true},
		"perhaps done, of no journey": {peer.Create{}, unknown("lost"), false},
		"refused":                     {peer.Delete{}, unavailable("the disk is full: no writes"), false},
	} {
		if got := again(test.operation, test.err); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A request that is not understood is answered, and does nothing.
func TestStrangeRequest(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	for _, body := range [][]byte{nil, {9}, {1, 77}, {1, 1, 99}} {
		b, err := s.handle(t.Context(), "a", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := peer.DecodeAnswer(b)
		if f, ok := answer.(*peer.Failure); err != nil || !ok || f.Code != peer.CodeProtocol {
			t.Errorf("%x is answered by %+v, %v", body, answer, err)
		}
	}
}
