package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// decodeEntry makes an identity of one object of an import file.
func decodeEntry(raw json.RawMessage) (Identity, error) {
	members, err := object(raw)
	if err != nil {
		return Identity{}, err
	}
	decode := decodeForeign
	if slices.ContainsFunc(members, func(m member) bool { return m.name == "name" }) {
		decode = decodeOwn
	}
	i, err := decode(members)
	if err != nil {
		return Identity{}, err
	}
	if err := CheckName(i.Name); err != nil {
		return Identity{}, err
	}
	if i.Hash != "" {
		if err := Check(i.Hash); err != nil {
			return Identity{}, fmt.Errorf("user %s: %w", i.Name, err)
		}
	}
	return i, nil
}

// object reads an object's members in order and refuses one that comes twice,
// of which encoding/json would silently take the last.
func object(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("want a user as a JSON object")
	}
	var members []member
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string) // a member's name always is one
		if seen[name] {
			return nil, fmt.Errorf("member %q comes twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		members = append(members, member{name, value})
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return members, nil
}

// decodeOwn reads {"name","attributes","hash","status"} and nothing else.
func decodeOwn(members []member) (Identity, error) {
	var i Identity
	for _, m := range members {
		var err error
		switch m.name {
		case "name":
			err = json.Unmarshal(m.value, &i.Name)
		case "attributes":
			i.Attributes, err = decodeAttributes(m.value)
		case "hash":
			i.Hash, err = decodeHash(m.value)
		case "status":
			i.Status, err = decodeStatus(m.value)
		default:
			return Identity{}, fmt.Errorf("member %q is not known; want name, attributes, hash and status", m.name)
		}
		if err != nil {
			return Identity{}, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return i, nil
}

func decodeAttributes(raw json.RawMessage) (map[string][]string, error) {
	members, err := object(raw)
	if err != nil {
		return nil, errors.New("want an object of texts and lists of texts, each name once")
	}
	attributes := make(map[string][]string, len(members))
	for _, m := range members {
		values, ok := texts(m.value)
		if !ok {
			return nil, fmt.Errorf("%q: want a text or a list of texts", m.name)
		}
		attributes[m.name] = values
	}
	return attributes, nil
}

// decodeForeign reads a user of AM or IDM.
func decodeForeign(members []member) (Identity, error) {
	attributes := map[string][]string{}
	var i Identity
	names := [4]string{} // by rank: userName, username, uid, _id
	for _, m := range members {
		var err error
		switch strings.ToLower(m.name) { // as a directory compares them
		case "username":
			rank := 1
			if m.name == "userName" {
				rank = 0
			}
			names[rank], err = single(m.value)
		case "_id":
			names[3], err = single(m.value)
		case "password", "userpassword", "_hash":
			var hash Hash
			if hash, err = decodeHash(m.value); err == nil && hash != "" {
				if i.Hash != "" && i.Hash != hash {
					err = errors.New("another password came before")
				}
				i.Hash = hash
			}
		case "accountstatus", "inetuserstatus":
			var status Status
			if status, err = decodeStatus(m.value); err == nil {
				if i.Status != "" && i.Status != status {
					err = errors.New("another status came before")
				}
				i.Status = status
			}
		case "realm", "dn", "objectclass", "universalid", "createtimestamp", "modifytimestamp":
		default:
			if strings.EqualFold(m.name, "uid") {
				names[2], err = single(m.value)
			}
			if values, ok := texts(m.value); ok && len(values) > 0 && !strings.HasPrefix(m.name, "_") {
				attributes[m.name] = values
			}
		}
		if err != nil {
			return Identity{}, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if len(attributes) > 0 {
		i.Attributes = attributes
	}
	for _, name := range names {
		if name != "" {
			i.Name = name
			return i, nil
		}
	}
	return Identity{}, errors.New("no name, userName, username, uid or _id")
}

// texts reads a text, a number or a truth value, or a list of these.
func texts(raw json.RawMessage) ([]string, bool) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	values := make([]string, 0, len(list))
	for _, item := range list {
		switch item[0] {
		case '"':
			var text string
			if json.Unmarshal(item, &text) != nil {
				return nil, false
			}
			values = append(values, text)
		case 'n': // null is no value
		case '{', '[':
			return nil, false
		default:
			values = append(values, string(item))
		}
	}
	return values, true
}

// single reads the one text of a value, or of a list of one; "" for none.
func single(raw json.RawMessage) (string, error) {
	values, ok := texts(raw)
	if !ok || len(values) > 1 {
		return "", errors.New("want one text")
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

func decodeHash(raw json.RawMessage) (Hash, error) {
	if raw[0] == '{' {
		return "", errors.New("it is encrypted or wrapped ($crypto); export its hash")
	}
	text, err := single(raw)
	return Hash(text), err
}

func decodeStatus(raw json.RawMessage) (Status, error) {
	text, err := single(raw)
	switch {
	case err != nil:
		return "", err
	case text == "":
		return "", nil
	case strings.EqualFold(text, string(Active)):
		return Active, nil
	case strings.EqualFold(text, string(Inactive)):
		return Inactive, nil
	}
	return "", fmt.Errorf("%q is neither active nor inactive", text)
}
