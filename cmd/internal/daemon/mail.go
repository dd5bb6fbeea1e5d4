package daemon

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"sojourn/actors"
	"sojourn/actors/smtp"
	"sojourn/cmd/internal/config"
)

// makeMailer starts what sends mails; nil when no server is configured.
func (d *Daemon) makeMailer() (actors.Mailer, error) {
	c := d.config.Mail
	if c.Host == "" {
		return nil, nil //nolint:nilnil // none is configured
	}
	settings := smtp.Config{
		Host: c.Host, Port: c.Port, TLS: smtp.TLS(c.TLS), User: c.User, From: c.From, Log: d.config.Log.With("part", "mail"),
	}
	var err error
	if settings.Password, settings.Authorities, err = mailCredentials(c); err != nil {
		return nil, err
	}
	sender, err := smtp.New(settings)
	if err != nil {
		return nil, fmt.Errorf("start sending mails: %w", err)
	}
	d.close = append(d.close, sender.Close)
	return sender, nil
}

func mailCredentials(c config.Mail) (smtp.Password, *x509.CertPool, error) {
	var password smtp.Password
	if c.PasswordFile != "" {
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", nil, fmt.Errorf("mail.passwordFile: %w", err)
		}
		if password = smtp.Password(strings.TrimRight(string(text), "\r\n")); password == "" {
			return "", nil, fmt.Errorf("mail.passwordFile: %s is empty", c.PasswordFile)
		}
	}
	if c.CAFile == "" {
		return password, nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return "", nil, fmt.Errorf("mail.caFile: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return "", nil, fmt.Errorf("mail.caFile: %s holds no certificate", c.CAFile)
	}
	return password, authorities, nil
}
