package rest

import (
	"mime"
	"net/http"
	"unicode/utf8"

	"sojourn/actors/identity"
)

// maxCredential bounds a zero-page header, in bytes as sent.
const maxCredential = 4 << 10

// zeroPage reads the headers that fill the first name and password callbacks
// (am-contract section 1.3); nil for one that is absent. A header that stands
// twice is refused: two readers could take different ones.
func zeroPage(h http.Header) (*string, *identity.Secret, error) {
	username, err := credential(h["X-Openam-Username"], "X-OpenAM-Username")
	if err != nil {
		return nil, nil, err
	}
	text, err := credential(h["X-Openam-Password"], "X-OpenAM-Password")
	if err != nil || text == nil {
		return username, nil, err
	}
	password := identity.Secret(*text)
	return username, &password, nil
}

// credential decodes one header: plain UTF-8, or RFC 2047 for what a header
// cannot hold.
func credential(values []string, name string) (*string, error) {
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // absent is an answer here
	}
	if len(values) > 1 {
		return nil, fault{status: 400, message: name + " stands more than once"}
	}
	if len(values[0]) > maxCredential {
		return nil, fault{status: 400, message: name + " is too long"}
	}
	var words mime.WordDecoder
	text, err := words.DecodeHeader(values[0])
	if err != nil || !utf8.ValidString(text) {
		return nil, fault{status: 400, message: name + " is neither UTF-8 nor an RFC 2047 encoded word"}
	}
	return &text, nil
}
