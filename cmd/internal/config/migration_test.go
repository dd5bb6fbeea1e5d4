package config

import (
	"testing"
	"time"
)

func TestMigration(t *testing.T) {
	keys := []string{"a", "b"}
	for name, tc := range map[string]struct {
		migration Migration
		key       string // of the one fault; empty for none
	}{
		"none":                     {Migration{Signing: "HS256", Encryption: "DIRECT"}, ""},
		"a day":                    {Migration{"2027-01-31", "HS256", "DIRECT", keys, keys, []string{"/customers=/alpha"}}, ""},
		"an instant":               {Migration{"2027-01-31T18:00:00+01:00", "ES256", "NONE", keys, nil, nil}, ""},
		"encrypted only":           {Migration{"2027-01-31", "NONE", "AES_KEYWRAP", nil, keys, nil}, ""},
		"no day":                   {Migration{"soon", "HS256", "DIRECT", keys, keys, nil}, "migration.until"},
		"keys without a day":       {Migration{"", "HS256", "NONE", keys, nil, nil}, "migration.until"},
		"no such signing":          {Migration{"", "none", "DIRECT", nil, nil, nil}, "migration.signing"},
		"no such encryption":       {Migration{"", "HS256", "dir", nil, nil, nil}, "migration.encryption"},
		"neither":                  {Migration{"2027-01-31", "NONE", "NONE", nil, nil, nil}, "migration.signing"},
		"RSA alone":                {Migration{"2027-01-31", "NONE", "RSA", nil, keys, nil}, "migration.signing"},
		"no key to verify":         {Migration{"2027-01-31", "HS256", "DIRECT", nil, keys, nil}, "migration.signingKeys"},
		"no key to decrypt":        {Migration{"2027-01-31", "HS256", "DIRECT", keys, nil, nil}, "migration.encryptionKeys"},
		"keys for nothing":         {Migration{"2027-01-31", "HS256", "NONE", keys, keys, nil}, "migration.encryptionKeys"},
		"more keys than are tried": {Migration{"2027-01-31", "HS256", "NONE", []string{"a", "b", "c", "d", "e"}, nil, nil}, "migration.signingKeys"},
		"a realm that is none":     {Migration{"2027-01-31", "HS256", "DIRECT", keys, keys, []string{"customers"}}, "migration.realms"},
	} {
		t.Run(name, func(t *testing.T) {
			c := ready()
			c.Migration = tc.migration
			faults := c.faults()
			if tc.key == "" && len(faults) > 0 || tc.key != "" && (len(faults) != 1 || faults[0].Key != tc.key) {
				t.Errorf("faults %v, want %q", faults, tc.key)
			}
		})
	}
}

func TestMigrationEnds(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                          {},
		"2027-01-31":                time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC),
		"2027-01-31T18:00:00+01:00": time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC),
	} {
		if got, err := (Migration{Until: text}).End(); err != nil || !got.Equal(want) {
			t.Errorf("%q ends at %s, %v; want %s", text, got, err, want)
		}
	}
}
