package config

import (
	"log/slog"
	"time"
)

// Config is what one process needs to know. The YAML keys are the field names
// with a small first letter; a key's environment variable is SOJOURN_ and the
// key in capitals with "_" between words: http.path is SOJOURN_HTTP_PATH. Lists
// of texts are separated by commas there; the ldap list stands in the file only.
type Config struct {
	// Name is how the member calls itself in listings and logs. Default: the
	// host's name.
	Name string `yaml:"name"`
	// Data is the folder that holds everything the member keeps. Required,
	// but with --dev it defaults to a temporary folder, removed at the end.
	Data string `yaml:"data"`
	// SecretFile holds the cluster secret, as "sojourn keys new" writes it.
	SecretFile string `yaml:"secretFile"`
	// SecretShared accepts a secret file that others on the machine may read,
	// as some platforms mount it. Default false.
	SecretShared bool `yaml:"secretShared"`
	// Secret is the cluster secret itself. It is taken from SOJOURN_SECRET
	// alone, for platforms that hand secrets over in the environment.
	Secret Secret `yaml:"-" layer:"env"`
	// RealmsDir is a folder of realms in frodo's JSON that takes the place of
	// the stored ones; the API then refuses to write them. Default: none.
	RealmsDir string `yaml:"realmsDir"`
	// UserSuffix is the distinguished name under which AM's universal ids
	// stand: "id=demo,ou=user,<suffix>". Default ou=am-config.
	UserSuffix string `yaml:"userSuffix"`

	HTTP       HTTP       `yaml:"http"`
	Cookie     Cookie     `yaml:"cookie"`
	Cluster    Cluster    `yaml:"cluster"`
	Journeys   Journeys   `yaml:"journeys"`
	Encryption Encryption `yaml:"encryption"`
	Webhooks   Webhooks   `yaml:"webhooks"`
	Migration  Migration  `yaml:"migration"`
	Mail       Mail       `yaml:"mail"`
	Limits     Limits     `yaml:"limits"`
	Log        Log        `yaml:"log"`
	Audit      Audit      `yaml:"audit"`
	LDAP       []LDAP     `yaml:"ldap"`

	// Dev is set by "sojourn serve --dev" and nothing else: loopback only, a
	// demo user, sample journeys, a secret of its own.
	Dev bool `yaml:"-" layer:"flag"`
}

// HTTP is the client side of the member.
type HTTP struct {
	// Addr is the address to listen on; port 0 lets the kernel choose.
	// Default 127.0.0.1:8080.
	Addr string `yaml:"addr"`
	// Path is the deployment path that comes before /json. Default /am.
	Path string `yaml:"path"`
	// TLSCert and TLSKey name PEM files. Both or neither; without them the
	// member speaks plain HTTP. Default: none.
	TLSCert string `yaml:"tlsCert"`
	TLSKey  string `yaml:"tlsKey"`
	// PublicURL is how clients reach the cluster, "https://login.example.com".
	// Links that leave the server start with it, never with a request header.
	// Default: made from Addr.
	PublicURL string `yaml:"publicURL"`
	// Origins are the web origins whose pages may call the API with
	// credentials, "https://app.example.com". Default: none.
	Origins []string `yaml:"origins"`
	// Proxies are the addresses or networks (CIDR) of reverse proxies. Only a
	// request from one of them has its X-Forwarded-For believed. Default: none.
	Proxies []string `yaml:"proxies"`
	// TrustTransactionID takes X-ForgeRock-TransactionId of a request as its
	// transaction id (AM's TrustTransactionHeader). Default false.
	TrustTransactionID bool `yaml:"trustTransactionID"`
}

// Cookie settings, with AM's names and defaults (am-contract section 4.3).
type Cookie struct {
	// Name of the session cookie. Default iPlanetDirectoryPro.
	Name string `yaml:"name"`
	// Secure and HTTPOnly are the attributes. Defaults false and true; a
	// member that speaks TLS wants Secure.
	Secure   bool `yaml:"secure"`
	HTTPOnly bool `yaml:"httpOnly"`
	// SameSite is off, lax, strict or none. Default off: no attribute.
	SameSite string `yaml:"sameSite"`
	// Domains get one cookie each. Default: none, the host alone.
	Domains []string `yaml:"domains"`
	// LBName and LBValue are the load balancer cookie. Nothing here needs
	// stickiness; clients expect the cookie. Defaults amlbcookie and 01.
	LBName  string `yaml:"lbName"`
	LBValue string `yaml:"lbValue"`
}

// Cluster is the side that faces other members. All of them share the cluster
// secret.
type Cluster struct {
	// Addr is the HOST:PORT to listen on for other members, TCP and UDP; port 0
	// lets the kernel choose. Default: none, a member alone.
	Addr string `yaml:"addr"`
	// Advertise is the HOST:PORT under which other members reach this one; port
	// 0 stands for the one that is bound. Default: Addr, which then must not be
	// "every address" (0.0.0.0, [::]).
	Advertise string `yaml:"advertise"`
	// Join lists members to meet, HOST:PORT each; this one may be among them,
	// so that all members can have the same list. They are tried again for as
	// long as they are absent. Default: none.
	Join []string `yaml:"join"`
	// Expect is how many members found a new cluster together, 1 to 9. Two
	// groups that cannot see each other must not both be as many: when Join
	// names the planned members, it must be more than half of them. 1 without
	// Join founds a cluster at once; 1 with Join founds none and waits for one
	// that is there. A folder that belongs to a cluster founds none either.
	// Default 1.
	Expect int `yaml:"expect"`
	// Slow multiplies all timings between members, 1 to 10, for hosts or
	// networks that stall: a lost member is then noticed that much later. The
	// same for all members. Default 1.
	Slow int `yaml:"slow"`
	// TLSCert, TLSKey and TLSCA name PEM files of the operator's own PKI: this
	// member's certificate, which serves both sides of a connection, its key,
	// and the authorities whose certificates are let in. All or none; without
	// them the certificates are derived from the secret. Default: none.
	TLSCert string `yaml:"tlsCert"`
	TLSKey  string `yaml:"tlsKey"`
	TLSCA   string `yaml:"tlsCA"`
}

// Journeys is what holds for those of every realm that does not say otherwise.
type Journeys struct {
	// Replicas is how many members hold a journey in memory: 1, 3 or 5, and never
	// more than there are. With 1 a journey is lost with its member and begins
	// again, as with AM; 3 outlive one member, 5 outlive two. The same for all
	// members; a realm's service "sojourn" can say otherwise. Default 3.
	Replicas int `yaml:"replicas"`
}

// Encryption at rest of the data folder.
type Encryption struct {
	// Enabled encrypts with a key derived from the cluster secret. Default
	// false. It cannot be changed for a data folder that exists.
	Enabled bool `yaml:"enabled"`
	// KeyFile holds 32 random bytes in base64 to use instead of the derived
	// key. Default: none.
	KeyFile string `yaml:"keyFile"`
}

// Webhooks are calls of this member to others, which administrators of realms
// configure: a realm's logout webhooks.
type Webhooks struct {
	// Hosts, "name" or "name:port" each, may be called without TLS, and at
	// addresses of this machine and of its link. All others are called over TLS
	// alone and at no such address, so that an administrator of a realm cannot
	// reach what only this machine should. Default: none.
	Hosts []string `yaml:"hosts"`
}

// Migration lets sessions go on here that an AM keeps with its clients: its
// tokens are taken until a date. The same for all members.
type Migration struct {
	// Until is the day, "2027-01-31", or the instant in RFC 3339, at which the
	// last of them ends. Default: none, no token of an AM is taken.
	Until string `yaml:"until"`
	// Signing and Encryption are AM's statelessSigningType and
	// statelessEncryptionType: a token with any other is refused. Defaults HS256
	// and DIRECT, AM's own.
	Signing    string `yaml:"signing"`
	Encryption string `yaml:"encryption"`
	// SigningKeys and EncryptionKeys name files of at most four keys each, any of
	// which will do. To verify HS256 and its like: the secret in base64, as AM
	// exports it; for RS256 and ES256 and its like: the public key or a
	// certificate, PEM. To decrypt DIRECT and AES_KEYWRAP: the secret in base64;
	// for RSA: the private key, PEM. Default: none.
	SigningKeys    []string `yaml:"signingKeys"`
	EncryptionKeys []string `yaml:"encryptionKeys"`
	// Realms renames AM's realms, "/customers=/alpha" each; others keep their
	// names. Default: none.
	Realms []string `yaml:"realms"`
}

// End is the instant that Until names: a day ends at midnight, UTC. It is zero
// for none.
func (m Migration) End() (time.Time, error) {
	if m.Until == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, m.Until); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	return time.Parse(time.RFC3339, m.Until)
}

// Mail is the server that mails of journeys are sent through.
type Mail struct {
	// Host is the server's name. Default: none, and trees that send mail fail.
	Host string `yaml:"host"`
	// Port of the server. Default 0: 587, with tls "tls" 465, with "none" 25.
	Port int `yaml:"port"`
	// TLS protects the connection: "starttls", "tls" from the first byte on, or
	// "none", which only a server on this machine should be asked with.
	// Nothing is sent over less than is said here. Default starttls.
	TLS string `yaml:"tls"`
	// CAFile names the PEM file of the authorities of the server's certificate.
	// Default: the system's.
	CAFile string `yaml:"caFile"`
	// User and PasswordFile are the account that sends. Default: none, the
	// server asks for none.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"passwordFile"`
	// From is the sender of mails whose template names none, such as
	// "Accounts <no-reply@example.com>". Needed with a host.
	From string `yaml:"from"`
}

// Limits is the table of everything that is bounded. Beyond a limit stands a
// clear refusal, never an unbounded queue.
type Limits struct {
	// Body bounds a request's body, AdminBody that of the configuration API and
	// of an import of users; more is answered 413. Bytes; KiB, MiB and GiB are understood. Defaults 256KiB and 8MiB.
	Body      Size `yaml:"body"`
	AdminBody Size `yaml:"adminBody"`
	// Header bounds a request's header lines together; more is answered 431.
	// Default 32KiB.
	Header Size `yaml:"header"`
	// HeaderTime is how long a client may take for the header lines, ReadTime
	// for the body, and WriteTime for the whole exchange until the answer is
	// taken; then the connection is cut. Defaults 5s, 15s, 30s.
	HeaderTime time.Duration `yaml:"headerTime"`
	ReadTime   time.Duration `yaml:"readTime"`
	WriteTime  time.Duration `yaml:"writeTime"`
	// IdleTime is how long a connection may wait for its next request.
	// Default 60s.
	IdleTime time.Duration `yaml:"idleTime"`
	// RequestTime is the deadline of the work for one request; later it is
	// answered 503. Default 10s.
	RequestTime time.Duration `yaml:"requestTime"`
	// DrainTime is how long a stopping member lets running requests end.
	// Default 15s.
	DrainTime time.Duration `yaml:"drainTime"`
	// HandoverTime is how long a stopping member may take before that to give
	// the journeys in its memory to other members; requests are still answered
	// meanwhile. A process manager must wait longer than both together before
	// it kills. Default 30s.
	HandoverTime time.Duration `yaml:"handoverTime"`
	// Connections open at one time. A further one takes the place of the one
	// idle longest; when all are at work it is answered 503. Default 20000.
	Connections int `yaml:"connections"`
	// Requests worked on at one time; one more is answered 503. Reserved of these
	// places are kept from requests that begin a journey, so that those who carry an
	// authId or a session go on when there is no place for newcomers: these are
	// answered 503 before anything is done for them. Less than Requests. Defaults
	// 2048 and 512.
	Requests int `yaml:"requests"`
	Reserved int `yaml:"reserved"`
	// Streams of notifications that are open at one time; one more is answered 503.
	// A quarter of them is for administrators and the operator. Default 1000.
	Streams int `yaml:"streams"`
	// HashWorkers check passwords at one time; 0 is one for each processor.
	// HashQueue is how many checks may wait; one more is answered 503 before
	// any work. Defaults 0 and 256.
	HashWorkers int `yaml:"hashWorkers"`
	HashQueue   int `yaml:"hashQueue"`
	// Journeys in memory at one time; one more is answered 503, those that are
	// there go on. Default 250000.
	Journeys int `yaml:"journeys"`
	// Sessions held in memory for reading; the others are read from disk.
	// Default 250000.
	Sessions int `yaml:"sessions"`
	// MinFreeDisk is the free space under which nothing new is stored; under
	// half of it nothing is written. Both are answered 503.
	// Default 512MiB.
	MinFreeDisk Size `yaml:"minFreeDisk"`
}

// Log settings.
type Log struct {
	// Level is debug, info, warn or error. Default info.
	Level string `yaml:"level"`
	// Format is text or json. Default text.
	Format string `yaml:"format"`
}

// Audit settings.
type Audit struct {
	// File takes one JSON line for each session that is made, ended or changed
	// at this member. It is appended to, and made with rights for its owner
	// alone. Default: none, the lines are in the log at level debug.
	File string `yaml:"file"`
}

// LDAP is a directory that holds a realm's identities in place of the embedded
// store.
type LDAP struct {
	// Realm whose users stand there: "/" or "/alpha". Required, once each.
	Realm string `yaml:"realm"`
	// Servers are tried in order: ldap://host:389 or ldaps://host:636.
	// Required.
	Servers []string `yaml:"servers"`
	// StartTLS turns an ldap:// connection into an encrypted one before
	// anything is said. Default false.
	StartTLS bool `yaml:"startTLS"`
	// Plaintext allows ldap:// without StartTLS: passwords then travel in
	// clear. Default false.
	Plaintext bool `yaml:"plaintext"`
	// CAFile has the authorities (PEM) that may have signed the server's
	// certificate. Default: the system's.
	CAFile string `yaml:"caFile"`
	// BindDN and PasswordFile are the account that searches. Default: none,
	// an anonymous search.
	BindDN       string `yaml:"bindDN"`
	PasswordFile string `yaml:"passwordFile"`
	// BaseDN is where the search for users begins. Required.
	BaseDN string `yaml:"baseDN"`
	// UserAttribute names a user. Default uid.
	UserAttribute string `yaml:"userAttribute"`
	// Filter is what an entry must also match. Default (objectClass=person).
	Filter string `yaml:"filter"`
	// Writable are the attributes that may be changed in the directory:
	// inetUserStatus to lock accounts, userPassword to let users renew an
	// expired password. Default: none.
	Writable []string `yaml:"writable"`
	// Connections held open at most. Default 8.
	Connections int `yaml:"connections"`
	// Timeout of connecting and of each operation. Default 5s.
	Timeout time.Duration `yaml:"timeout"`
}

// Secret is a text that prints as [redacted].
type Secret string

const redacted = "[redacted]"

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Default is the configuration of a member alone, but for the data folder and
// the secret, which have no default.
func Default() Config {
	return Config{
		UserSuffix: "ou=am-config",
		HTTP:       HTTP{Addr: "127.0.0.1:8080", Path: "/am"},
		Cookie: Cookie{
			Name:     "iPlanetDirectoryPro",
			HTTPOnly: true,
			SameSite: "off",
			LBName:   "amlbcookie",
			LBValue:  "01",
		},
		Migration: Migration{Signing: "HS256", Encryption: "DIRECT"},
		Cluster:   Cluster{Expect: 1, Slow: 1},
		Journeys:  Journeys{Replicas: 3},
		Mail:      Mail{TLS: "starttls"},
		Limits: Limits{
			Body:         256 << 10,
			AdminBody:    8 << 20,
			Header:       32 << 10,
			HeaderTime:   5 * time.Second,
			ReadTime:     15 * time.Second,
			WriteTime:    30 * time.Second,
			IdleTime:     time.Minute,
			RequestTime:  10 * time.Second,
			DrainTime:    15 * time.Second,
			HandoverTime: 30 * time.Second,
			Connections:  20_000,
			Requests:     2048,
			Reserved:     512,
			Streams:      1000,
			HashQueue:    256,
			Journeys:     250_000,
			Sessions:     250_000,
			MinFreeDisk:  512 << 20,
		},
		Log: Log{Level: "info", Format: "text"},
	}
}

// defaultLDAP is what a directory has where the file is silent.
func defaultLDAP() LDAP {
	return LDAP{
		UserAttribute: "uid",
		Filter:        "(objectClass=person)",
		Connections:   8,
		Timeout:       5 * time.Second,
	}
}

// dev changes what differs with --dev: the page of the client programs may
// call, and a laptop's disk may be fuller.
func dev(c *Config) {
	c.Dev = true
	c.HTTP.Origins = []string{"http://localhost:8765"}
	c.Log.Level = "warn"
	c.Limits.MinFreeDisk = 64 << 20
}
