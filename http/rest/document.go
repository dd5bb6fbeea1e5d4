package rest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/mail"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
	"sojourn/http/wire"
)

// What the configuration endpoints share (am-contract section 7.6): documents
// with a revision, preconditions on it, and AM's texts for what is refused.

// resourceFault is the part of the error table that is about stored things.
func resourceFault(err error) (fault, bool) {
	var (
		setting *realm.SettingError
		backup  *BackupError
		limit   *LimitError
		refused *MemberRefusedError
		kept    *KeyRefusedError

		template *mail.TemplateError
	)
	switch {
	case errors.As(err, &backup):
		return fault{status: http.StatusBadRequest, message: backup.Error()}, true
	case errors.As(err, &limit):
		return fault{status: http.StatusBadRequest, message: limit.Error()}, true
	case errors.Is(err, realm.ErrNoDocument), errors.Is(err, identity.ErrNotFound):
		return fault{status: http.StatusNotFound}, true
	case errors.Is(err, ErrNoMember):
		return fault{status: http.StatusNotFound, message: "No such member"}, true
	case errors.As(err, &refused):
		return fault{status: http.StatusConflict, message: refused.Reason}, true
	case errors.As(err, &kept):
		return fault{status: http.StatusConflict, message: kept.Reason}, true
	case errors.Is(err, realm.ErrConflict):
		return fault{status: http.StatusPreconditionFailed}, true
	case errors.Is(err, identity.ErrReadOnly):
		return fault{status: http.StatusForbidden, message: "The identity store is read only"}, true
	case errors.Is(err, identity.ErrName), errors.Is(err, identity.ErrPassword),
		errors.Is(err, identity.ErrHash), errors.Is(err, identity.ErrCost):
		return fault{status: http.StatusBadRequest, message: err.Error()}, true
	case errors.As(err, &template):
		return invalidAttribute(template.Member, template.Detail), true
	case errors.As(err, &setting):
		return invalidAttribute(setting.Attribute, setting.Detail), true
	}
	return fault{}, false
}

// definitionFault is the answer to a tree, node or script that cannot be read.
func definitionFault(err error) fault {
	var (
		attribute *tree.AttributeError
		value     *tree.ValueError
		entry     *tree.EntryError
	)
	switch {
	case errors.As(err, &attribute):
		return fault{
			status:  http.StatusBadRequest,
			message: "Invalid attribute specified.",
			detail:  []callback.Entry{{Name: "validAttributes", Value: attribute.Valid}},
		}
	case errors.As(err, &value):
		return invalidAttribute(value.Attribute, "")
	case errors.As(err, &entry):
		id := string(entry.Entry)
		if id == "" {
			id = "entryNodeId"
		}
		return fault{status: http.StatusBadRequest, message: "Node with ID " + shorten(id) + " must exist in the tree."}
	}
	return fault{status: http.StatusBadRequest, message: shorten(err.Error())}
}

// maxDetail bounds what is said of a fault beside AM's text, in bytes. The words
// are ours; what they quote is bounded by itself.
const maxDetail = 500

// invalidAttribute is AM's text, with the attribute's first letter large, and
// what we know besides.
func invalidAttribute(attribute, detail string) fault {
	if attribute != "" {
		attribute = strings.ToUpper(attribute[:1]) + attribute[1:]
	}
	message := "Data validation failed for the attribute, " + attribute
	if detail != "" {
		message += ": " + strings.ToValidUTF8(detail[:min(len(detail), maxDetail)], "")
	}
	return fault{status: http.StatusBadRequest, message: message}
}

// precondition reads If-Match and If-None-Match.
func (c *call) precondition() (realm.Precondition, error) {
	match, noneMatch := c.r.Header.Get("If-Match"), c.r.Header.Get("If-None-Match")
	switch {
	case match != "" && noneMatch != "":
		return realm.Precondition{}, fault{status: http.StatusPreconditionFailed, message: "If-Match and If-None-Match exclude each other"}
	case noneMatch != "" && noneMatch != "*":
		return realm.Precondition{}, fault{status: http.StatusBadRequest, message: "If-None-Match can only be *"}
	}
	return realm.Precondition{IfMatch: strings.Trim(match, `"`), IfNoneMatch: noneMatch != ""}, nil
}

// put stores a document under the request's precondition; written is what was
// stored, made is set when it is new.
func (c *call) put(d realm.Document) (written realm.Document, made bool, err error) {
	p, err := c.precondition()
	if err != nil {
		return d, false, err
	}
	if len(d.Body) > realm.MaxDocument {
		return d, false, errTooLarge
	}
	return c.h.cfg.Resources.Documents.PutDocument(c.context(), d, p)
}

// errExists is AM's answer to a create of what is there.
var errExists = fault{status: http.StatusConflict, message: "Unable to save config: Service already exists"}

// create stores a document that must be new.
func (c *call) create(d realm.Document) (realm.Document, error) {
	written, _, err := c.h.cfg.Resources.Documents.PutDocument(c.context(), d, realm.Precondition{IfNoneMatch: true})
	if errors.Is(err, realm.ErrConflict) {
		return written, errExists
	}
	return written, err
}

// written answers a write: 201 with the place of what is new, else 200. id is
// the last part of the path that the new thing has below this request's.
func (c *call) written(body []byte, rev string, made bool, id string) error {
	c.etag(rev)
	status := http.StatusOK
	if made {
		status = http.StatusCreated
		path := c.r.URL.EscapedPath()
		if id != "" {
			path = strings.TrimSuffix(path, "/") + "/" + escapeSegment(id)
		}
		c.w.Header()["Location"] = []string{path}
	}
	c.buf = append(c.buf[:0], body...)
	c.crest(status, c.buf)
	return nil
}

// escapeSegment writes a name so that it can stand in a path.
func escapeSegment(name string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if (c|0x20 >= 'a' && c|0x20 <= 'z') || (c >= '0' && c <= '9') || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&0xf])
	}
	return b.String()
}

// document answers with a document's body.
func (c *call) document(body []byte, rev string) error {
	c.etag(rev)
	return c.answer(append(c.buf[:0], body...))
}

// list answers with those of bodies that fulfil the request's filter. A field
// is a member at the top of a body.
func (c *call) list(bodies [][]byte) error {
	terms, err := c.filter()
	if err != nil {
		return err
	}
	if len(terms) > 0 {
		kept := bodies[:0]
		for _, body := range bodies {
			if fits(terms, func(name string) []string { return memberTexts(body, name) }) {
				kept = append(kept, body)
			}
		}
		bodies = kept
	}
	return c.answer(wire.AppendPage(c.buf[:0], len(bodies), "", func(b []byte, i int) []byte { return append(b, bodies[i]...) }))
}

// memberTexts are the texts of a member: its own, or those in its list.
func memberTexts(body []byte, name string) []string {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	var list []string
	if json.Unmarshal(members[name], &list) == nil {
		return list
	}
	var text string
	if json.Unmarshal(members[name], &text) == nil {
		return []string{text}
	}
	return []string{string(members[name])}
}

// withMeta writes an object with _id and _rev in front and, when kind is not
// nil, _type behind; those that it has itself are left out.
func withMeta(object json.RawMessage, id, rev string, kind any) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	delete(members, "_id")
	delete(members, "_rev")
	if kind != nil {
		raw, err := wire.Marshal(kind)
		if err != nil {
			return nil, err
		}
		members["_type"] = raw
	}
	rest, err := wire.Marshal(members)
	if err != nil {
		return nil, err
	}
	b := wire.AppendString([]byte(`{"_id":`), id)
	b = wire.AppendString(append(b, `,"_rev":`...), rev)
	if len(members) == 0 {
		return append(b, '}'), nil
	}
	return append(append(b, ','), rest[1:]...), nil
}

// withoutMeta is an object without the members that belong to the store or to
// the API: _id, _rev, and _type as well unless it is kept.
func withoutMeta(object json.RawMessage, keepType bool) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	for _, name := range []string{"_id", "_rev", "_outcomes"} {
		delete(members, name)
	}
	if !keepType {
		delete(members, "_type")
	}
	return wire.Marshal(members)
}

// amType is what AM says about the kind of a thing.
type amType struct {
	ID         string `json:"_id"`
	Name       string `json:"name"`
	Collection bool   `json:"collection"`
}

// newUUID makes a random UUID of version 4.
func newUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails: it ends the process instead
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	text := hex.EncodeToString(u[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
