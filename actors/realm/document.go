package realm

import (
	"encoding/json"
	"errors"
)

// DocumentKind is what a Document configures.
type DocumentKind string

// Kinds of documents. The body of each is the JSON that AM's configuration API
// sends and takes for it, without _id and _rev.
const (
	KindRealm    DocumentKind = "realm"    // a realm exists; ID is its name; kept under Root
	KindSettings DocumentKind = "settings" // ID is one of Documents()
	KindGlobal   DocumentKind = "global"   // settings of the whole deployment; ID is one of GlobalDocuments(); kept under Root
	KindTree     DocumentKind = "tree"     // ID is the tree's name
	KindNode     DocumentKind = "node"     // ID is the node's UUID; the body keeps _type
	KindScript   DocumentKind = "script"   // ID is the script's UUID

	KindEmailTemplate DocumentKind = "emailTemplate" // ID is the template's name
	KindWebhook       DocumentKind = "webhook"       // ID is the webhook's name
)

// MaxDocument bounds a document's body, in bytes.
const MaxDocument = 1 << 20

// Document is one piece of a realm's configuration, as it is stored.
type Document struct {
	Kind  DocumentKind
	Realm Name
	ID    string
	// Rev changes with every write; a decimal number, as AM shows it.
	Rev  string
	Body json.RawMessage
}

// What a document store reports beside its answers.
var (
	ErrNoDocument = errors.New("no such document")
	// ErrConflict says that a precondition on the revision did not hold.
	ErrConflict = errors.New("document changed meanwhile")
)

// Precondition of a write: the zero value asks for none.
type Precondition struct {
	// IfMatch wants the stored revision to be this one; "*" any.
	IfMatch string
	// IfNoneMatch wants no document to be there.
	IfNoneMatch bool
}
