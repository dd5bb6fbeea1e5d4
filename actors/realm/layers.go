package realm

import (
	"encoding/json"
	"errors"
	"fmt"

	"sojourn/actors/internal/amjson"
)

// IDs of the settings documents. A realm has those of Documents, the whole
// deployment those of GlobalDocuments.
const (
	DocumentAuthentication = "authentication"
	DocumentSession        = "session"
	// DocumentProperties is AM's Session Property Whitelist service.
	DocumentProperties = "amSessionPropertyWhitelist"
	DocumentValidation = "validation"
	// DocumentSojourn has what AM has no setting for.
	DocumentSojourn  = "sojourn"
	DocumentPlatform = "platform"
	DocumentREST     = "rest"
	// The properties of AM's server-default.
	DocumentServerSession  = "server-session"
	DocumentServerSecurity = "server-security"
	DocumentServerAdvanced = "server-advanced"
)

// Documents are the ids of a realm's settings documents, GlobalDocuments those
// of the whole deployment's.
func Documents() []string { return ids(places(false)) }

// GlobalDocuments are the ids of the settings documents of the whole deployment.
func GlobalDocuments() []string { return ids(places(true)) }

// DocumentPlace is where AM's API serves a settings document, below realm-config
// or global-config.
func DocumentPlace(id string) string {
	switch id {
	case DocumentAuthentication:
		return "authentication"
	case DocumentServerSession:
		return "servers/server-default/properties/session"
	case DocumentServerSecurity:
		return "servers/server-default/properties/security"
	case DocumentServerAdvanced:
		return "servers/server-default/properties/advanced"
	}
	return "services/" + id
}

func ids(all []place) []string {
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.id
	}
	return names
}

// place is where a settings document stands.
type place struct {
	id string
	// within is the member that holds the attributes; empty for the top.
	within     string
	attributes func(*draft) []attribute
}

// places lists the documents of a realm, or of the whole deployment, the weaker
// before the stronger.
func places(global bool) []place {
	if global {
		const defaults = "defaults"
		return []place{
			{DocumentAuthentication, defaults, authentication},
			{DocumentSession, "", session},
			{DocumentProperties, defaults, propertyList},
			{DocumentValidation, defaults, validation},
			{DocumentSojourn, defaults, own},
			{DocumentPlatform, "", platform},
			{DocumentREST, "", api},
			{DocumentServerSession, "", serverSession},
			{DocumentServerSecurity, "", serverSecurity},
			{DocumentServerAdvanced, "", serverAdvanced},
		}
	}
	return []place{
		{DocumentAuthentication, "", authentication},
		{DocumentSession, "", sessionAndProperties},
		{DocumentProperties, "", propertyList},
		{DocumentValidation, "", validation},
		{DocumentSojourn, "", own},
	}
}

// sessionAndProperties are a realm's attributes of the document "session", where
// the list of session properties stood once.
func sessionAndProperties(d *draft) []attribute {
	older := propertyList(d)
	for i := range older {
		older[i].about = "the older place of this list: " + DocumentProperties + " is stronger"
	}
	return append(session(d), wide(older...)...)
}

// SettingError says that a settings document holds what it cannot hold.
type SettingError struct {
	// Document is the document's ID; Attribute is the dotted path in it
	// ("dynamic.maxIdleTime"), empty when it is not JSON.
	Document, Attribute string
	Detail              string
}

func (e *SettingError) Error() string {
	if e.Attribute == "" {
		return fmt.Sprintf("settings %s: %s", e.Document, e.Detail)
	}
	return fmt.Sprintf("settings %s: %s: %s", e.Document, e.Attribute, e.Detail)
}

// Layers are what a realm's settings are made of, the weakest first: AM's
// defaults, the process, documents of the whole deployment, documents of the
// realm. Documents go by their ids; each may be absent, and so may each
// attribute.
type Layers struct {
	Process     Deployment
	Global, Own map[string]json.RawMessage
}

// Settings reads the settings. All faults are reported at once, joined, each a
// *SettingError that says what the attribute allows. What is at fault counts as
// absent, so that the settings are good ones in any case. Attributes without a
// meaning here are not judged.
func (l Layers) Settings() (Settings, error) {
	d, faults := l.read()
	return d.Settings, errors.Join(faults...)
}

func (l Layers) read() (*draft, []error) {
	d := newDraft(l.Process)
	faults := d.layer(places(true), l.Global)
	return d, append(faults, d.layer(places(false), l.Own)...)
}

// Unknown names the attributes of the documents that nobody knows, AM included,
// as "document: path", sorted within each. They are kept.
func (l Layers) Unknown() []string {
	var unknown []string
	d := newDraft(l.Process)
	for _, p := range places(true) {
		unknown = append(unknown, p.open(d, l.Global).unknown()...)
	}
	for _, p := range places(false) {
		unknown = append(unknown, p.open(d, l.Own).unknown()...)
	}
	return unknown
}

// Document is what the configuration API shows of a realm's settings document:
// every attribute, as stored where it has a value there, else as it is in force,
// else, where it has no meaning here, by AM's default. Secrets are shown as null.
// ErrNoDocument means that there is none with this id.
func (l Layers) Document(id string) (json.RawMessage, error) {
	d, _ := l.read()
	return show(d, places(false), id, l.Own, false)
}

// GlobalDocument is Document for those of the whole deployment.
func (l Layers) GlobalDocument(id string) (json.RawMessage, error) {
	d, _ := Layers{Process: l.Process, Global: l.Global}.read()
	return show(d, places(true), id, l.Global, true)
}

func show(d *draft, all []place, id string, stored map[string]json.RawMessage, global bool) (json.RawMessage, error) {
	for _, p := range all {
		if p.id == id {
			return p.open(d, stored).show(global)
		}
	}
	return nil, ErrNoDocument
}

func (p place) open(d *draft, stored map[string]json.RawMessage) document {
	return document{p.id, p.within, stored[p.id], p.attributes(d)}
}

// draft is settings in the making. Some of AM's attributes make one setting
// together.
type draft struct {
	Settings
	quotas     bool // they are switched on
	quotaLimit int
	unsigned   bool // client-side tokens may do without a signature
}

func newDraft(process Deployment) *draft {
	d := &draft{Settings: DefaultSettings(), quotaLimit: 5}
	d.Deployment = process
	return d
}

// layer reads the documents of one layer over what is there.
func (d *draft) layer(all []place, stored map[string]json.RawMessage) []error {
	before := *d
	var faults []error
	for _, p := range all {
		opened := p.open(d, stored)
		faults = append(faults, opened.inMemory()...)
		faults = append(faults, opened.read()...)
	}
	return append(faults, d.settle(&before, stored)...)
}

// settle judges attributes together, takes back what does not fit, and draws
// from them what they mean together.
func (d *draft) settle(before *draft, stored map[string]json.RawMessage) []error {
	var faults []error
	fault := func(document, attribute, detail string) {
		faults = append(faults, &SettingError{document, attribute, detail})
	}
	const suspended = "trees.suspendedAuthenticationTimeout"
	if d.SuspendDuration > d.JourneyMaxDuration {
		if has(stored[DocumentAuthentication], "trees", "suspendedAuthenticationTimeout") {
			fault(DocumentAuthentication, suspended, fmt.Sprintf(
				"a journey may take %s in all (trees.authenticationSessionsMaxDuration), suspended or not", d.JourneyMaxDuration))
		}
		d.SuspendDuration = d.JourneyMaxDuration
	}
	const signing = "stateless.statelessSigningType"
	switch c := d.ClientSide; {
	case c.Signing == SigningNone && c.Encryption == EncryptionNone:
		fault(DocumentSession, signing, "NONE for both signing and encryption would let everybody make sessions")
		d.ClientSide = before.ClientSide
	case c.Signing == SigningNone && c.Encryption == RSAEncryption:
		fault(DocumentSession, signing, "NONE with RSA encryption would let whoever has the public key make sessions")
		d.ClientSide = before.ClientSide
	case c.Signing == SigningNone && !d.unsigned:
		fault(DocumentSession, signing, "NONE needs org.forgerock.openam.session.stateless.signing.allownone")
		d.ClientSide = before.ClientSide
	}
	if err := d.Deployment.Cookies.Check(); err != nil {
		fault(DocumentServerAdvanced, "com.sun.identity.cookie.samesite", err.Error())
		d.Deployment.Cookies = before.Deployment.Cookies
	}
	if d.Quota.Limit = 0; d.quotas {
		d.Quota.Limit = d.quotaLimit
	}
	return faults
}

// has reports whether a document has a value at group and name.
func has(raw json.RawMessage, group, name string) bool {
	top, err := amjson.Object(raw)
	if err != nil {
		return false
	}
	if inner, ok := top["defaults"]; ok {
		return has(inner, group, name)
	}
	members, err := amjson.Object(top[group])
	return err == nil && !amjson.Absent(members[name])
}

// GlobalWithin is the member of a document of the whole deployment that holds its
// attributes; empty for the top.
func GlobalWithin(id string) string {
	for _, p := range places(true) {
		if p.id == id {
			return p.within
		}
	}
	return ""
}
