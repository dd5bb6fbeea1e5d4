// Package simnet is a network for tests, under virtual time: hosts with
// streams and packets between them, and a switch for each fault. It is made for
// testing/synctest: create the Network inside the bubble; it has no goroutines
// of its own and waits only on channels and timers of the bubble.
//
//	n := simnet.New(seed, simnet.Options{Latency: time.Millisecond})
//	ln, err := n.Host("a").Listen(7000)
//	conn, err := n.Host("b").Dial(ctx, "a:7000")
//	n.Cut("a", "b")  // conn stalls
//	n.Heal()         // and goes on
//
// # How it behaves
//
// A stream is like TCP: bytes arrive in order and one latency after they were
// written; a write returns at once while the peer is at most a buffer behind, and
// waits after that. What a cut holds back arrives one latency after the healing.
// A cut of one direction holds that direction's bytes; the other direction goes
// on until its buffer is full, because acknowledgements do not get through.
// Connecting takes a latency each way, waits while either way is cut, is refused
// where nobody listens, and gives up after 127 s. A connection is complete when
// it is in the listener's backlog (128), accepted or not.
//
// Close lets the peer read what was written, then io.EOF; if bytes were left
// unread here, a reset. Writing to a peer that has closed is answered by a reset.
//
// A packet is like UDP: it may be lost or overtaken, is lost while its direction
// is cut, and is lost where nobody receives or 4096 packets already wait.
//
// A crash is that of a process: its listeners are gone and its streams reset (the
// resets travel like all else, and are held by a cut), connecting to it is
// refused. The Host is dead from then on, so that goroutines of the crashed
// process that linger in the test cannot speak any more; Network.Host returns
// the next incarnation under the same name and address. A host that vanishes is
// one that is cut off and then crashes.
//
// Bandwidth is unlimited, packets are not fragmented, and within a host nothing
// is delayed or cut.
//
// # What a seed replays
//
// Each decision of chance is a pure function of the seed, the direction (from
// which host to which), the stream's number in that direction and the number of
// the packet or piece in it. No random stream is shared: what one pair of hosts
// does never changes what another pair meets. Virtual time is exact. What a seed
// does not fix is which of several goroutines, runnable at the same virtual
// instant, goes first; two that write to the same stream or send packets to the
// same host may swap their numbers. So a run with the same seed meets the same
// latencies and losses at the same places, mostly under the same messages, and
// repeats a failure often, not always. Run a failing seed some times over.
package simnet
