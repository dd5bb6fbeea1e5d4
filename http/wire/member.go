package wire

import "time"

// ClusterMember is a member of the cluster in the operator's listing.
type ClusterMember struct {
	// ID names the member's data folder. Process names the run of the process
	// that uses it, empty when none is known.
	ID      string `json:"_id"`
	Process string `json:"member"`
	Name    string `json:"name"`
	// Address is where other members reach it, HTTP where clients do; HOST:PORT,
	// empty when not known.
	Address string `json:"address"`
	HTTP    string `json:"http"`
	Voter   bool   `json:"voter"`
	Leader  bool   `json:"leader"`
	// Self is set for the member that answers.
	Self bool `json:"self"`
	// State is alive, left, dead or unknown.
	State string `json:"state"`
	// Lease is for how many more seconds the leader lets it answer reads, 0 when
	// that is over; Lag is how many entries of the log it is behind the leader.
	// Nil when not known.
	Lease *float64 `json:"lease"`
	Lag   *uint64  `json:"lag"`
	// Waiting are the journeys that wait for their client in the member's
	// memory, as replicas too; Outstanding those that it has still to give the
	// replicas they ought to have. Nil when not known.
	Waiting     *int64 `json:"waiting"`
	Outstanding *int64 `json:"outstanding"`
	// LastSeen is when the member that answers heard of it last; nil for never.
	LastSeen *time.Time `json:"lastSeen"`
	// Sees are the names of the members that it calls alive.
	Sees []string `json:"sees"`
	// Protocol is the newest version of the protocol between members that it
	// speaks, Version that of its program, which a member knows of itself alone.
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
}
