// Package fleet runs the members of a cluster as processes of this machine, and
// ends, freezes, cuts off, fills and damages them.
//
// Members listen on loopback with ports from the kernel, or each in a network
// namespace of its own, joined by a bridge: then pairs of members can be cut
// apart while their clients still reach both. Namespaces need root and ip of
// iproute2, nothing else: a cut is an entry in the sender's neighbour table that
// points at a hardware address nobody has, so that packets of one direction
// vanish without a word, as they do at a broken switch.
//
// Data folders outlive processes. What a member says on stderr is kept in
// NAME.log beside them, run after run. Only processes that a fleet has started
// are signalled, by their id; all of them end with the process that started
// them, however it ends.
package fleet
