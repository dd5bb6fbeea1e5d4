package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// keyPair is a certificate that follows its files.
type keyPair struct {
	files TLS
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]stamp
	looked  time.Time
}

// stamp tells one version of a file from another.
type stamp struct {
	size int64
	time time.Time
}

func newKeyPair(files TLS, log *slog.Logger, now func() time.Time) (*keyPair, error) {
	p := &keyPair{files: files, log: log, now: now}
	if err := p.load(); err != nil {
		return nil, err
	}
	p.looked = now()
	return p, nil
}

// certificate is tls.Config.GetCertificate.
func (p *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.Sub(p.looked) >= ReloadInterval {
		p.looked = now
		if err := p.load(); err != nil {
			p.log.Error("the new certificate is not usable, the old one stays in use", "err", err)
		}
	}
	return p.current, nil
}

// load reads the files unless they are the ones in use.
func (p *keyPair) load() error {
	now, err := p.stamps()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if now == p.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(p.files.CertFile, p.files.KeyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.files.CertFile, p.files.KeyFile, err)
	}
	p.current, p.stamp = &pair, now
	return nil
}

func (p *keyPair) stamps() ([2]stamp, error) {
	var out [2]stamp
	for i, name := range [2]string{p.files.CertFile, p.files.KeyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return out, err
		}
		out[i] = stamp{info.Size(), info.ModTime()}
	}
	return out, nil
}
