package wire

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Password is a password, or the hash of one, on its way into the server. It
// prints as [redacted].
type Password string

func (Password) String() string       { return redacted }
func (Password) GoString() string     { return redacted }
func (Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// User is a user as the API has it: flat, every attribute a list of texts.
// Passwords and hashes travel inwards only.
type User struct {
	// Name is username, or _id where that is missing. Rev and Realm come from
	// the server and are passed over by it.
	Name, Rev, Realm string
	Attributes       map[string][]string
	// Status is inetUserStatus, "Active" or "Inactive"; empty leaves it.
	Status string
	// Admin (_admin, our own) may administer every realm; nil leaves it.
	Admin *bool
	// LockedUntil (_lockedUntil, our own) ends a running lock; outwards only.
	LockedUntil string
	// Password is userpassword, Hash (_hash, our own) a password's hash in any
	// form that the server verifies. At most one of them is set.
	Password, Hash Password
}

// Members of a user that are none of its attributes.
const (
	userName        = "username"
	userStatus      = "inetUserStatus"
	userPassword    = "userpassword"
	userAdmin       = "_admin"
	userHash        = "_hash"
	userLockedUntil = "_lockedUntil"
)

// AppendUser appends u as a server shows it, without password and hash.
func AppendUser(b []byte, u User) []byte {
	b = AppendString(append(b, `{"_id":`...), u.Name)
	b = AppendString(append(b, `,"_rev":`...), u.Rev)
	b = AppendString(append(b, `,"realm":`...), u.Realm)
	b = AppendString(append(b, `,"username":`...), u.Name)
	if u.Admin != nil && *u.Admin {
		b = append(b, `,"_admin":true`...)
	}
	if u.LockedUntil != "" {
		b = AppendString(append(b, `,"_lockedUntil":`...), u.LockedUntil)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Attributes)) {
		b = append(b, ',')
		b = append(AppendString(b, name), ':')
		b = AppendValue(b, u.Attributes[name])
	}
	b = AppendString(append(b, `,"inetUserStatus":[`...), u.Status)
	return append(b, `]}`...)
}

// MarshalJSON writes u as a client sends it, with password or hash. An attribute
// whose name means something else to the API is an error.
func (u User) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, len(u.Attributes)+4)
	for name, values := range u.Attributes {
		if !attributeName(name) {
			return nil, fmt.Errorf("wire: %q cannot be the name of an attribute", name)
		}
		out[name] = values
	}
	out[userName] = u.Name
	for name, text := range map[string]string{userStatus: u.Status, userPassword: string(u.Password), userHash: string(u.Hash)} {
		if text != "" {
			out[name] = text
		}
	}
	if u.Admin != nil {
		out[userAdmin] = *u.Admin
	}
	return Marshal(out)
}

// UnmarshalJSON reads a user strictly: a text or a list of texts for every
// attribute, no key twice. Names of AM's own attributes compare without case.
func (u *User) UnmarshalJSON(text []byte) error {
	*u = User{}
	var id string
	err := Members(text, func(name, value []byte) error {
		return u.set(string(name), value, &id)
	})
	if u.Name == "" {
		u.Name = id
	}
	return err
}

// attributeName says that a member of this name is one of a user's attributes.
func attributeName(name string) bool {
	switch {
	case strings.EqualFold(name, userName), strings.EqualFold(name, userStatus), strings.EqualFold(name, userPassword):
		return false
	case name == "realm", name == "dn", name == "universalid", name == "objectClass":
		return false
	}
	return !strings.HasPrefix(name, "_")
}

func (u *User) set(name string, value []byte, id *string) error {
	one := func(to *string) error {
		list, err := textOrList(value)
		if err == nil && len(list) > 1 {
			err = &SyntaxError{Problem: "several values for " + userName}
		}
		if len(list) == 1 {
			*to = list[0]
		}
		return err
	}
	switch {
	case name == "_id":
		return one(id)
	case name == "_rev":
		return one(&u.Rev)
	case name == "realm":
		return one(&u.Realm)
	case strings.EqualFold(name, userName):
		return one(&u.Name)
	case strings.EqualFold(name, userStatus):
		return one(&u.Status)
	case strings.EqualFold(name, userPassword):
		return one((*string)(&u.Password))
	case name == userHash:
		return one((*string)(&u.Hash))
	case name == userLockedUntil:
		return one(&u.LockedUntil)
	case name == userAdmin:
		var admin bool
		if err := json.Unmarshal(value, &admin); err != nil {
			return &SyntaxError{Problem: "expected a boolean"}
		}
		u.Admin = &admin
		return nil
	case !attributeName(name):
		return nil
	}
	list, err := textOrList(value)
	if u.Attributes == nil {
		u.Attributes = map[string][]string{}
	}
	u.Attributes[name] = list
	return err
}

// textOrList reads a text, a list of texts, or null.
func textOrList(value []byte) ([]string, error) {
	switch {
	case len(value) > 0 && value[0] == '[':
		list := []string{}
		err := Elements(value, func(element []byte) error {
			text, err := Text(element)
			list = append(list, text)
			return err
		})
		return list, err
	case string(value) == "null":
		return nil, nil
	}
	text, err := Text(value)
	return []string{text}, err
}

// ImportReport answers an import of users.
type ImportReport struct {
	// Created users are new, Replaced ones were there and were written over,
	// Existing ones were there and stayed as they are.
	Created  int `json:"created"`
	Replaced int `json:"replaced"`
	Existing int `json:"existing"`
	Failed   int `json:"failed"`
	// Errors are those of the first lines that failed.
	Errors []ImportError `json:"errors"`
}

// ImportError says why a line was not imported. Lines are counted from 1.
type ImportError struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
}
