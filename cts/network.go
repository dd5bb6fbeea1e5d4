package cts

import (
	"context"
	"errors"
	"net"
)

// Peer is what a member tells of its store to all others.
type Peer struct {
	// Store is the id in its data folder: another disk, another store.
	Store string
	// Address is where its cluster port is, Name what its operator calls it.
	Address, Name string
	// Cluster is zero as long as it belongs to none.
	Cluster [16]byte
	Expect  int
	// Protocol is the newest protocol between members that it speaks. Zero, not
	// told, is taken for this release's.
	Protocol int
}

// Network is what a store needs of the cluster around it. Its methods may be
// called concurrently and at any time between Start and the end of Close.
type Network interface {
	// Listen returns the listener of raft's streams. It is called once; the
	// store closes it.
	Listen() net.Listener
	// Dial connects with the listener of a member.
	Dial(ctx context.Context, addr string) (net.Conn, error)
	// Call asks a member's handler and returns its answer.
	Call(ctx context.Context, addr string, body []byte) ([]byte, error)
	// Handle says who answers calls. It is called once, by Start. Each call runs
	// on a goroutine of its own; ctx carries the caller's deadline.
	Handle(func(ctx context.Context, from string, body []byte) ([]byte, error))
	// Peers are the members that are alive now, as far as is known here, this one
	// included.
	Peers() []Peer
	// NotDone says of an error of Call that the member certainly did not get it.
	NotDone(err error) bool
	// Joined is told, as soon as it is known and once at least, which cluster this
	// member belongs to.
	Joined(cluster [16]byte)
}

var errNobody = errors.New("there is no other member")

// nobody is the network of a member alone.
type nobody struct{}

func (nobody) Listen() net.Listener { return nil }

func (nobody) Dial(context.Context, string) (net.Conn, error) { return nil, errNobody }

func (nobody) Call(context.Context, string, []byte) ([]byte, error)                    { return nil, errNobody }
func (nobody) Handle(func(ctx context.Context, from string, b []byte) ([]byte, error)) {}
func (nobody) Peers() []Peer                                                           { return nil }

func (nobody) NotDone(error) bool { return true }
func (nobody) Joined([16]byte)    {}
