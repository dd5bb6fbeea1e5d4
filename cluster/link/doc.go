// Package link carries everything that members say to each other over TCP:
// gossip's streams, raft's streams, and calls from one member to another. All
// of it goes over one port.
//
// # A connection
//
// A connection is TLS 1.3 with certificates on both sides and the protocol name
// sojourn/1; see Credentials for who is let in. Then the side that dialled sends
// a preamble and waits for the answer:
//
//	"SJRN"   4   magic
//	length   2   of what follows, at most 512
//	min max  1+1 protocol versions that the sender speaks
//	kind     1   1 gossip, 2 raft, 3 calls
//	cluster  16  id of the sender's cluster, zero while it is in none
//	member   1+n length and text of the sender's member id
//
//	"SJRN"   4   magic
//	length   2   of what follows, at most 512
//	verdict  1   0 accepted, or why not (type Refusal)
//	version  1   the protocol version of this connection
//	cluster  16  id of the acceptor's cluster
//	member   1+n the acceptor's member id
//	detail   1+n what a refusal says to people
//
// Example of a preamble, member "7f", version 1 only, calls, no cluster yet:
//
//	53 4a 52 4e  00 16  01 01  03  00*16  02 37 66
//
// Bytes after the last field are ignored, so that a later version can add some.
// A refusal is logged by both sides, once a minute for each peer and reason.
//
// The answer is more than politeness. The kernel of a dying process goes on
// accepting connections for a moment, and that of a stopped one does for as long
// as its backlog has room: only an answered preamble proves that somebody lives
// there. Until then nothing that matters has been sent, so every failure up to
// that point is a DownError.
//
// # Calls
//
// Members keep one connection for calls to each address that they call, made
// when it is first needed and kept while it is idle. Frames go both ways on it:
//
//	length   4   of what follows, at most 14 + 4 MiB
//	id       8   names the call on this connection
//	kind     1   1 request, 2 answer, 3 error, 4 refusal, 5 ping, 6 pong
//	sub      1   request: the service; refusal: why
//	arg      4   request: milliseconds the caller will wait, 0 no limit; error: its code
//	body     n
//
// Example of a request, call 1, service 2, one second, body "hi":
//
//	00 00 00 10  00 00 00 00 00 00 00 01  01  02  00 00 03 e8  68 69
//
// Whoever has a frame writes it, with all that waits at that moment; while
// somebody writes, the others only queue. Answers are written by their handler's
// goroutine. A caller writes its request itself only while at most 4 KiB of
// requests may be unread at the peer, which any socket's buffer takes: it must not
// wait for longer than its context lasts. Further ones are left to a goroutine
// that each direction has for what nobody else writes.
//
// # What a caller learns
//
// A call ends in one of four ways: the answer; RemoteError, the handler's own
// error; DownError, the handler certainly never ran, another member can be asked
// at once; LostError, the request was sent and no answer came: it may have been
// carried out or not. A broken connection ends all its calls in that moment.
// Calls that still waited to be written are DownErrors, or go once more over a new
// connection.
//
// A peer that has fallen silent without closing (its host gone, a filter in
// between, the process stopped) is noticed after 1.5 to 1.75 s while calls are in
// flight: the caller pings every 500 ms, looks every 250 ms whether anything at
// all was read, and gives up at the sixth look that found nothing. Looks are
// counted and not time, so that a process that was stopped itself does not take
// its own sleep for the peer's. While a member reads long requests it sends a pong
// for each 64 KiB, for a ping may have to wait behind them. A connection without calls is pinged after five
// quiet seconds. TCP's keepalive would not do: it is answered by the kernel of a
// stopped process.
//
// # Bounds
//
//	body of a request or an answer   4 MiB, over it ErrTooLarge
//	calls in flight to one address   4096, further ones wait for a place
//	requests one peer has running    4096 and 64 MiB, over it ErrBusy
//	handshakes at a time             256, over it the connection is closed
//	time for connect                 1 s; for handshake and preamble 1 s
//	streams waiting for Accept       64 of each kind, over it the connection is closed
//	text of an error                 1 KiB, longer ones are cut
package link
