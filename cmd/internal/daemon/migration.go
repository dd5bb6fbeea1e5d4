package daemon

import (
	"fmt"
	"os"
	"strings"

	"sojourn/actors/realm"
	"sojourn/cmd/internal/config"
	"sojourn/cts/amtoken"
	"sojourn/cts/sessions"
)

// foreignTokens reads the tokens of an AM, if any are taken. suffix is what
// universal ids end with here.
func foreignTokens(m config.Migration, suffix string) (sessions.Foreign, error) {
	until, err := m.End()
	if err != nil || until.IsZero() {
		return nil, err
	}
	c := amtoken.Config{
		Until: until, Signing: realm.Signing(m.Signing), Encryption: realm.Encryption(m.Encryption),
		Realms: map[realm.Name]realm.Name{}, Suffix: suffix,
	}
	if c.SigningKeys, err = readFiles(m.SigningKeys); err != nil {
		return nil, fmt.Errorf("migration.signingKeys: %w", err)
	}
	if c.EncryptionKeys, err = readFiles(m.EncryptionKeys); err != nil {
		return nil, fmt.Errorf("migration.encryptionKeys: %w", err)
	}
	for _, text := range m.Realms {
		theirs, ours, _ := strings.Cut(text, "=")
		from, err := realm.Parse(theirs)
		if err != nil {
			return nil, fmt.Errorf("migration.realms: %w", err)
		}
		if c.Realms[from], err = realm.Parse(ours); err != nil {
			return nil, fmt.Errorf("migration.realms: %w", err)
		}
	}
	r, err := amtoken.New(c)
	if err != nil {
		return nil, fmt.Errorf("migration.%w", err)
	}
	return r, nil
}

func readFiles(names []string) ([][]byte, error) {
	var all [][]byte
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}
