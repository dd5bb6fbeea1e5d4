package ldap

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// scripted is a directory with one entry, uid=demo, that answers every bind
// with one result code. It stands for directories other than OpenLDAP.
func scripted(t *testing.T, code uint16, attributes map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { answer(c, code, attributes) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().String()
}

// answer serves one connection until the client hangs up.
func answer(c net.Conn, code uint16, attributes map[string]string) {
	defer c.Close()
	for {
		request, err := ber.ReadPacket(c)
		if err != nil || len(request.Children) < 2 {
			return
		}
		id := request.Children[0].Value
		reply := func(operation *ber.Packet) {
			envelope := ber.NewSequence("response")
			envelope.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
			envelope.AppendChild(operation)
			_, _ = c.Write(envelope.Bytes())
		}
		switch request.Children[1].Tag {
		case ldap.ApplicationBindRequest:
			reply(result(ldap.ApplicationBindResponse, code))
		case ldap.ApplicationSearchRequest:
			entry := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
			entry.AppendChild(text("uid=demo,dc=example,dc=com"))
			list := ber.NewSequence("attributes")
			for name, value := range attributes {
				attribute, values := ber.NewSequence(""), ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
				values.AppendChild(text(value))
				attribute.AppendChild(text(name))
				attribute.AppendChild(values)
				list.AppendChild(attribute)
			}
			entry.AppendChild(list)
			reply(entry)
			reply(result(ldap.ApplicationSearchResultDone, ldap.LDAPResultSuccess))
		default:
			return
		}
	}
}

func text(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(kind ber.Tag, code uint16) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, kind, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	p.AppendChild(text(""))
	p.AppendChild(text(""))
	return p
}

// TestBindResults: only what is about password or account becomes a verdict.
func TestBindResults(t *testing.T) {
	for name, tc := range map[string]struct {
		code   uint16
		status string
		want   identity.Verdict
		err    error
	}{
		"success":                          {ldap.LDAPResultSuccess, "", identity.Match, nil},
		"success, status in other case":    {ldap.LDAPResultSuccess, "ACTIVE", identity.Match, nil},
		"success, inactive":                {ldap.LDAPResultSuccess, "Inactive", identity.Locked, nil},
		"success, status unheard of":       {ldap.LDAPResultSuccess, "Deleted", identity.Locked, nil},
		"invalid credentials":              {ldap.LDAPResultInvalidCredentials, "", identity.Mismatch, nil},
		"invalid credentials, inactive":    {ldap.LDAPResultInvalidCredentials, "Inactive", identity.Locked, nil},
		"entry without password":           {ldap.LDAPResultInappropriateAuthentication, "", identity.Mismatch, nil},
		"entry gone meanwhile":             {ldap.LDAPResultNoSuchObject, "", identity.Mismatch, nil},
		"too many failures":                {ldap.LDAPResultConstraintViolation, "", identity.Locked, nil},
		"unwilling for an inactive":        {ldap.LDAPResultUnwillingToPerform, "Inactive", identity.Locked, nil},
		"unwilling for an active":          {ldap.LDAPResultUnwillingToPerform, "", 0, identity.ErrUnavailable},
		"busy":                             {ldap.LDAPResultBusy, "", 0, identity.ErrUnavailable},
		"unavailable":                      {ldap.LDAPResultUnavailable, "", 0, identity.ErrUnavailable},
		"operations error":                 {ldap.LDAPResultOperationsError, "", 0, identity.ErrUnavailable},
		"referral":                         {ldap.LDAPResultReferral, "", 0, identity.ErrUnavailable},
		"confidentiality required":         {ldap.LDAPResultConfidentialityRequired, "", 0, identity.ErrUnavailable},
		"strong authentication, inactive":  {ldap.LDAPResultStrongAuthRequired, "Inactive", 0, identity.ErrUnavailable},
		"administrative limit, not locked": {ldap.LDAPResultAdminLimitExceeded, "", 0, identity.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			attributes := map[string]string{"uid": "demo"}
			if tc.status != "" {
				attributes["INETUSERSTATUS"] = tc.status
			}
			c := silentConfig(t, scripted(t, tc.code, attributes))
			c.Timeout = 5 * time.Second
			verdict, _, err := open(t, c).Authenticate(t.Context(), realm.Root, "demo", horse, identity.Guess{})
			if !errors.Is(err, tc.err) || tc.err == nil && verdict != tc.want {
				t.Fatalf("verdict %d, %v; want %d, %v", verdict, err, tc.want, tc.err)
			}
		})
	}
}

func TestLockedTime(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	endless := time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		text     string
		duration time.Duration
		want     time.Time
		ok       bool
	}{
		"none":                 {"", time.Minute, time.Time{}, true},
		"for a time":           {"20260301120000Z", time.Minute, t0.Add(time.Minute), true},
		"with a fraction":      {"20260301120000.123456Z", time.Minute, t0.Add(time.Minute), true},
		"until it is reset":    {"20260301120000Z", 0, endless, true},
		"by the administrator": {"000001010000Z", time.Minute, endless, true},
		"no time":              {"soon", time.Minute, time.Time{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Config{LockoutDuration: tc.duration}.lockedUntil(tc.text)
			if !got.Equal(tc.want) || (err == nil) != tc.ok {
				t.Fatalf("lockedUntil = %s, %v", got, err)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	for server, want := range map[string]string{
		"ldap://ldap.example.com":       "ldap.example.com:389 ldap.example.com false",
		"ldaps://ldap.example.com":      "ldap.example.com:636 ldap.example.com true",
		"ldaps://ldap.example.com:1636": "ldap.example.com:1636 ldap.example.com true",
		"ldap://[::1]:1389":             "[::1]:1389 ::1 false",
	} {
		hostPort, host, encrypted := address(server)
		if got := fmt.Sprint(hostPort, " ", host, " ", encrypted); got != want {
			t.Errorf("address(%s) = %s, want %s", server, got, want)
		}
	}
}
