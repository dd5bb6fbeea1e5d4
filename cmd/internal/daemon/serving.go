package daemon

import (
	"net"
	"net/http"

	"sojourn/http/rest"
	"sojourn/http/server"
)

func (d *Daemon) serverConfig(listener net.Listener, api *rest.Handler) server.Config {
	c := d.config
	limits := server.Limits{
		Header:      int(c.Limits.Header),
		Body:        int64(max(c.Limits.Body, c.Limits.AdminBody)),
		Connections: c.Limits.Connections,
		InFlight:    c.Limits.Requests,
		Reserved:    c.Limits.Reserved,
		HeaderTime:  c.Limits.HeaderTime,
		BodyTime:    c.Limits.ReadTime,
		RequestTime: c.Limits.RequestTime,
		WriteTime:   c.Limits.WriteTime,
		IdleTime:    c.Limits.IdleTime,
		DrainTime:   c.Limits.DrainTime,
	}
	var tls *server.TLS
	if c.HTTP.TLSCert != "" {
		tls = &server.TLS{CertFile: c.HTTP.TLSCert, KeyFile: c.HTTP.TLSKey}
	}
	return server.Config{
		Listener:    listener,
		TLS:         tls,
		ContextPath: c.HTTP.Path,
		Mounts: []server.Mount{
			{Path: "/json/", Handler: api},
			{Path: "/json/health/", Handler: api, Essential: true},
			{Path: "/json/global-config/sojourn/backup", Handler: api, Streaming: true},
			{Path: "/isAlive.jsp", Handler: http.HandlerFunc(api.IsAlive), Essential: true},
		},
		Limits:             limits,
		TrustTransactionID: c.HTTP.TrustTransactionID,
		Log:                c.Log.With("part", "http"),
		AccessLog:          nil,
	}
}
