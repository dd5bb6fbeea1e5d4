package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ErrServerClosed is the cause with which the contexts of requests end that
// are still in flight when the drain time is over.
var ErrServerClosed = errors.New("server closed")

// Server is a listener that is open, and what it will serve.
type Server struct {
	cfg      Config
	listener net.Listener
	conns    *connections
	front    *frontDoor
	http     *http.Server
	cancel   context.CancelCauseFunc
}

// Listen opens the listener of a configuration. Connections wait in the
// kernel's queue until Run.
func Listen(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	front, err := newFrontDoor(cfg)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	var tlsConfig *tls.Config
	if cfg.TLS != nil {
		pair, err := newKeyPair(*cfg.TLS, cfg.Log, time.Now)
		if err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.certificate}
	}
	listener := cfg.Listener
	if listener == nil {
		listener, err = net.Listen("tcp", cfg.Address) //nolint:noctx // opening a listener does not block
		if err != nil {
			return nil, fmt.Errorf("server: listen on %s: %w", cfg.Address, err)
		}
	}
	base, cancel := context.WithCancelCause(context.Background())
	conns := newConnections(cfg.Limits.Connections, cfg.TLS == nil)
	return &Server{
		cfg:      cfg,
		listener: listener,
		conns:    conns,
		front:    front,
		cancel:   cancel,
		http: &http.Server{
			Handler:           front,
			TLSConfig:         tlsConfig,
			ReadHeaderTimeout: cfg.Limits.HeaderTime,
			WriteTimeout:      cfg.Limits.WriteTime,
			IdleTimeout:       cfg.Limits.IdleTime,
			MaxHeaderBytes:    cfg.Limits.Header,
			Protocols:         http1(),
			BaseContext:       func(net.Listener) context.Context { return base },
			ConnState:         conns.note,
			ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		},
	}, nil
}

// http1 is HTTP/1.1 alone: one connection, one request at a time, so that the
// cap on connections bounds everything else.
func http1() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	return &p
}

// Addr is the address that the listener has.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close gives up a server that was never Run.
func (s *Server) Close() error {
	s.front.stop()
	s.cancel(ErrServerClosed)
	return s.listener.Close()
}

// Run serves until ctx ends, then stops as the package comment tells. It
// returns nil after an orderly stop within the drain time, an error when the
// listener failed or requests had to be cut. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.serve() }()
	select {
	case err := <-failed:
		s.front.stop()
		s.cancel(ErrServerClosed)
		_ = s.http.Close()
		return fmt.Errorf("serve on %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	err := s.drain(ctx)
	if ended := <-failed; err == nil && !errors.Is(ended, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", s.Addr(), ended)
	}
	return err
}

func (s *Server) serve() error {
	l := &limitedListener{Listener: s.listener, conns: s.conns}
	if s.cfg.TLS != nil {
		return s.http.ServeTLS(l, "", "")
	}
	return s.http.Serve(l)
}

func (s *Server) drain(ctx context.Context) error {
	// The end of ctx is why we are here: the drain has a time of its own.
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Limits.DrainTime)
	defer done()
	s.front.stop()
	stopped := make(chan error, 1)
	go func() { stopped <- s.http.Shutdown(ctx) }()
	// Shutdown waits seconds for connections that never sent a byte.
	s.conns.closeFresh()
	err := <-stopped
	s.cancel(ErrServerClosed)
	if err == nil {
		return nil
	}
	_ = s.http.Close()
	return fmt.Errorf("stop serving: requests still running after %s were cut", s.cfg.Limits.DrainTime.Round(time.Millisecond))
}
