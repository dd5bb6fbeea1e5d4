package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/clientside"
	"sojourn/cts/keyring"
	"sojourn/cts/session"
	"sojourn/http/rest"
)

// realms are the settings of realms.
type realms interface {
	Realm(ctx context.Context, r realm.Name) (*realm.Settings, error)
}

// keeper changes the keys that a cluster works with.
type keeper struct {
	*keys
	realms realms
	view   func() placement.View
	wanted chan struct{} // holds one: settings may ask for keys that nobody has made
}

func newKeeper(k *keys, r realms, view func() placement.View) *keeper {
	return &keeper{keys: k, realms: r, view: view, wanted: make(chan struct{}, 1)}
}

// Keys lists the rings.
func (k *keeper) Keys(ctx context.Context) ([]rest.KeyRing, error) {
	if err := k.Current(ctx); err != nil {
		return nil, err
	}
	e := k.current.Load()
	var all []rest.KeyRing
	for _, p := range keyring.Purposes() {
		all = append(all, shown(p, e.rings[p], k.now()))
	}
	return all, nil
}

// shown is a ring as the API knows it.
func shown(p keyring.Purpose, r keyring.Ring, now time.Time) rest.KeyRing {
	out := rest.KeyRing{Purpose: string(p)}
	for _, a := range r.Privates() {
		out.Private = append(out.Private, string(a))
	}
	for _, g := range r.Accepted(now) {
		state := rest.KeyAccepted
		switch {
		case g.Number == r.Active:
			state = rest.KeyActive
		case g.Number > r.Active:
			state = rest.KeyAnnounced
		}
		out.Generations = append(out.Generations, rest.KeyGeneration{Number: g.Number, State: state, Since: g.Since, Until: g.Until})
	}
	return out
}

// Rotate is rest.Keys.
func (k *keeper) Rotate(ctx context.Context, purposes []string, keep *time.Duration) ([]rest.KeyRing, error) {
	var all []keyring.Purpose
	for _, name := range purposes {
		p := keyring.Purpose(name)
		if !slices.Contains(keyring.Purposes(), p) {
			return nil, &rest.KeyRefusedError{Reason: "there is no purpose " + name + "; \"sojourn keys list\" lists them"}
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		all = keyring.Purposes()
	}
	var rotated []rest.KeyRing
	for _, p := range all {
		lasts, err := k.keep(ctx, p, keep)
		if err != nil {
			return rotated, err
		}
		r, err := k.rotate(ctx, p, lasts)
		if err != nil {
			return rotated, err
		}
		rotated = append(rotated, shown(p, r, k.now()))
	}
	return rotated, nil
}

// keep is how long the generations before are accepted: as asked, or as long as
// what they protect lives by the settings of any realm, and not less than usual.
func (k *keeper) keep(ctx context.Context, p keyring.Purpose, asked *time.Duration) (time.Duration, error) {
	if asked != nil {
		return *asked, nil
	}
	longest := p.Keep()
	err := k.eachRealm(ctx, func(s *realm.Settings) {
		switch p {
		case keyring.AuthID, keyring.JourneySigning, keyring.JourneyEncryption:
			longest = max(longest, s.JourneyMaxDuration)
		default:
			longest = max(longest, s.MaxSession)
		}
	})
	return longest, err
}

func (k *keeper) eachRealm(ctx context.Context, do func(*realm.Settings)) error {
	stored, err := k.documents.Documents(ctx, realm.KindRealm, realm.Root)
	if err != nil {
		return fmt.Errorf("list the realms: %w", err)
	}
	names := []realm.Name{realm.Root}
	for _, d := range stored {
		names = append(names, realm.Name(d.ID))
	}
	for _, name := range names {
		switch s, err := k.realms.Realm(ctx, name); {
		case err == nil:
			do(s)
		case !errors.Is(err, journey.ErrNoRealm):
			return fmt.Errorf("the settings of realm %s: %w", name, err)
		}
	}
	return nil
}

// rotate makes another generation active, with private keys for the algorithms
// that the present one has some for, and for more. Of two that do so at once
// both return when the same generation is active.
func (k *keeper) rotate(ctx context.Context, p keyring.Purpose, keep time.Duration, more ...clientside.Algorithm) (keyring.Ring, error) {
	if view := k.view(); !view.Speaks(placement.StoresProtocol) {
		return keyring.Ring{}, &session.UnavailableError{Reason: "a member of an older release is in the cluster", RetryAfter: time.Minute}
	}
	var private map[clientside.Algorithm][]byte
	var target uint32
	for {
		ring, rev, err := k.stored(ctx, p)
		if err != nil {
			return keyring.Ring{}, err
		}
		if target == 0 {
			target = ring.Next()
		}
		if ring.Active >= target {
			return ring, k.renew(ctx)
		}
		if _, there := ring.Announced(); !there && private == nil {
			if private, err = k.privates(p, ring, more); err != nil {
				return keyring.Ring{}, err
			}
		}
		ring, err = ring.Announce(k.now(), private)
		if err == nil {
			// Also when it was announced before: nobody has waited for it here.
			rev, err = k.put(ctx, p, ring, rev)
		}
		if err == nil {
			_, err = k.put(ctx, p, ring.Use(k.now(), keep), rev)
		}
		switch {
		case errors.Is(err, keyring.ErrFull):
			return keyring.Ring{}, &rest.KeyRefusedError{Reason: err.Error()}
		case err != nil && !errors.Is(err, realm.ErrConflict):
			return keyring.Ring{}, fmt.Errorf("rotate the keys for %s: %w", p, err)
		case err == nil:
			k.log.Info("keys rotated", "purpose", p, "generation", target, "before", "accepted for "+keep.String())
		}
	}
}

// privates makes the private keys of a ring's next generation.
func (k *keeper) privates(p keyring.Purpose, ring keyring.Ring, more []clientside.Algorithm) (map[clientside.Algorithm][]byte, error) {
	made := map[clientside.Algorithm][]byte{}
	for _, a := range append(ring.Privates(), more...) {
		if len(made[a]) > 0 {
			continue
		}
		var err error
		if made[a], err = ring.MakePrivate(p, a, k.derive, k.random); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// stored is the ring of a purpose and the revision of its document, empty for
// none.
func (k *keeper) stored(ctx context.Context, p keyring.Purpose) (keyring.Ring, string, error) {
	d, err := k.documents.Document(ctx, realm.KindKeys, realm.Root, string(p))
	if errors.Is(err, realm.ErrNoDocument) {
		return keyring.First(), "", nil
	}
	if err != nil {
		return keyring.Ring{}, "", fmt.Errorf("read the keys for %s: %w", p, err)
	}
	ring, err := keyring.Decode(d.Body)
	if err != nil {
		return keyring.Ring{}, "", fmt.Errorf("the keys for %s: %w", p, err)
	}
	return ring, d.Rev, nil
}

// put stores a ring in the place of the one of a revision and returns its own.
// When it returns without an error, every member that answers has the ring.
func (k *keeper) put(ctx context.Context, p keyring.Purpose, r keyring.Ring, rev string) (string, error) {
	d, _, err := k.documents.PutDocument(ctx,
		realm.Document{Kind: realm.KindKeys, Realm: realm.Root, ID: string(p), Body: r.Encode()},
		realm.Precondition{IfMatch: rev, IfNoneMatch: rev == ""})
	return d.Rev, err
}

// noticed says that documents of a kind have changed, or any when it is empty. It
// does not block.
func (k *keeper) noticed(kind realm.DocumentKind) {
	if kind == realm.KindKeys || kind == "" {
		k.changed()
	}
	if !slices.Contains([]realm.DocumentKind{realm.KindSettings, realm.KindGlobal, realm.KindRealm, ""}, kind) {
		return
	}
	select {
	case k.wanted <- struct{}{}:
	default:
	}
}

// tendPause is how often settings are looked at again that asked for keys which
// could not be made.
const tendPause = 5 * time.Second

// tend makes the private keys that realms' settings ask for, while this member
// leads, until ctx ends.
func (k *keeper) tend(ctx context.Context, leads func() bool) {
	tick := time.NewTicker(tendPause)
	defer tick.Stop()
	open := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wanted:
			open = true
		case <-tick.C:
		}
		if !open || !leads() {
			continue
		}
		if err := k.make(ctx); err != nil {
			k.log.Info("keys that a realm's settings ask for are still to be made", "err", err)
			continue
		}
		open = false
	}
}

// make makes the private keys that are asked for and missing.
func (k *keeper) make(ctx context.Context) error {
	missing := map[keyring.Purpose][]clientside.Algorithm{}
	want := func(tokens clientside.Purpose, a clientside.Algorithm) {
		p, there := keyring.For(tokens, a)
		if there && !slices.Contains(missing[p], a) && !k.current.Load().rings[p].Has(a) {
			missing[p] = append(missing[p], a)
		}
	}
	if err := k.Current(ctx); err != nil {
		return err
	}
	err := k.eachRealm(ctx, func(s *realm.Settings) {
		for _, a := range clientside.Needs(s.ClientSide) {
			if a.Symmetric() {
				continue
			}
			if s.ClientSideSessions {
				want(clientside.Session, a)
			}
			if s.JourneyStore == realm.JWT {
				want(clientside.Journey, a)
			}
		}
	})
	if err != nil {
		return err
	}
	for p, algorithms := range missing {
		keep, err := k.keep(ctx, p, nil)
		if err != nil {
			return err
		}
		if _, err := k.rotate(ctx, p, keep, algorithms...); err != nil {
			return err
		}
	}
	return nil
}
