package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cmd/internal/config"
)

// threeSites are the members of one cluster.
func threeSites(t *testing.T) []*site {
	t.Helper()
	founder := testConfig(t, func(c *config.Config) { c.Name, c.Cluster.Addr = "m1", "127.0.0.1:0" })
	founder.Hashing = identity.Params{Memory: 64, Time: 1, Threads: 1}
	all := []*site{{member: start(t, founder, nil), t: t}}
	for _, name := range []string{"m2", "m3"} {
		c := founder
		c.Name, c.Data, c.Cluster.Join = name, t.TempDir(), []string{all[0].ClusterAddr()}
		all = append(all, &site{member: start(t, c, nil), t: t})
	}
	last := all[len(all)-1].demo.Password // each start replaces the demo users
	for _, s := range all {
		s.demo.Password = last
		eventually(t, "the members see each other", func() bool { return len(s.near.view().Members()) == len(all) })
	}
	return all
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	late := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}

// A setting that was written at any member is in force at every member when the
// call returns: those of a realm as well as those of all.
func TestSettingsOnEveryMember(t *testing.T) {
	all := threeSites(t)
	seconds := func(s *site) float64 {
		claims := s.claims(s.begin(""))
		return claims["exp"].(float64) - claims["iat"].(float64)
	}
	for round := range 12 {
		minutes := 6 + round
		writer := all[round%len(all)]
		body := fmt.Sprintf(`{"trees":{"authenticationSessionsMaxDuration":%d}}`, minutes)
		if round%2 == 0 {
			writer.write(realm.DocumentAuthentication, body, false)
		} else {
			writer.do("DELETE", document(realm.DocumentAuthentication, false), "", writer.operator()...)
			writer.write(realm.DocumentAuthentication, `{"defaults":`+body+`}`, true)
		}
		for i, s := range all {
			if got := seconds(s); got < float64(minutes*60)-1 || got > float64(minutes*60)+1 {
				t.Errorf("round %d: member %d says %v seconds instead of %d", round, i+1, got, minutes*60)
			}
		}
		name := fmt.Sprint("sid", round)
		writer.write(realm.DocumentServerSecurity, `{"amconfig.header.cookie":{"com.iplanet.am.cookie.name":"`+name+`"}}`, true)
		for i, s := range all {
			if a := s.login(); a.cookie(name+"=") == "" {
				t.Errorf("round %d: member %d sets %q", round, i+1, a.header["Set-Cookie"])
			}
		}
	}
}

// How many members hold a journey is a setting of its realm.
func TestReplicasOfARealm(t *testing.T) {
	all := threeSites(t)
	held := func() (n int64) {
		for _, s := range all {
			n += int64(s.journeys.Metrics().Waiting)
		}
		return n
	}
	for _, replicas := range []int64{1, 3, 1} {
		all[1].set(realm.DocumentSojourn, fmt.Sprintf(`{"journeys":{"replicas":%d}}`, replicas))
		before := held()
		step := all[0].begin("Retry")
		answer := strings.NewReplacer(`{"name":"IDToken1","value":""}`, `{"name":"IDToken1","value":"demo"}`,
			`{"name":"IDToken2","value":""}`, `{"name":"IDToken2","value":"wrong"}`).Replace(step.text)
		if again := all[0].do("POST", below+"/authenticate", answer); !strings.Contains(again.text, "callbacks") {
			t.Fatalf("%d %s", again.status, again.text)
		}
		eventually(t, fmt.Sprintf("%d replicas", replicas), func() bool { return held() == before+replicas })
	}
}
