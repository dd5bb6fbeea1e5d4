package cli

import (
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sojourn/cmd/internal/config"
)

// What our own variables mean beside settings.
const (
	envConfig = "SOJOURN_CONFIG"
	envServer = "SOJOURN_SERVER"
)

// configFlags are the flags that make up a process configuration.
type configFlags struct {
	file string
	dev  bool
	set  map[string]string
	fs   *pflag.FlagSet
	keys map[string]string // flag name to configuration key
}

// addConfigFlags adds --config, --dev, --set and a short flag for the settings
// that people and tests give most.
func addConfigFlags(cmd *cobra.Command) *configFlags {
	f := &configFlags{fs: cmd.Flags(), keys: map[string]string{}}
	f.fs.StringVar(&f.file, "config", "", "YAML `file` to read (or "+envConfig+"); see: sojourn config sample")
	f.fs.BoolVar(&f.dev, "dev", false, "try it out: loopback only, a temporary folder, a demo user, sample journeys")
	f.fs.StringToStringVar(&f.set, "set", nil, "set any value, as in http.path=/am; may be repeated")
	for _, x := range []struct{ name, key, usage string }{
		{"name", "name", "this member's `name`"},
		{"data", "data", "`folder` for everything the member keeps"},
		{"secret", "secretFile", "`file` with the cluster secret"},
		{"http", "http.addr", "`address` for clients; port 0 lets the kernel choose"},
		{"http-path", "http.path", "deployment `path` before /json"},
		{"cluster", "cluster.addr", "`address` for other members"},
		{"join", "cluster.join", "`addresses` of members to meet, separated by commas"},
		{"expect", "cluster.expect", "`number` of members that found a new cluster"},
		{"realms", "realmsDir", "`folder` of realms that takes the place of the stored ones"},
	} {
		f.fs.String(x.name, "", x.usage)
		f.keys[x.name] = x.key
	}
	f.fs.Bool("secret-shared", false, "accept a secret file that others on this machine may read")
	f.keys["secret-shared"] = "secretShared"
	return f
}

// load reads file, environment and flags.
func (f *configFlags) load(env Env) (config.Loaded, error) {
	s := config.Sources{
		Dev: f.dev, Env: env.Environ, EnvIgnored: []string{envConfig, envServer},
		Flags: maps.Clone(f.set), FileName: f.file,
	}
	if s.FileName == "" {
		s.FileName = env.Getenv(envConfig)
	}
	if s.FileName != "" {
		var err error
		if s.File, err = readLimited(s.FileName, config.MaxFile); err != nil {
			return config.Loaded{}, err
		}
	}
	if s.Flags == nil {
		s.Flags = map[string]string{}
	}
	written := map[string]string{}
	f.fs.Visit(func(flag *pflag.Flag) {
		if key, ok := f.keys[flag.Name]; ok {
			s.Flags[key], written[key] = flag.Value.String(), "--"+flag.Name
		}
	})
	s.FlagName = func(key string) string {
		if name, ok := written[key]; ok {
			return name
		}
		return "--set " + key
	}
	return config.Load(s)
}

func configCommand(env Env) *cobra.Command {
	return group(&cobra.Command{Use: "config", Short: "Check, show and explain the configuration"},
		configCheck(env), configShow(env), configSample(env), configReference(env))
}

func configCheck(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Report everything that is wrong with the configuration",
		Long: `Report everything that is wrong with the configuration that "serve" would use
with the same flags, environment and file.`,
	}
	flags := addConfigFlags(cmd)
	cmd.Args = fileArgument(flags)
	cmd.RunE = func(*cobra.Command, []string) error {
		loaded, err := flags.load(env)
		if err == nil {
			err = loaded.Check()
		}
		if err != nil {
			return faulty(err)
		}
		fmt.Fprintln(env.Stdout, "the configuration is good")
		return nil
	}
	return cmd
}

// fileArgument lets the file be named without --config.
func fileArgument(flags *configFlags) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && flags.file == "" {
			flags.file = args[0]
			return nil
		}
		return wants()(cmd, args)
	}
}

// faulty puts the faults of a configuration on lines of their own.
func faulty(err error) error {
	return fmt.Errorf("the configuration is not usable:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
}

func configShow(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "List every value with the place it comes from",
	}
	flags := addConfigFlags(cmd)
	cmd.Args = fileArgument(flags)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		loaded, err := flags.load(env)
		if err != nil {
			return faulty(err)
		}
		out := listing{head: []string{"KEY", "VALUE", "FROM"}, json: loaded.Values()}
		for _, v := range loaded.Values() {
			out.rows = append(out.rows, []string{v.Key, v.Value, v.Origin})
		}
		return out.write(env.Stdout, *asJSON)
	}
	return cmd
}

func configSample(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "sample",
		Short: "Print a commented file with every value at its default",
		Args:  wants(),
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(env.Stdout, config.Sample())
			return err
		},
	}
}
