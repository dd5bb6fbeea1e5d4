package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sojourn/actors"
	"sojourn/actors/identity"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cmd/internal/config"
	"sojourn/cmd/internal/secret"
	"sojourn/cts"
	"sojourn/cts/feed"
	"sojourn/cts/sessions"
	"sojourn/http/rest"
	"sojourn/http/server"
	"sojourn/http/webhook"
)

// Config is what a member needs beside its own configuration.
type Config struct {
	config.Config
	Secret secret.Secret
	// Build names the program in serverinfo/version.
	Build rest.Build
	Log   *slog.Logger
	// Net is the network to serve on; nil is the operating system's.
	Net Net
	// Boottime is the clock of leases: it goes on while the machine sleeps.
	// nil is the kernel's CLOCK_BOOTTIME.
	Boottime func() time.Duration
	// Hashing is what new passwords are hashed with; zero is
	// identity.DefaultParams.
	Hashing identity.Params
}

// Daemon is a member: its files are open and its ports are bound.
type Daemon struct {
	config   Config
	near     *neighbours
	store    *cts.Store
	registry *registry
	keys     *keeper
	removed  chan struct{}      // closed when this run is taken to be over
	ledger   sync.WaitGroup     // what keeps the registry
	unfollow context.CancelFunc // ends it
	hashing  *actors.Hashing
	close    []func() // of what journeys use: identity repositories, the mailer
	sessions *sessions.Service
	audit    audit
	journeys *actors.Journeys
	server   *server.Server
	webhooks *webhook.Sender
	changes  *feed.Feed
	leaving  atomic.Bool
	seen     atomic.Pointer[glance]
	// passwords are those of users in the store.
	passwords *actors.Embedded
}

// keptChanges is how many changes of sessions a member keeps for those who listen,
// about a kilobyte each: what a listener may fall behind, or be away for.
const keptChanges = 8192

// New opens the data folder, binds the ports and makes itself known to the
// cluster. The member does not answer before Await has returned and Run was
// called. After an error nothing is left open.
func New(ctx context.Context, c Config) (_ *Daemon, err error) {
	dial := webhook.Dial
	if c.Net == nil {
		c.Net = osNet{}
	} else { // whose addresses say nothing
		dial = func(ctx context.Context, _, addr string, _ func(string, string, syscall.RawConn) error) (net.Conn, error) {
			return c.Net.Dial(ctx, addr)
		}
	}
	d := &Daemon{config: c, removed: make(chan struct{}), unfollow: func() {}, changes: feed.New(keptChanges)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.shut())
		}
	}()
	atRest, err := atRestKeys(c)
	if err != nil {
		return nil, err
	}
	if d.near, err = bind(c); err != nil {
		return nil, err
	}
	told := news{changes: d.changes}
	d.store, err = cts.Start(cts.Config{
		Dir:         filepath.Join(c.Data, "store"),
		Key:         atRest,
		BackupKey:   c.Secret.Derive(secret.Backup),
		HotSessions: c.Limits.Sessions,
		DiskMin:     uint64(c.Limits.MinFreeDisk), //nolint:gosec // validated to be positive
		Log:         c.Log.With("part", "cts"),
		Network:     d.near.forStore(),
		Address:     d.near.address(),
		Name:        c.Name,
		Join:        len(c.Cluster.Join) > 0,
		Expect:      c.Cluster.Expect,
		Slow:        c.Cluster.Slow,
		Boottime:    c.Boottime,
		OnDocument:  told.changed,
		OnSession:   told.happened,
	})
	if err != nil {
		return nil, fmt.Errorf("open the token store: %w", err)
	}
	catalog := actors.NewCatalog(d.store, node.Builtin(), deployment(c.Config), c.Log, time.Now)
	d.registry = newRegistry(d.store, d.near.self.ID, d.store.ID(), c.Log.With("part", "runs"), func() { close(d.removed) })
	d.registry.configured = func() []string {
		all, _ := d.store.Configured()
		return all
	}
	keys, err := newKeys(d.store, d.store.Current, c.Secret, c.Log.With("part", "keys"))
	if err != nil {
		return nil, fmt.Errorf("make the keys: %w", err)
	}
	d.keys = newKeeper(keys, catalog, d.near.view)
	told.tell(catalog, d.registry, d.keys)
	d.webhooks, err = webhook.New(webhook.Config{Documents: d.store, Hosts: c.Webhooks.Hosts, Dial: dial, Log: c.Log.With("part", "webhooks")})
	if err != nil {
		return nil, fmt.Errorf("start webhooks: %w", err)
	}
	told.webhooks.Store(d.webhooks)
	if err := d.makeSessions(catalog); err != nil {
		return nil, err
	}
	told.sessions.Store(d.sessions)
	if err := d.makeJourneys(catalog); err != nil {
		return nil, err
	}
	handler, err := d.makeAPI(catalog)
	if err != nil {
		return nil, err
	}
	if err := d.listen(handler, catalog); err != nil {
		return nil, err
	}
	if err := d.near.join(ctx, d.Addr(), d.store.ID()); err != nil {
		return nil, err
	}
	d.follow(catalog)
	return d, nil
}

// follow keeps the registry of runs, and the versions of trees, until unfollow is
// called. Once this run is registered, others give it journeys to hold.
func (d *Daemon) follow(catalog *actors.Catalog) {
	var ctx context.Context
	ctx, d.unfollow = context.WithCancel(context.Background())
	leads := func() bool { return d.store.Metrics().Leader }
	ended := d.changes.Listen()
	d.ledger.Go(func() { d.hear(ctx, ended) })
	d.ledger.Go(func() { catalog.Tend(ctx) })
	d.ledger.Go(func() { d.registry.follow(ctx) })
	d.ledger.Go(func() { d.keys.tend(ctx, leads) })
	d.ledger.Go(func() { d.registry.sweep(ctx, leads, d.folders) })
	d.ledger.Go(func() {
		select {
		case <-d.registry.begun:
			d.near.announce(func(m *placement.Member) { m.Starting = false })
		case <-ctx.Done():
		}
	})
}

// folders are the data folders that are in the cluster or whose member is seen.
func (d *Daemon) folders(ctx context.Context) (map[string]bool, error) {
	all, err := d.store.Members(ctx)
	inside := map[string]bool{}
	for _, m := range all {
		inside[m.ID] = m.Known || m.Alive
	}
	return inside, err
}

// listen binds the port for clients.
func (d *Daemon) listen(api *rest.Handler, catalog *actors.Catalog) error {
	listener, err := d.config.Net.Listen(d.config.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", d.config.HTTP.Addr, err)
	}
	d.server, err = server.Listen(d.serverConfig(listener, api, catalog))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return nil
}

// Await returns when the member answers requests, or when ctx ends. A member
// that waits for others to found a cluster with may need a while; until then
// Run answers that it is unavailable.
func (d *Daemon) Await(ctx context.Context) error {
	if err := d.store.Await(ctx); err != nil {
		return fmt.Errorf("open the token store: %w", err)
	}
	patience := registryPatience
	if d.store.Metrics().DiskLevel > 0 { // it answers, but stores nothing new
		patience = 0
	}
	d.registry.await(ctx, patience)
	return nil
}

// atRestKeys is the key of the data folder, nil when it is not encrypted.
func atRestKeys(c Config) ([]byte, error) {
	switch {
	case !c.Encryption.Enabled:
		return nil, nil
	case c.Encryption.KeyFile != "":
		return readKey(c.Encryption.KeyFile)
	}
	return c.Secret.Derive(secret.AtRest), nil
}

func (d *Daemon) makeSessions(catalog *actors.Catalog) error {
	c := d.config
	var err error
	if d.audit, err = openAudit(c.Audit, c.Log); err != nil {
		return err
	}
	foreign, err := foreignTokens(c.Migration, c.UserSuffix)
	if err != nil {
		return err
	}
	d.sessions, err = sessions.New(sessions.Config{
		Store:         tokens{d.store},
		Realms:        lasting{catalog},
		Keys:          d.keys.Marks,
		HolderKeys:    d.keys.Tokens,
		Current:       d.keys.Current,
		Foreign:       foreign,
		HolderEnded:   d.webhooks.Ended,
		ServerID:      c.Cookie.LBValue,
		Audit:         d.audit.log,
		TransactionID: server.TransactionID,
		Now:           time.Now,
		Rand:          rand.Reader,
	})
	if err != nil {
		return fmt.Errorf("make sessions: %w", err)
	}
	return nil
}

func (d *Daemon) makeJourneys(catalog *actors.Catalog) error {
	c := d.config
	var err error
	d.hashing, err = actors.NewHashing(actors.HashingConfig{
		Workers: c.Limits.HashWorkers, Queue: c.Limits.HashQueue, Params: c.Hashing, Rand: rand.Reader,
	})
	if err != nil {
		return fmt.Errorf("start the hashing pool: %w", err)
	}
	users, err := d.makeUsers()
	if err != nil {
		return err
	}
	mailer, err := d.makeMailer()
	if err != nil {
		return err
	}
	d.journeys, err = actors.New(actors.Config{
		Self:         d.near.self.ID,
		View:         d.near.view,
		Peers:        journeyPeers{d.near},
		Quorum:       d.store.Current,
		CutOff:       d.cutOff,
		Replicas:     c.Journeys.Replicas,
		Runs:         d.registry,
		Founding:     d.registry,
		Catalog:      catalog,
		Users:        users,
		Sessions:     d.sessions,
		Stored:       d.store,
		Keys:         d.keys.current.Load().marks, // for the ids of sessions, which no rotation changes
		DigestKey:    c.Secret.Derive(secret.AnswerDigest),
		Suffix:       c.UserSuffix,
		Meter:        &actors.Meters{},
		Cookies:      d.keys.tokens,
		Mail:         mailer,
		Transactions: d.transactions(),
		Logger:       c.Log.With("part", "journeys"),
		Now:          time.Now,
		Rand:         rand.Reader,
		MaxWaiting:   int64(c.Limits.Journeys),
		MaxStored:    4 * int64(c.Limits.Journeys), // on disk
		LoginPage:    loginPage(c.HTTP),
	})
	if err != nil {
		return fmt.Errorf("start journeys: %w", err)
	}
	d.near.handle(callJourneys, d.journeys.Serve)
	return nil
}

// loginPage is where this server's own links to log in lead: AM's page for it.
func loginPage(h config.HTTP) string {
	url := h.PublicURL
	if url == "" {
		url = "http://" + h.Addr
		if h.TLSCert != "" {
			url = "https://" + h.Addr
		}
	}
	return url + h.Path + "/XUI/"
}

func (d *Daemon) makeAPI(catalog *actors.Catalog) (*rest.Handler, error) {
	c := d.config
	from, err := clientIPs(c.HTTP.Proxies)
	if err != nil {
		return nil, err
	}
	stores := resources{d.store, d.hashing}
	handler, err := rest.New(rest.Config{
		Path:         c.HTTP.Path,
		Journeys:     d.journeys,
		Transactions: d.transactions(),
		Sessions:     d.sessions,
		Realms:       catalog,
		AuthIDs:      d.keys.AuthIDs,
		Current:      d.keys.Current,
		Sealer:       d.keys.tokens,
		Process:      deployment(c.Config),
		GotoAllowed: func(target string, s *realm.Settings) bool {
			return len(target) <= s.Deployment.MaxGoto && realm.GotoAllowed(s.GotoPatterns, target)
		},
		Origins: c.HTTP.Origins,
		Resources: rest.Resources{
			Sessions:      d.sessions,
			Changes:       d.changes,
			Identities:    stores,
			Documents:     stores,
			NodeTypes:     node.Builtin(),
			CheckWebhook:  d.webhooks.Check,
			Health:        health{d.store, &d.leaving},
			Backups:       stores,
			Members:       members{d.near, d.store, d.registry, d.journeys, c.Build.Version},
			Keys:          d.keys,
			OperatorToken: rest.OperatorToken(c.Secret.OperatorToken().Reveal()),
			Build:         c.Build,
		},
		MaxBody:       int(c.Limits.Body),
		MaxAdminBody:  int(c.Limits.AdminBody),
		TransactionID: server.TransactionID,
		Begins:        server.Begins,
		Stream:        server.Stream,
		ClientIP:      from,
		Log:           c.Log.With("part", "http"),
	})
	if err != nil {
		return nil, fmt.Errorf("make the API: %w", err)
	}
	return handler, nil
}

// Addr is where the member answers HTTP.
func (d *Daemon) Addr() net.Addr { return d.server.Addr() }

// ClusterAddr is where other members reach this one; empty for a member alone.
func (d *Daemon) ClusterAddr() string { return d.near.address() }

// Denied is how many sessions that their holders keep this member knows to have
// been ended before their time.
func (d *Daemon) Denied() int { return d.store.Metrics().Denied }

// Close gives up a member that was never Run.
func (d *Daemon) Close() error { return d.shut() }

// errRemoved ends a member whose run others take to be over.
var errRemoved = errors.New("this member was removed from the cluster while it ran")

// goodbye bounds the wait for the store to note the end of this run, which is
// worth no more: the next run of the folder notes it as well.
const goodbye = 2 * time.Second

// Run serves until ctx ends, then stops: the others are told that it leaves and
// are given its journeys, no new connections, running requests to their end,
// journeys, stores, gossip. A store that has failed stops the member in the same
// way, and is the error: only another start can help. So does an operator who
// removes it. Run may be called once.
func (d *Daemon) Run(ctx context.Context) error { return d.run(ctx, d.store) }

func (d *Daemon) run(ctx context.Context, store condition) error {
	ctx, stop := context.WithCancel(ctx)
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	listening, deaf := context.WithCancel(context.WithoutCancel(ctx))
	defer deaf()
	var watch sync.WaitGroup
	var removed error
	watch.Go(func() {
		select {
		case <-store.Failed():
			d.config.Log.Error("the token store has failed: this member stops", "err", store.Failure())
		case <-d.removed:
			removed = errRemoved
			d.config.Log.Error("this member stops", "err", removed)
		case <-ctx.Done():
		}
		stop()
		d.leave(listening)
		end()
	})
	err := d.server.Run(serving)
	deaf() // if not by end, its network is gone, and nothing can be given away
	stop()
	watch.Wait()
	d.server = nil
	d.journeys.Close() // and answers nobody any more
	if store.Failure() == nil && removed == nil {
		d.retire()
	}
	return errors.Join(store.Failure(), removed, err, d.shut())
}

// leave tells the others that this member goes, and gives them its journeys, for
// as long as it still answers requests.
func (d *Daemon) leave(listening context.Context) {
	d.leaving.Store(true)
	d.near.announce(func(m *placement.Member) { m.Draining = true })
	ctx, cancel := context.WithTimeout(listening, d.config.Limits.HandoverTime)
	defer cancel()
	begun, had := time.Now(), d.journeys.Metrics().Waiting
	switch err := d.journeys.Drain(ctx); {
	case err == nil:
		d.config.Log.Info("the other members have this one's journeys", "journeys", had, "took", time.Since(begun).Round(time.Millisecond))
	case had > 0:
		d.config.Log.Warn("journeys at this member end with it", "journeys", had, "err", err)
	}
}

// retire notes that this run is over, when it will answer nobody any more.
func (d *Daemon) retire() {
	d.unfollow()
	d.ledger.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if err := d.registry.retire(ctx); err != nil {
		d.config.Log.Info("the others may wait for this member's replicas", "err", err)
	}
}

// shut closes what is open, the other way round than it was opened.
func (d *Daemon) shut() error {
	var errs []error
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	if d.journeys != nil {
		d.journeys.Close()
	}
	d.changes.Close()
	d.unfollow()
	d.ledger.Wait()
	for _, end := range d.close {
		end()
	}
	if d.webhooks != nil {
		d.webhooks.Close()
	}
	if d.hashing != nil {
		d.hashing.Close()
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.near != nil {
		errs = append(errs, d.near.close())
	}
	return errors.Join(append(errs, d.audit.close())...)
}
