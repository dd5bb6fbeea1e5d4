package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"sojourn/cmd/internal/config"
	"sojourn/cmd/internal/daemon"
	"sojourn/cmd/internal/secret"
)

// event is what a line on stdout tells, as JSON.
type event struct {
	// Event is "listening" when the ports are bound, "ready" when the member
	// answers.
	Event string `json:"event"`
	Name  string `json:"name"`
	// HTTP and Cluster are HOST:PORT, with the ports that the kernel chose for
	// port 0. Cluster is what other members are told; a member alone has none.
	HTTP    string `json:"http"`
	Cluster string `json:"cluster,omitempty"`
	// With --dev the ready line says how to log in.
	Realm    string `json:"realm,omitempty"`
	Journey  string `json:"journey,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// say prints the event.
func (e event) say(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(e); err != nil {
		return fmt.Errorf("print the %s line: %w", e.Event, err)
	}
	return nil
}

// devSecret is the secret's file in the data folder of "serve --dev".
const devSecret = "secret"

func serveCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a member",
		Long: `Run a member until it gets SIGTERM or SIGINT, which lets running requests end;
a second signal ends it at once. It prints two lines of JSON on stdout:
{"event":"listening","name":...,"http":"127.0.0.1:8080","cluster":...} when its
ports are bound, and the same with "event":"ready" when it answers requests. In
between, a member of a cluster looks for the others, and answers 503.

A cluster founds itself when --expect members, more than half of those that are
planned, have met through --join. A member that comes later has --join alone.`,
		Args: wants(),
	}
	flags := addConfigFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, err := flags.load(env)
		if err == nil {
			err = loaded.Check()
		}
		if err != nil {
			return faulty(err)
		}
		return serve(cmd.Context(), env, loaded.Config)
	}
	return cmd
}

func serve(ctx context.Context, env Env, c config.Config) (err error) {
	if c.Name == "" {
		if c.Name, err = os.Hostname(); err != nil {
			return fmt.Errorf("find a name for the member: %w; give it one with --name", err)
		}
	}
	temporary := c.Dev && c.Data == ""
	if temporary {
		if c.Data, err = os.MkdirTemp("", "sojourn-dev-"); err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Data)) }()
	}
	master, err := servingSecret(&c)
	if err != nil {
		return err
	}
	member := daemon.Config{Config: c, Secret: master, Log: newLog(env.Stderr, c.Log)}
	build := readVersion()
	member.Build.Version, member.Build.Revision, member.Build.Date = build.Version, build.Revision, build.Date
	d, err := daemon.New(ctx, member)
	if err != nil {
		return err
	}
	said := event{Event: "listening", Name: c.Name, HTTP: d.Addr().String(), Cluster: d.ClusterAddr()}
	if err := said.say(env.Stdout); err != nil {
		return errors.Join(err, d.Close())
	}
	return run(ctx, d, func(ctx context.Context) error {
		said.Event = "ready"
		if c.Dev {
			demo, err := d.Seed(ctx)
			if err != nil {
				return err
			}
			said.Realm, said.Journey, said.User, said.Password = demo.Realm, demo.Journey, demo.User, demo.Password
			welcome(env.Stderr, c, temporary, said)
		}
		// Reading a log takes some 16 MiB for a moment, and hashing the seeded
		// user's password 19. Left to itself the collector would wait until
		// requests have made as much garbage again.
		debug.FreeOSMemory()
		return said.say(env.Stdout)
	})
}

// running is a member whose ports are bound.
type running interface {
	// Run serves until ctx ends; Await returns when it answers, or ctx ends.
	Run(ctx context.Context) error
	Await(ctx context.Context) error
}

// run runs a member until ctx ends, and calls ready when it answers. When it ends
// before, Run says why; when ready fails, it is stopped.
func run(ctx context.Context, d running, ready func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop()
		ended <- d.Run(ctx)
	}()
	err := d.Await(ctx)
	if err == nil {
		err = ready(ctx)
	}
	switch {
	case ctx.Err() != nil:
		err = nil
	case err != nil:
		stop()
	}
	return errors.Join(err, <-ended)
}

// servingSecret finds the member's secret. With --dev and none given, one is
// kept in the data folder, so that a second run with the same folder can read
// what the first one wrote; c then names the file.
func servingSecret(c *config.Config) (secret.Secret, error) {
	switch {
	case c.Secret != "":
		return parseSecret("SOJOURN_SECRET", []byte(c.Secret))
	case c.SecretFile == "" && c.Dev:
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return secret.Secret{}, fmt.Errorf("make data folder: %w", err)
		}
		c.SecretFile = filepath.Join(c.Data, devSecret)
		if err := writeSecret(c.SecretFile, rand.Reader); err != nil && !errors.Is(err, fs.ErrExist) {
			return secret.Secret{}, err
		}
	}
	return readSecret(c.SecretFile, c.SecretShared)
}

func newLog(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		panic(fmt.Sprintf("log level %q was not validated: %v", c.Level, err))
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// welcome tells a newcomer what is needed, in at most ten lines.
func welcome(w io.Writer, c config.Config, temporary bool, r event) {
	base := "http://" + r.HTTP + c.HTTP.Path
	kept := "kept in " + c.Data
	if temporary {
		kept = "in " + c.Data + ", removed at the end"
	}
	fmt.Fprintf(w, `Sojourn serves %s for trying it out; data %s.
User %s with password %s, journey %s in realm %s. Log in:

  curl -X POST -H 'X-OpenAM-Username: %s' -H 'X-OpenAM-Password: %s' %s/json/authenticate

Administer: sojourn users list --server %s --secret %s
Stop with Ctrl-C.
`, base, kept, r.User, r.Password, r.Journey, r.Realm, r.User, r.Password, base, base, c.SecretFile)
}
