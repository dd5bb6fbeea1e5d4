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

// ready is what the ready line on stdout tells, on one line of JSON.
type ready struct {
	Event string `json:"event"` // "ready"
	Name  string `json:"name"`
	// HTTP is HOST:PORT, with the port that the kernel chose for port 0.
	HTTP string `json:"http"`
	// With --dev: how to log in.
	Realm    string `json:"realm,omitempty"`
	Journey  string `json:"journey,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// devSecret is the secret's file in the data folder of "serve --dev".
const devSecret = "secret"

func serveCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a member",
		Long: `Run a member until it gets SIGTERM or SIGINT, which lets running requests end;
a second signal ends it at once. When it answers requests it prints one line of
JSON on stdout: {"event":"ready","http":"127.0.0.1:8080",...}.`,
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
	if env.Getenv("GOGC") == "" {
		// A member's live memory is small and steady, so that it can be collected
		// less often. How much less is bound by what a flood may add: less than
		// 32 MiB of garbage as well (TestMemoryOfStarts: 10 MiB at 100, 24 MiB at
		// 150, 91 MiB at 400 percent).
		debug.SetGCPercent(150)
	}
	member := daemon.Config{Config: c, Secret: master, Log: newLog(env.Stderr, c.Log)}
	build := readVersion()
	member.Build.Version, member.Build.Revision, member.Build.Date = build.Version, build.Revision, build.Date
	d, err := daemon.New(ctx, member)
	if err != nil {
		return err
	}
	r := ready{Event: "ready", Name: c.Name, HTTP: d.Addr().String()}
	if c.Dev {
		demo, err := d.Seed(ctx)
		if err != nil {
			return errors.Join(err, d.Close())
		}
		r.Realm, r.Journey, r.User, r.Password = demo.Realm, demo.Journey, demo.User, demo.Password
		welcome(env.Stderr, c, temporary, r)
	}
	// The listener is bound: whoever reads this line can connect.
	if err := json.NewEncoder(env.Stdout).Encode(r); err != nil {
		return errors.Join(fmt.Errorf("print the ready line: %w", err), d.Close())
	}
	return d.Run(ctx)
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
func welcome(w io.Writer, c config.Config, temporary bool, r ready) {
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
