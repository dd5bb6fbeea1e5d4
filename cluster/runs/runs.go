// Package runs says what the replicated store knows for certain of processes:
// which run of the program uses each data folder, which runs are over, and with
// which members a journey was founded anew when all that could have begun it
// were over.
//
// It is pure: documents go in and come out as bytes. Who writes them, and when,
// is the daemon's business; a Folder is written by its own process, which has
// the folder locked, by the operator who removes a member, and by whoever leads
// the store, for folders that have left the cluster.
package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sojourn/cluster/placement"
)

const (
	// KeepRetired is how long a run that is over is remembered: longer than any
	// journey lasts that may name it.
	KeepRetired = 24 * time.Hour
	// MaxRetired is how many of them one folder remembers. What is forgotten
	// is not certain to be over any more, which makes journeys wait, not wrong.
	MaxRetired = 64

	// maxID bounds the id of a run, in bytes; membership has the same bound.
	maxID = 64
)

// ErrFormat is wrapped by what is wrong with a document.
var ErrFormat = errors.New("not a document of runs")

// Folder is what is known of the runs of one data folder. It is a value: its
// methods return another.
type Folder struct {
	// Current uses the folder since Since; empty when nobody does.
	Current placement.MemberID `json:"current"`
	Since   time.Time          `json:"since,omitzero"`
	// Retired runs are over, the latest last.
	Retired []Retired `json:"retired,omitempty"`
}

// Retired is a run that is over: it holds nothing and will answer nothing.
type Retired struct {
	ID placement.MemberID `json:"id"`
	At time.Time          `json:"at"`
}

// Decode reads a folder's document. Its error is ErrFormat.
func Decode(body []byte) (Folder, error) {
	var f Folder
	if err := json.Unmarshal(body, &f); err != nil {
		return Folder{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(f.Current) > maxID {
		return Folder{}, fmt.Errorf("%w: a run's id has %d bytes", ErrFormat, len(f.Current))
	}
	for _, r := range f.Retired {
		if r.ID == "" || len(r.ID) > maxID {
			return Folder{}, fmt.Errorf("%w: a retired run's id has %d bytes", ErrFormat, len(r.ID))
		}
		if r.ID == f.Current {
			return Folder{}, fmt.Errorf("%w: run %s is current and over", ErrFormat, r.ID)
		}
	}
	return f, nil
}

// Encode writes the document, such as
//
//	{"current":"2f","since":"2026-11-22T03:00:00Z","retired":[{"id":"1e","at":"2026-11-22T02:59:58Z"}]}
func (f Folder) Encode() []byte {
	body, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("runs: texts and times do not encode: %v", err))
	}
	return body
}

// Over reports whether a run is over for certain.
func (f Folder) Over(id placement.MemberID) bool {
	return slices.ContainsFunc(f.Retired, func(r Retired) bool { return r.ID == id })
}

// Begin makes self the run that uses the folder; the one before it is over,
// since a folder is locked by one process. It reports false, and changes
// nothing, when self uses it already or is itself over: a run that was retired
// never comes back.
func (f Folder) Begin(self placement.MemberID, now time.Time) (Folder, bool) {
	if f.Current == self || f.Over(self) {
		return f, false
	}
	next, _ := f.Retire(f.Current, now)
	next.Current, next.Since = self, now.UTC()
	return next.tidied(now), true
}

// Retire notes that a run is over. It reports false, and changes nothing, when
// that is known or there is no such run to note.
func (f Folder) Retire(id placement.MemberID, now time.Time) (Folder, bool) {
	if id == "" || f.Over(id) {
		return f, false
	}
	next := f
	if f.Current == id {
		next.Current, next.Since = "", time.Time{}
	}
	next.Retired = append(slices.Clip(f.Retired), Retired{ID: id, At: now.UTC()})
	return next.tidied(now), true
}

// Stale reports whether nothing that is known of the folder matters any more.
func (f Folder) Stale(now time.Time) bool {
	return f.Current == "" && len(f.tidied(now).Retired) == 0
}

// tidied forgets what is old, and of more than MaxRetired the oldest.
func (f Folder) tidied(now time.Time) Folder {
	kept := make([]Retired, 0, len(f.Retired))
	for _, r := range f.Retired {
		if now.Sub(r.At) < KeepRetired {
			kept = append(kept, r)
		}
	}
	f.Retired = kept[max(0, len(kept)-MaxRetired):]
	return f
}

// Registry is what all folders say together, as of one instant. It is never
// changed. The zero Registry knows nothing.
type Registry struct {
	current []placement.MemberID
	over    map[placement.MemberID]struct{}
}

// Collect makes a registry of all folders.
func Collect(folders []Folder) Registry {
	r := Registry{over: map[placement.MemberID]struct{}{}}
	for _, f := range folders {
		for _, over := range f.Retired {
			r.over[over.ID] = struct{}{}
		}
	}
	for _, f := range folders {
		if f.Current != "" && !r.Dead(f.Current) {
			r.current = append(r.current, f.Current)
		}
	}
	slices.Sort(r.current)
	return r
}

// Dead reports whether a run is over for certain.
func (r Registry) Dead(id placement.MemberID) bool {
	_, over := r.over[id]
	return over
}

// Current lists the runs that use a folder, by id. It is not to be changed.
func (r Registry) Current() []placement.MemberID { return r.current }
