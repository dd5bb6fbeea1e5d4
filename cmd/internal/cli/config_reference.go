package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sojourn/actors/realm"
)

func configReference(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print what every setting of the API means, in Markdown",
		Args:  wants(),
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(env.Stdout, settingsReference())
			return err
		},
	}
}

// aboutSettings is what the tables do not say.
const aboutSettings = `# Settings

Made by ` + "`sojourn config reference`" + `; a test holds it to the program.

These are the settings that are kept in the cluster and changed over the API, at AM's places and by AM's names. What a process
needs before it can answer (addresses, files, limits) is its configuration: ` + "`sojourn config sample`" + `.

* A value comes from the strongest layer that has one: the **realm**'s document (below ` + "`/json/realms/root/realms/NAME/realm-config`" + `), the
  document **for all realms** (below ` + "`/json/global-config`" + `), the **process** where a setting is marked so, the default. What is absent or null counts as not
  said. A tree's own limits come before the realm's, a node's before those; the session limits of a user before everything:
  the attributes ` + "`iplanet-am-session-max-session-time`, `iplanet-am-session-max-idle-time`" + ` (minutes) and ` + "`iplanet-am-session-quota-limit`" + ` of an identity
  (` + "`iplanet-am-session-max-caching-time`" + ` does nothing, as the setting of that name).
* A change is in force on every member when the call returns. It disturbs no session and no journey that is there.
* ` + "`GET`" + ` shows every value as it is in force, ` + "`PUT`" + ` replaces the document, ` + "`DELETE`" + ` removes it: what is weaker holds again. An attribute that nobody knows is kept and shown;
  a secret of AM that has no meaning here ("never shown" in the tables) is taken and not kept.
* ` + "`GET realm-config/sojourn/settings`" + `, or ` + "`sojourn realms settings REALM`" + `, lists what is in force in a realm and which layer it comes from.
* Authenticated sessions in memory are not supported, by AM as by this server: an attempt is refused with these words, whichever attribute
  of ` + "`authentication` or `services/session`" + ` that concerns sessions says In-Memory. Journeys may be in memory, and are by default.
* "AM: for all realms" marks what AM has for the whole deployment alone. A realm can have its own here; its document shows such a value once it is set.
`

// settingsReference is the whole of docs/settings.md.
func settingsReference() string {
	var b strings.Builder
	b.WriteString(aboutSettings)
	all := realm.Reference()
	for _, id := range realm.GlobalDocuments() {
		place := realm.DocumentPlace(id)
		fmt.Fprintf(&b, "\n## %s\n\n", place)
		if slices.Contains(realm.Documents(), id) {
			fmt.Fprintf(&b, "For a realm: `realm-config/%s`. For all realms: `global-config/%s`", place, place)
			if within := realm.GlobalWithin(id); within != "" {
				fmt.Fprintf(&b, ", within `%s`", within)
			}
			b.WriteString(".\n")
		} else {
			fmt.Fprintf(&b, "For all realms alone: `global-config/%s`.\n", place)
		}
		b.WriteString("\n| setting | default | values | effect |\n| --- | --- | --- | --- |\n")
		for _, s := range all {
			if s.Document == id {
				b.WriteString(settingRow(s))
			}
		}
	}
	return b.String()
}

func settingRow(s realm.Setting) string {
	about := s.About
	if s.None {
		about = "No effect: " + about
	} else {
		about = strings.ToUpper(about[:1]) + about[1:]
	}
	if s.Wide && s.Global {
		about += ". AM: for all realms"
	}
	if !s.Global {
		about += ". For a realm alone"
	}
	preset := "`" + string(s.Default) + "`"
	if s.Process {
		preset += ", or the process"
	}
	escape := func(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", escape(s.Path), escape(preset), escape(s.Values), escape(about))
}
