package daemon

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// devJourneys are what "serve --dev" offers, in the form of a frodo export.
//
//go:embed dev/journeys.json
var devJourneys []byte

// Demo is how to log in to a member that Seed has filled.
type Demo struct{ Realm, Journey, User, Password string }

// The demo users: one like any other, and an administrator under AM's name.
const (
	demoUser  = "demo"
	demoAdmin = "amadmin"
)

// Seed fills a member for trying it out: journeys, the users demo and amadmin
// with one new password, and a realm /alpha with the same journeys and user.
// It replaces what an earlier Seed left.
func (d *Daemon) Seed(ctx context.Context) (Demo, error) {
	password := rand.Text()
	hash, err := d.hashing.Make(ctx, identity.Secret(password))
	if err != nil {
		return Demo{}, fmt.Errorf("hash the demo password: %w", err)
	}
	const alpha = realm.Name("/alpha")
	body := json.RawMessage(`{"parentPath":"/","active":true,"name":"alpha","aliases":[]}`) // as the API stores it
	document := realm.Document{Kind: realm.KindRealm, Realm: realm.Root, ID: string(alpha), Body: body}
	if _, _, err := d.store.PutDocument(ctx, document, realm.Precondition{}); err != nil {
		return Demo{}, fmt.Errorf("make realm %s: %w", alpha, err)
	}
	for _, r := range []realm.Name{realm.Root, alpha} {
		if err := d.seedRealm(ctx, r, hash); err != nil {
			return Demo{}, fmt.Errorf("seed realm %s: %w", r, err)
		}
	}
	return Demo{Realm: string(realm.Root), Journey: realm.DefaultSettings().DefaultTree, User: demoUser, Password: password}, nil
}

func (d *Daemon) seedRealm(ctx context.Context, r realm.Name, hash identity.Hash) error {
	export, err := tree.DecodeExport(devJourneys)
	if err != nil {
		return err
	}
	for _, j := range export.Journeys {
		for id, c := range j.Nodes {
			body, err := tree.EncodeNode(c, "", nil)
			if err != nil {
				return err
			}
			if err := d.put(ctx, realm.KindNode, r, string(id), body); err != nil {
				return err
			}
		}
		body, err := j.Tree.Encode()
		if err != nil {
			return err
		}
		if err := d.put(ctx, realm.KindTree, r, j.Tree.Name, body); err != nil {
			return err
		}
	}
	users := []identity.Identity{{Realm: r, Name: demoUser, Hash: hash, Attributes: map[string][]string{
		"mail": {"demo@example.com"}, "givenName": {"Demo"}, "sn": {"User"},
	}}}
	if r == realm.Root {
		users = append(users, identity.Identity{Realm: r, Name: demoAdmin, Hash: hash, Admin: true})
	}
	for _, who := range users {
		if err := d.store.PutIdentity(ctx, who, false); err != nil {
			return err
		}
	}
	return nil
}

func (d *Daemon) put(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, body []byte) error {
	_, _, err := d.store.PutDocument(ctx, realm.Document{Kind: kind, Realm: r, ID: id, Body: body}, realm.Precondition{})
	if err != nil {
		return fmt.Errorf("store %s %s: %w", kind, id, err)
	}
	return nil
}
