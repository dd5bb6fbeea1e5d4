package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const envPrefix = "SOJOURN_"

// MaxFile bounds a configuration file, in bytes.
const MaxFile = 1 << 20

// Sources are the layers over the defaults.
type Sources struct {
	// Dev starts from what --dev wants.
	Dev bool
	// File is the YAML text, FileName how errors call it. Nil: no file.
	File     []byte
	FileName string
	// Env is the environment in the form of os.Environ. An empty variable counts
	// as one that is not there.
	Env []string
	// EnvIgnored are variables with our prefix that mean something else to
	// the caller.
	EnvIgnored []string
	// Flags sets fields by key: "http.addr" to "127.0.0.1:0". FlagName says
	// how the user wrote one, for the listing; nil: "--set KEY".
	Flags    map[string]string
	FlagName func(key string) string
}

// Fault is one thing wrong with a configuration.
type Fault struct {
	Key string `json:"key,omitempty"` // "http.addr", empty when no key can be named
	// Origin is where the value was set: a file's line, a variable, a flag.
	Origin  string `json:"origin,omitempty"`
	Message string `json:"message"`
}

// String writes the fault as "origin: key: message".
func (f Fault) String() string {
	var parts []string
	for _, part := range []string{f.Origin, f.Key, f.Message} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// InvalidError has everything that is wrong; it prints one fault a line.
type InvalidError struct{ Faults []Fault }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Loaded is a configuration that knows where its values come from.
type Loaded struct {
	Config  Config
	origins map[string]string // key to origin; defaults are absent
}

// Load puts the layers over each other. All keys that are unknown and all
// values that cannot be read are reported together in an InvalidError; whether
// the values make sense is for Check to say.
func Load(s Sources) (Loaded, error) {
	l := Loaded{Config: Default(), origins: map[string]string{}}
	all := fields()
	if s.Dev {
		l.applyDev(all)
	}
	faults := l.applyFile(s, all)
	faults = append(faults, l.applyEnv(s, all)...)
	faults = append(faults, l.applyFlags(s, all)...)
	return l, join(faults)
}

// Check is Validate with each fault's origin filled in.
func (l Loaded) Check() error {
	faults := l.Config.faults()
	for i := range faults {
		faults[i].Origin = l.Origin(faults[i].Key)
	}
	return join(faults)
}

// Origin says where the value of key was set: "default", "--dev", a line of
// the file, a variable or a flag.
func (l Loaded) Origin(key string) string {
	for {
		if origin, ok := l.origins[key]; ok {
			return origin
		}
		cut := strings.LastIndexByte(key, '.')
		if cut < 0 {
			return "default"
		}
		key = key[:cut]
	}
}

func (l *Loaded) applyDev(all []field) {
	plain := Default()
	dev(&l.Config)
	for _, f := range all {
		if f.text(&plain) != f.text(&l.Config) {
			l.origins[f.key] = "--dev"
		}
	}
}

func (l *Loaded) applyEnv(s Sources, all []field) []Fault {
	byName := make(map[string]field, len(all))
	for _, f := range all {
		if f.layer != "flag" {
			byName[f.env()] = f
		}
	}
	var faults []Fault
	for _, line := range slices.Sorted(slices.Values(s.Env)) {
		name, text, _ := strings.Cut(line, "=")
		if text == "" || !strings.HasPrefix(name, envPrefix) || slices.Contains(s.EnvIgnored, name) || kubernetes(name) {
			continue
		}
		f, known := byName[name]
		if !known {
			faults = append(faults, Fault{Origin: name, Message: "no such setting" + nearest(name, byName)})
			continue
		}
		if err := f.set(&l.Config, text); err != nil {
			faults = append(faults, Fault{Key: f.key, Origin: name, Message: err.Error()})
		}
		l.origins[f.key] = name
	}
	return faults
}

// kubernetes recognises the variables that Kubernetes gives every container
// beside a service that is called sojourn; they are not settings.
func kubernetes(name string) bool {
	rest := strings.TrimPrefix(name, envPrefix)
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_")
}

func (l *Loaded) applyFlags(s Sources, all []field) []Fault {
	byKey := make(map[string]field, len(all))
	for _, f := range all {
		if f.layer == "" {
			byKey[f.key] = f
		}
	}
	var faults []Fault
	for _, key := range slices.Sorted(maps.Keys(s.Flags)) {
		origin := "--set " + key
		if s.FlagName != nil {
			origin = s.FlagName(key)
		}
		f, known := byKey[key]
		if !known {
			faults = append(faults, Fault{Origin: origin, Message: "no such setting" + nearest(key, byKey)})
			continue
		}
		if err := f.set(&l.Config, s.Flags[key]); err != nil {
			faults = append(faults, Fault{Origin: origin, Message: err.Error()})
		}
		l.origins[key] = origin
	}
	return faults
}

func (l *Loaded) applyFile(s Sources, all []field) []Fault {
	if s.File == nil {
		return nil
	}
	one := func(format string, args ...any) []Fault {
		return []Fault{{Origin: s.FileName, Message: fmt.Sprintf(format, args...)}}
	}
	if len(s.File) > MaxFile {
		return one("larger than %s", Size(MaxFile))
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(s.File))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // comments only
	} else if err != nil {
		return []Fault{yamlFault(s.FileName, err.Error())}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return one("only one YAML document is read")
	}
	w := walker{file: s.FileName, origins: l.origins, known: map[string]bool{}}
	for _, f := range all {
		if f.layer == "" {
			w.known[f.key] = true
		}
	}
	w.knowLDAP()
	if w.mapping(doc.Content[0], ""); len(w.faults) > 0 {
		return w.faults
	}
	if err := doc.Decode(&l.Config); err != nil {
		return decodeFaults(s.FileName, err)
	}
	return nil
}

// decodeFaults splits what the YAML decoder gathered.
func decodeFaults(file string, err error) []Fault {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) {
		return []Fault{yamlFault(file, err.Error())}
	}
	var faults []Fault
	for _, text := range typed.Errors {
		faults = append(faults, yamlFault(file, text))
	}
	return faults
}

// yamlFault turns a message of the YAML decoder into ours: its line, where it
// names one, becomes part of the origin, and Go's type names become words.
func yamlFault(file, text string) Fault {
	text = strings.TrimPrefix(text, "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if line, message, ok := strings.Cut(rest, ": "); ok {
			file, text = file+":"+line, message
		}
	}
	words := strings.NewReplacer("!!str ", "", "!!int ", "", "!!seq", "a list", "!!map", "keys with values",
		"time.Duration", "a duration such as 30s", "config.Size", "a size such as 8MiB")
	return Fault{Origin: file, Message: words.Replace(text)}
}

// UnmarshalYAML lets a directory start from its defaults.
func (d *LDAP) UnmarshalYAML(n *yaml.Node) error {
	type plain LDAP
	*d = defaultLDAP()
	return n.Decode((*plain)(d))
}

func join(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return &InvalidError{faults}
}
