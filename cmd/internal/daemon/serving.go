package daemon

import (
	"context"
	"net"
	"net/http"
	"time"

	"sojourn/actors"
	"sojourn/actors/realm"
	"sojourn/cmd/internal/config"
	"sojourn/http/rest"
	"sojourn/http/server"
)

func (d *Daemon) serverConfig(listener net.Listener, api *rest.Handler, catalog *actors.Catalog) server.Config {
	c := d.config
	limits := server.Limits{
		Header:      int(c.Limits.Header),
		Body:        int64(max(c.Limits.Body, c.Limits.AdminBody)),
		Connections: c.Limits.Connections,
		InFlight:    c.Limits.Requests,
		Reserved:    c.Limits.Reserved,
		Streams:     c.Limits.Streams,
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
		TrustTransactionID: trusts(catalog),
		Log:                c.Log.With("part", "http"),
		AccessLog:          nil,
	}
}

// deployment is what the process says of the settings that all realms share.
func deployment(c config.Config) realm.Deployment {
	d := realm.DefaultDeployment()
	d.Cookies = realm.Cookies{
		Name: c.Cookie.Name, Secure: c.Cookie.Secure, HTTPOnly: c.Cookie.HTTPOnly, SameSite: realm.SameSite(c.Cookie.SameSite),
		Domains: c.Cookie.Domains, LBName: c.Cookie.LBName, LBValue: c.Cookie.LBValue,
	}
	d.TrustsTransactionID = c.HTTP.TrustTransactionID
	return d
}

// settingPatience is how long a request waits for the settings that say whether
// its transaction id is believed: an id of ours does no harm.
const settingPatience = time.Second

// trusts tells whether the settings believe transaction ids of requests.
func trusts(catalog *actors.Catalog) func(context.Context) bool {
	return func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, settingPatience)
		defer cancel()
		settings, err := catalog.Realm(ctx, realm.Root)
		return err == nil && settings.Deployment.TrustsTransactionID
	}
}
