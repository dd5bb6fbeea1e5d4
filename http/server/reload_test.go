package server

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

func TestCertificateFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	one, two := SelfSigned(t, "one"), SelfSigned(t, "two")
	files := TLS{CertFile: dir + "/cert.pem", KeyFile: dir + "/key.pem"}
	install := func(p [2][]byte, at time.Time) {
		for i, name := range []string{files.CertFile, files.KeyFile} {
			if err := os.WriteFile(name, p[i], 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	install(one, now)
	p, err := newKeyPair(files, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		c, err := p.certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.Subject.CommonName
	}
	install(two, now.Add(time.Minute))
	if got := name(); got != "one" {
		t.Errorf("looked at the files too soon: %s", got)
	}
	now = now.Add(ReloadInterval)
	if got := name(); got != "two" {
		t.Errorf("the new pair is not in use: %s", got)
	}
	install([2][]byte{one[0], two[1]}, now.Add(time.Hour))
	now = now.Add(ReloadInterval)
	if got := name(); got != "two" {
		t.Errorf("a certificate without its key came into use: %s", got)
	}
	if !strings.Contains(log.String(), "stays in use") {
		t.Errorf("log: %s", log.String())
	}
	install(one, now.Add(2*time.Hour))
	now = now.Add(ReloadInterval)
	if got := name(); got != "one" {
		t.Errorf("did not recover: %s", got)
	}
}
