package config

import (
	"net/mail"
	"strings"
)

func (m Mail) validate(v *verdict) {
	v.oneOf("mail.tls", m.TLS, "starttls", "tls", "none")
	if m.Port < 0 || m.Port > 65535 {
		v.add("mail.port", "%d is not a port number", m.Port)
	}
	if (m.User == "") != (m.PasswordFile == "") {
		v.add("mail.user", "user and passwordFile are needed together")
	}
	if m.User != "" && m.TLS == "none" {
		v.add("mail.tls", "a password is not sent without TLS")
	}
	if m.Host == "" {
		if m.User != "" || m.From != "" || m.CAFile != "" {
			v.add("mail.host", "a server is needed where the rest of mail is set")
		}
		return
	}
	if strings.ContainsAny(m.Host, ":/@ ") {
		v.add("mail.host", "%q is not a host's name; the port stands in mail.port", m.Host)
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		v.add("mail.from", "%q is not a sender such as Accounts <no-reply@example.com>", m.From)
	}
}
