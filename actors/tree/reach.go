package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"maps"
	"slices"
	"time"
)

// Version names the exact definitions that a journey runs on. Two sets that
// run a tree alike give it the same version, whatever the order in which their
// files were written and wherever the editor has put the boxes.
type Version [16]byte

func (v Version) String() string { return hex.EncodeToString(v[:]) }

// Reach is what a run of a tree can touch.
type Reach struct {
	// Trees are the tree itself and its inner trees, at any depth; sorted. Trees
	// that are called but missing are among them.
	Trees []string
	// Nodes are the nodes of these trees and the children of their pages,
	// sorted.
	Nodes []NodeID
	// Version is a hash over the definitions of all of them.
	Version Version
}

// Reach tells what a run of the named tree can touch; ok is false when the set
// has no such tree.
func (s *Set) Reach(name string) (r Reach, ok bool) {
	if _, ok := s.Trees[name]; !ok {
		return Reach{}, false
	}
	trees, nodes := s.closure(name)
	r = Reach{Trees: slices.Sorted(maps.Keys(trees)), Nodes: slices.Sorted(maps.Keys(nodes))}
	r.Version = s.hash(name, r)
	return r, true
}

// closure follows inner trees and pages from the named tree.
func (s *Set) closure(name string) (trees map[string]struct{}, nodes map[NodeID]struct{}) {
	trees, nodes = map[string]struct{}{name: {}}, map[NodeID]struct{}{}
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		t, ok := s.Trees[queue[0]]
		if !ok {
			continue
		}
		for id := range t.Nodes {
			nodes[id] = struct{}{}
			c := s.Nodes[id]
			children, _ := Children(c) // a page that cannot be read holds nothing
			for _, child := range children {
				nodes[child.ID] = struct{}{}
			}
			inner := InnerTree(c)
			if _, seen := trees[inner]; inner != "" && !seen {
				trees[inner] = struct{}{}
				queue = append(queue, inner)
			}
		}
	}
	return trees, nodes
}

// callers are those trees within reach of name that can come back to it, and
// name itself.
func (s *Set) callers(name string) map[string]struct{} {
	calledBy := map[string][]string{}
	trees, _ := s.closure(name)
	for caller := range trees {
		t, ok := s.Trees[caller]
		if !ok {
			continue
		}
		for id := range t.Nodes {
			if inner := InnerTree(s.Nodes[id]); inner != "" {
				calledBy[inner] = append(calledBy[inner], caller)
			}
		}
	}
	found := map[string]struct{}{name: {}}
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		for _, caller := range calledBy[queue[0]] {
			if _, seen := found[caller]; !seen {
				found[caller] = struct{}{}
				queue = append(queue, caller)
			}
		}
	}
	return found
}

// Version is that of Reach, zero when the set has no such tree.
func (s *Set) Version(name string) Version {
	r, _ := s.Reach(name)
	return r.Version
}

// Of hashing: every part is written with its length or a marker before it, so
// that no two definitions run together into the same bytes.

func (s *Set) hash(name string, r Reach) Version {
	d := digest{sha256.New()}
	d.text("sojourn tree 1")
	d.text(name)
	for _, name := range r.Trees {
		d.text(name)
		d.tree(s.Trees[name])
	}
	for _, id := range r.Nodes {
		d.text(string(id))
		c, ok := s.Nodes[id]
		d.flags(ok)
		d.config(c)
	}
	return Version(d.Sum(nil)[:len(Version{})])
}

type digest struct{ hash.Hash }

func (d digest) number(n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	d.Write(b[:]) //nolint:errcheck // a hash takes everything
}

func (d digest) text(s string) {
	d.number(uint64(len(s)))
	d.Write([]byte(s)) //nolint:errcheck // a hash takes everything
}

func (d digest) flags(flags ...bool) {
	for _, f := range flags {
		if f {
			d.number(1)
		} else {
			d.number(0)
		}
	}
}

func (d digest) duration(x time.Duration) { d.number(uint64(x)) } //nolint:gosec // the bits matter, not the value

// tree leaves out what is only stored: the description and Extra.
func (d digest) tree(t *Tree) {
	d.flags(t != nil)
	if t == nil {
		return
	}
	d.text(string(t.Entry))
	d.flags(t.Enabled, t.InnerOnly, t.MustRun, t.NoSession, t.Transactional)
	d.duration(t.MaxDuration)
	d.duration(t.MaxSession)
	d.duration(t.MaxIdle)
	d.text(t.IdentityResource)
	d.number(uint64(len(t.Nodes)))
	for _, id := range slices.Sorted(maps.Keys(t.Nodes)) {
		v := t.Nodes[id]
		d.text(string(id))
		d.text(v.Type)
		d.text(v.Version)
		d.text(v.DisplayName)
		d.number(uint64(len(v.Connections)))
		for _, outcome := range slices.Sorted(maps.Keys(v.Connections)) {
			d.text(string(outcome))
			d.text(string(v.Connections[outcome]))
		}
	}
}

// config leaves out the type's title.
func (d digest) config(c Config) {
	d.text(c.Type)
	d.text(c.Version)
	d.number(uint64(len(c.Attributes)))
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		d.text(name)
		d.text(canonical(c.Attributes[name]))
	}
}

// canonical writes a JSON value with sorted keys and no white space. Numbers
// keep their digits. What is not JSON stays as it is.
func canonical(raw json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return string(raw)
	}
	out, err := json.Marshal(value)
	if err != nil {
		return string(raw)
	}
	return string(out)
}
