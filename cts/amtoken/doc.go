// Package amtoken reads client-side sessions that an AM has signed, so that who
// is logged in there stays logged in when a realm moves here.
//
// A token is taken until a date, and only if it has been signed and encrypted
// exactly as the configuration says: one algorithm for each, and keys for these.
// What the token's own header says decides nothing; where it says something
// else, the token is none.
//
// AM's tokens are AQIC…*ext*JWT, with the type JWT in ext, or the bare JWT; the
// claims are those of am-contract section 4.4. What is missing there is decided so that a session
// can only end sooner: without maxtime it counts as made long ago.
//
// The package is pure: keys come in as bytes, time as an argument.
package amtoken
