package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version", Args: wants()}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		v := readVersion()
		if *asJSON {
			return writeJSON(env.Stdout, v)
		}
		fmt.Fprintf(env.Stdout, "sojourn %s, revision %s, %s\n", v.Version, v.Revision, v.Go)
		return nil
	}
	return cmd
}

// version is what the build knows of itself.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
}

func readVersion() version {
	v := version{Version: "(devel)", Revision: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Date = s.Value
		}
	}
	return v
}
