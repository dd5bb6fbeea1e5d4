package cli

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"sojourn/cmd/internal/bench"
	"sojourn/http/client"
)

// The subjects that compare stores: a realm for each place where journeys can be
// kept, and one whose sessions are with the client.

// storeSubjects are those of a member alone.
func storeSubjects() []string {
	return []string{"journey-memory", "journey-cts", "journey-jwt", "validate-stored", "validate-client", "validate-client-again"}
}

const clusterPrefix = "cluster-"

func clustered(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = clusterPrefix + name
	}
	return out
}

// storeOf is what a subject of stores measures.
type storeOf struct {
	realm string
	// beside is the subject of memory that it is compared with; empty: an echo.
	beside string
	// behind is set where memory need not lead.
	behind bool
	// sessions of each worker, for validations.
	sessions int
}

func storesOf() map[string]storeOf {
	return map[string]storeOf{
		"journey-memory":  {realm: "/memory"},
		"journey-cts":     {realm: "/cts", beside: "journey-memory"},
		"journey-jwt":     {realm: "/jwt", beside: "journey-memory"},
		"validate-stored": {realm: "/memory", sessions: sessionsOfWorker},
		"validate-client": {realm: "/client", beside: "validate-stored", sessions: sessionsOfWorker},
		// A token that a member remembers having opened is as good as memory.
		"validate-client-again": {realm: "/client", beside: "validate-stored", behind: true, sessions: 1},
	}
}

// storeRealms are the settings of the realms.
func storeRealms() map[string]string {
	return map[string]string{
		"memory": `{"trees":{"authenticationSessionsStateManagement":"In-Memory"}}`,
		"cts":    `{"trees":{"authenticationSessionsStateManagement":"CTS"}}`,
		"jwt":    `{"trees":{"authenticationSessionsStateManagement":"JWT"}}`,
		"client": `{"trees":{"authenticationSessionsStateManagement":"In-Memory"},"general":{"statelessSessionsEnabled":true}}`,
	}
}

// comparesStores reports whether a subject needs those realms.
func (f *benchFlags) comparesStores() bool {
	return slices.ContainsFunc(f.wanted(), func(name string) bool {
		return slices.Contains(storeSubjects(), strings.TrimPrefix(name, clusterPrefix))
	})
}

// leads are the demands of --stores: nothing uses less CPU than memory does.
func (f *benchFlags) leads() []bench.Demand {
	var out []bench.Demand
	if !f.stores {
		return nil
	}
	for _, name := range f.wanted() {
		if of := storesOf()[strings.TrimPrefix(name, clusterPrefix)]; of.beside != "" && !of.behind {
			out = append(out, bench.Demand{Subject: name, Bound: 1, Least: true})
		}
	}
	return out
}

// storeSubject makes a subject of stores. The name is one of benchSubjects.
func (m *subjectMaker) storeSubject(name string) bench.Subject {
	target, prefix, plain := m.servers.alone, "", name
	if rest, ok := strings.CutPrefix(name, clusterPrefix); ok {
		target, prefix, plain = m.servers.cluster, clusterPrefix, rest
	}
	of, ok := storesOf()[plain]
	if !ok {
		panic("no such subject: " + name)
	}
	server := target.server
	server.Realm, server.Journey = of.realm, pagesName
	var s bench.Subject
	if of.sessions == 0 {
		s = bench.Journey(name, server, target.least)
	} else {
		server.Journey = pageName
		s = bench.ValidateMany(name, server, target.least, of.sessions)
	}
	if of.beside != "" {
		s.CPUOf = prefix + of.beside
	}
	return s
}

// sessionsOfWorker is how many sessions a worker validates in turn. Those of 16
// workers are twice as many as a member remembers tokens that it has opened.
const sessionsOfWorker = 1250

// pagesName is the journey of several pages of these subjects, pageName one of one
// page, pagesExport both.
const (
	pagesName = "BenchPages"
	pageName  = "BenchLogin"
)

//go:embed bench/pages.json
var pagesExport []byte

// makeStores makes the realms, each with the journey and the user bench-write.
func makeStores(ctx context.Context, c *client.Client) error {
	for name, settings := range storeRealms() {
		if err := c.CreateRealm(ctx, "/", name); err != nil {
			return fmt.Errorf("make the realm %s of bench: %w", name, err)
		}
		realm := "/" + name
		if err := c.PutSettings(ctx, realm, "authentication", []byte(settings)); err != nil {
			return fmt.Errorf("choose the stores of realm %s: %w", name, err)
		}
		if _, err := importUser(ctx, c, realm, "bench-write", bench.LeastHash); err != nil {
			return err
		}
		if err := storeJourneys(ctx, c, realm, pagesExport); err != nil {
			return err
		}
	}
	return nil
}
