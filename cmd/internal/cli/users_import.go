package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"sojourn/actors/identity"
	"sojourn/http/client"
	"sojourn/http/wire"
)

func (u *usersOf) imports() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import users, with the password hashes they have",
		Long: `Import users from FILE ("-" for the standard input) into a realm. Users that
exist stay as they are. FILE is one JSON object on each line, an array of objects,
or an answer {"result":[...]} of AM's or IDM's REST API. An object with "name" is
Sojourn's own form and has these members only:

  {"name":"bob","attributes":{"mail":["bob@example.com"]},"hash":"$2b$10$...","status":"active"}

Any other object is a user as AM or IDM show it:

  {"userName":"bob","mail":"bob@example.com","password":"{BCRYPT}$2b$10$...","accountStatus":"active"}
  {"username":"bob","mail":["bob@example.com"],"_hash":"$2b$10$...","inetUserStatus":["Active"]}

  name      userName, username, uid or _id, the first of these that is there
  hash      password, userPassword or _hash
  status    accountStatus or inetUserStatus: active or inactive
  left out  objects, other members that begin with "_", dn, objectClass, realm,
            universalid, createTimestamp, modifyTimestamp

All else becomes attributes. A hash is argon2, bcrypt, scrypt or PBKDF2 in its
usual text. Passwords in clear or encrypted are refused ("sojourn users passwd"
sets one), and nobody becomes an administrator by an import.

An entry that cannot be taken is named, and does not keep the others out; the exit
code is then 1. Of entries with the same name the first is taken.`,
		Args: wants("FILE"),
	}
	overwrite := cmd.Flags().Bool("overwrite", false, "replace users that exist")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return u.do(cmd.Context(), func(ctx context.Context, c *client.Client, realm string) error {
			from, size, err := openInput(u.env, args[0])
			if err != nil {
				return err
			}
			defer from.Close() //nolint:errcheck // nothing was written
			return importUsers(ctx, u.env, c, realm, &counter{r: from}, size, *overwrite)
		})
	}
	return cmd
}

func importUsers(ctx context.Context, env Env, c *client.Client, realm string, from *counter, size int64, overwrite bool) error {
	next, stop := iter.Pull2(identity.ReadImport(from))
	defer stop()
	entries := &importLines{next: next, seen: map[string]int{}}
	line := newProgress(env.Stderr)
	report, err := c.ImportUsers(ctx, realm, entries, overwrite, func(r wire.ImportReport) {
		done := r.Created + r.Replaced + r.Existing + r.Failed + entries.failed
		if size > 0 {
			line.show("%d users, %d %%", done, 100*from.n/size)
		} else {
			line.show("%d users", done)
		}
	})
	line.done()
	failed := report.Failed + entries.failed
	fmt.Fprintf(env.Stderr, "%d added, %d replaced, %d there already, %d failed\n", report.Created, report.Replaced, report.Existing, failed)
	for _, e := range report.Errors { // its lines are our entries
		entries.faults = append(entries.faults, importFault{e.Line, fmt.Sprintf("entry %d: %s", e.Line, e.Message)})
	}
	slices.SortStableFunc(entries.faults, func(a, b importFault) int { return a.entry - b.entry })
	for _, f := range entries.faults {
		fmt.Fprintln(env.Stderr, printable(f.text))
	}
	if more := failed - len(entries.faults); more > 0 {
		fmt.Fprintf(env.Stderr, "and %d more\n", more)
	}
	switch {
	case err != nil:
		return fmt.Errorf("import users: %w; it may be repeated as a whole", err)
	case failed > 0:
		return errors.New("some users were not imported")
	}
	return nil
}

// maxImportFaults bounds the faults of a file that are told one by one.
const maxImportFaults = 100

type importFault struct {
	entry int
	text  string
}

// importLines reads as the lines that client.ImportUsers sends: the line of an
// entry has its number, and is empty when the entry cannot be taken.
type importLines struct {
	next  func() (identity.Identity, error, bool)
	entry int            // the number of the latest one
	seen  map[string]int // identity.Key of a name to its entry
	line  bytes.Buffer   // what is left of its line

	failed int
	faults []importFault
}

func (l *importLines) Read(p []byte) (int, error) {
	if l.line.Len() == 0 {
		who, err, ok := l.next()
		if !ok {
			return 0, io.EOF
		}
		l.entry++
		if err == nil {
			err = l.put(who)
		}
		if err != nil {
			l.failed++
			if len(l.faults) < maxImportFaults {
				l.faults = append(l.faults, importFault{l.entry, err.Error()})
			}
		}
		l.line.WriteByte('\n')
	}
	return l.line.Read(p)
}

// put makes the line of a user, or none.
func (l *importLines) put(who identity.Identity) error {
	key := identity.Key(who.Name)
	if first, ok := l.seen[key]; ok {
		return fmt.Errorf("entry %d: user %s stands in entry %d already", l.entry, who.Name, first)
	}
	text, err := wire.User{
		Name: who.Name, Attributes: who.Attributes, Hash: wire.Password(who.Hash), Status: string(who.Status),
	}.MarshalJSON()
	switch {
	case err != nil:
		return fmt.Errorf("entry %d: %w", l.entry, err)
	case len(text) >= client.MaxImportLine:
		return fmt.Errorf("entry %d: it has more than %d bytes", l.entry, client.MaxImportLine)
	}
	l.seen[key] = l.entry
	l.line.Write(text)
	return nil
}
