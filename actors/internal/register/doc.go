// Package register is the core of replicated journeys: a register per journey
// that a majority of its replicas holds, written by one leader at a time.
//
// # The protocol
//
// Every member keeps a Slot per journey it has heard of: the newest epoch it
// has promised, and the newest record. A leader writes record after record
// under its epoch; one is decided when a majority of the set that it names has
// accepted it (Round), and only then is anybody told what it says. Whoever
// else is asked for the journey takes it over (Takeover): it draws a higher
// epoch, has a majority promise to accept nothing older, adopts the newest
// record that they have, and writes that under its own epoch before it goes
// on. Clocks, leases and membership have no part in it: a wrong suspicion
// costs a round and nothing else.
//
// A journey that is nowhere is one that was not begun: its trace names the set
// that may begin it, and that is taken for a record of epoch zero. The first
// of that set may begin it without asking (Slot.Begin), under the lowest epoch
// that exists, so there is nothing older that it would have to find.
//
// # Why two leaders never complete different steps
//
// Let a record r be decided under epoch E, and another leader go on under a
// later one, F. A majority promised F, a majority accepted r, so one member
// did both. It accepted r first, for after its promise it would have refused;
// so it told the new leader of r or of something newer. Newer is what r's own
// leader wrote after it, or what a leader between E and F did, and by the same
// argument, from E upwards, all of that follows r. So the new leader goes on
// from r. It does not matter whether r's leader knew that r was decided, or
// whether the new leader does: it writes what it has found under its own epoch
// before it is used, for what a minority had accepted under an old epoch is
// found by one take-over and missed by the next, until a majority has it under
// a new one.
//
// For this a record must be told by its Epoch and Seq: an epoch is drawn once
// (Slot.Campaign), by one process, and a record follows the one before
// (Slot.Propose). A leader follows what it wrote last even if it is not sure
// that it was decided. And a slot must not forget while it may be asked, so a
// process that has restarted is another member.
//
// # Changes of the set
//
// A majority of one set and a majority of another need not meet. So a change
// names both (Replicas and Prev) and needs a majority of each. Who asks a
// majority of the old set either finds the change, and then must ask the new
// set too, or has fenced it, as it needs the old set to be decided. One change
// begins when the one before is decided and settled.
//
// The change is settled by a second write, without Prev. Until then the
// journey needs majorities of both sets, and a journey at which nobody works
// would be lost with the second member that ends, as the first one, which was
// replaced, still counts. It comes after the change is decided: before, the
// old set may not know of the new one.
//
// A member that has left keeps a stub, which names the set that was settled,
// until the journey has expired. If it forgot, a majority of the old set might
// know nothing, and a search among them would begin the journey again. A stub
// is told when the settled record is decided, so the body is with a majority
// of the set that the stub names: it leads there and is never the last word.
// Before that the body of one who leaves may be the only one.
//
// # Pairs
//
// A majority of two is both. If one is certainly dead, as the list of retired
// processes tells and no failure detector can, the other alone is enough:
// everything decided is decided by both or by this one, after that death. The
// death must be known before the other is asked. Else a leader could put an
// answer of one, who has died since, together with the death of the other,
// while another leader has done the same the other way round.
//
// # What is up to the shell
//
// It stores a slot before it answers from it, and keeps one as long as any
// authId of the journey may be used, even if nothing but a promise is in it: a
// record never expires before the one that it follows. It tells nobody anything about a journey,
// not even a refusal, before a majority has accepted the record that says so,
// be it once more: what it has may be old. Of a member that cannot be asked it
// takes nothing for granted, so the outcome is Unavailable, not Nothing.
//
// The package is pure. Its tests walk a register through every disorder of
// network, suspicion and death, and show that each rule above is needed.
package register
