// Package ldap is an identity.Repository over an LDAP directory.
//
// A login is a search for the user's entry by a service account and a bind as
// that entry. The directory owns the passwords and the rules about them, so
// lockout after failures, expiry and history are its own (ppolicy and its
// like); what it says of them in a bind's password policy control becomes the
// verdict. Whatever keeps the directory from answering is
// identity.ErrUnavailable or identity.ErrOverloaded, never a verdict.
//
// Counters (CountLogin, CountFailure, SetRetries) have no place in a directory
// and are identity.ErrReadOnly. A change that would change nothing succeeds:
// ClearFailures of an account without a lock does.
//
// Referrals are not followed and aliases not dereferenced: a login asks the
// configured servers and no other.
package ldap
