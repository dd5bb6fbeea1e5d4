// Package mail is the mails that journeys send: templates as AM's companion
// product keeps them and frodo exports them, and the messages made of them.
//
// The package is pure; package smtp sends.
package mail

import (
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is a mail that is ready to be sent. It may hold a link that lets its
// reader in, so it prints as [redacted].
type Message struct {
	// ID names the mail, the same each time the same mail is sent: letters and
	// digits.
	ID string
	// To is one address without a name. From is one with or without, empty for
	// the sender's own.
	To, From string
	Subject  string
	Body     string
	HTML     bool // the Body's language; else it is plain text
}

const redacted = "[redacted]"

func (Message) String() string       { return redacted }
func (Message) GoString() string     { return redacted }
func (Message) LogValue() slog.Value { return slog.StringValue(redacted) }

// Limits in bytes, but for the number of languages.
const (
	MaxAddress   = 254       // RFC 5321, section 4.5.3.1.3
	maxSubject   = 500       // of a message
	maxTexts     = 64        // languages of a template
	maxValue     = 2000      // of one value in a message
	maxTemplate  = 256 << 10 // of one text of a template
	maxName      = 128
	maxVariables = 1000 // of one text
)

// CheckAddress says why mail cannot be sent to an address: it is not one, or is
// more than one. A name beside it is refused too, so that nothing but an address
// comes out of a user's profile.
func CheckAddress(text string) error {
	if len(text) > MaxAddress || !printable(text) {
		return errors.New("not the address of a mailbox")
	}
	a, err := netmail.ParseAddress(text)
	if err != nil || a.Address != text || a.Name != "" {
		return errors.New("not the address of a mailbox")
	}
	return nil
}

// CheckSender says what is wrong with a From, "Name <a@example.com>" or an
// address alone.
func CheckSender(text string) error {
	if !printable(text) {
		return errors.New("a control character")
	}
	a, err := netmail.ParseAddress(text)
	if err != nil {
		return fmt.Errorf("not an address such as Accounts <no-reply@example.com>: %.100q", text)
	}
	return CheckAddress(a.Address)
}

// Domain is what stands behind the @ of a From.
func Domain(from string) string {
	a, err := netmail.ParseAddress(from)
	if err != nil {
		return ""
	}
	return a.Address[strings.LastIndexByte(a.Address, '@')+1:]
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// line makes one line of a text, for a header.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	return cut(strings.Join(strings.Fields(text), " "), maxSubject)
}

// cut shortens a text to at most n bytes, between two characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
