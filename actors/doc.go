// Package actors is everything with a mailbox.
//
// Journeys is the front door: Start and Resume. A start that meets only pure
// nodes is answered on the spot and leaves no trace; every other request goes
// to the member where the journey lives, which the placement function names
// and which other members ask through Peers and Serve, and there to the
// journey's actor. The actor is virtual: the gateway
// brings it into memory on a message and lets it go when it has answered. What
// remains of a waiting journey is its record.
//
// A journey actor computes steps with actors/journey and runs their effects
// off its mailbox: password checks and identity changes through an
// identity.Repository, the new session through the token store.
//
// DESIGN.md tells how these play together and why.
package actors
