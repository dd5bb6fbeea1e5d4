// Package tree holds the definitions of authentication trees: what AM and
// frodo export, decoded leniently, and judged strictly by Validate.
//
// A definition is data. What its nodes do belongs to actors/node, and running
// it to actors/journey. Everything that a file says and this package does not
// interpret is kept, so that an export gives back what an import brought.
package tree

import (
	"encoding/json"
	"time"

	"sojourn/actors/realm"
)

// NodeID names a node instance, or one of the two ends of every tree.
type NodeID string

// The static nodes that every tree shares (am-contract section 7.1), and the
// key under which an export keeps the position of the start marker.
const (
	Success NodeID = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0"
	Failure NodeID = "e301438c-0bd0-429c-ab0c-66126501069a"
	start   NodeID = "startNode"
)

// Outcome is a node's named exit. AM compares outcomes with case.
type Outcome string

// Limits on a definition; a larger one is refused by Validate and by the API.
const (
	MaxNodes    = 2000
	MaxName     = 255
	MaxFileSize = 8 << 20 // bytes of one import file
)

// Tree is one tree of a realm.
type Tree struct {
	Name        string
	Entry       NodeID
	Nodes       map[NodeID]Vertex
	Description string

	// Enabled trees can be run, InnerOnly ones only from another tree. MustRun
	// never takes the existing-session short-cut, NoSession ends in success
	// without a session, Transactional runs only inside a transaction.
	Enabled, InnerOnly, MustRun, NoSession, Transactional bool

	// MaxDuration, MaxSession and MaxIdle override the realm's; zero leaves
	// them. AM ignores all three on inner trees.
	MaxDuration, MaxSession, MaxIdle time.Duration

	IdentityResource string
	// Extra keeps attributes that are only stored: uiConfig, staticNodes and
	// whatever a newer AM adds.
	Extra map[string]json.RawMessage
}

// Vertex is a node's place in a tree.
type Vertex struct {
	Type        string // "PageNode"; a "product-" prefix is kept
	Version     string
	DisplayName string
	Connections map[Outcome]NodeID
	// Extra keeps the coordinates and whatever else stands there.
	Extra map[string]json.RawMessage
}

// Config is the configuration of one node instance, or of a page's child:
// attributes by AM's names. _id, _type, _rev and _outcomes are not among them.
type Config struct {
	ID   NodeID
	Type string
	// Version and Title are what the source said of the type beside its name.
	// Title is shown again where the server does not know the type itself.
	Version, Title string
	Attributes     map[string]json.RawMessage
}

// Set is what a realm has: its trees by name, and node configurations.
type Set struct {
	Realm realm.Name
	Trees map[string]*Tree
	Nodes map[NodeID]Config
}
